"""A twin as a whole: it exists, it is asked to stop, it goes on."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from contracts.message import Command, Event, Text, UnixUs
from contracts.policy import Policy
from contracts.price_book import PriceBook

# Names that can be no twin's, beside that of the platform.
RESERVED_NAMES: Final = frozenset(("operator", "system", "vito"))
# What the platform, which is no twin, is called where twins are listed.
PLATFORM_NAME: Final = "Platform"
TenantStatus: TypeAlias = Literal["absent", "active", "suspended", "asleep"]
DisplayName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]

# -- Commands ----------------------------------------------------------------


class ProvisionTenant(Command, frozen=True, kw_only=True):
    """Create a twin together with its first policy and price book."""

    display_name: DisplayName
    organisation: DisplayName
    policy: Policy
    price_book: PriceBook


class SuspendTenant(Command, frozen=True, kw_only=True):
    """
    Refuse every new call from now on.

    `suspended` answers 403 (not allowed), `asleep` answers 402 (the twin is sleeping: cost).
    """

    mode: Literal["suspended", "asleep"] = "suspended"
    reason: Text = ""


class ResumeTenant(Command, frozen=True, kw_only=True):
    """Let calls through again."""

    reason: Text = ""


TenantCommand: TypeAlias = ProvisionTenant | SuspendTenant | ResumeTenant

# -- Events ------------------------------------------------------------------


class TenantProvisioned(Event, frozen=True):
    """The twin exists and is active. Its policy and price book follow in the same commit."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    display_name: str
    organisation: str
    actor: str


class TenantSuspended(Event, frozen=True):
    """New calls are refused from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    mode: Literal["suspended", "asleep"]
    reason: str
    actor: str


class TenantResumed(Event, frozen=True):
    """New calls are decided again."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    reason: str
    actor: str


TenantEvent: TypeAlias = TenantProvisioned | TenantSuspended | TenantResumed
