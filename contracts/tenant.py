"""A twin as a whole: it exists, it is asked to stop, it goes on, it is erased."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from contracts.message import Command, Event, TenantId, Text, UnixUs
from contracts.policy import Policy
from contracts.price_book import PriceBook

TenantStatus: TypeAlias = Literal["absent", "active", "suspended", "asleep", "erased"]
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


class EraseTenant(Command, frozen=True, kw_only=True):
    """
    Destroy the twin's data key, for ever: nobody can read anything of it again, in no copy.

    *confirm* is the twin's name once more. The name is never given to another twin.
    """

    confirm: TenantId
    reason: Text = ""


TenantCommand: TypeAlias = ProvisionTenant | SuspendTenant | ResumeTenant | EraseTenant

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


class TenantErased(Event, frozen=True):
    """
    The last event of a log. Its key is destroyed next, so that soon nobody can read this either.

    What says so for good is the key store: a mark in place of the keys.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    reason: str
    actor: str


TenantEvent: TypeAlias = TenantProvisioned | TenantSuspended | TenantResumed | TenantErased
