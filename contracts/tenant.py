"""
A twin as a whole: it exists, it is activated, it is asked to stop, it goes on, it is retired,
and it is erased in the end.

    absent -> provisioned -> active <-> suspended, asleep      and from each of them -> retired

A suspended twin goes back to where it was: `provisioned` if nobody has signed it off yet. Signing
off and retiring are commands of the noun `twin` (`contracts.twin`). Any of them can be erased.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from contracts.message import Command, Event, Note, TenantId, UnixUs, check_lines, check_prose, line
from contracts.policy import Policy, check_policy
from contracts.price_book import PriceBook, check_price_book

# Names that can be no twin's, beside that of the platform.
RESERVED_NAMES: Final = frozenset(("operator", "system", "vito"))
# What the platform, which is no twin, is called where twins are listed.
PLATFORM_NAME: Final = "Platform"
TenantStatus: TypeAlias = Literal[
    "absent", "active", "suspended", "asleep", "provisioned", "retired", "erased"
]
Activation: TypeAlias = Literal["after_sign_off", "immediate"]
DisplayName: TypeAlias = Annotated[str, line(200)]

# -- Commands ----------------------------------------------------------------


class ProvisionTenant(Command, frozen=True, kw_only=True):
    """
    Create a twin together with its first policy and price book.

    No call is granted before the Owner has signed its identity off. `immediate` does without, for
    the synthetic twins of tests and measurements; only the deployment's own credentials may say it.
    """

    display_name: DisplayName
    organisation: DisplayName
    policy: Policy
    price_book: PriceBook
    activation: Activation = "after_sign_off"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lines(display_name=self.display_name, organisation=self.organisation)
        check_policy(self.policy)
        check_price_book(self.price_book)


class SuspendTenant(Command, frozen=True, kw_only=True):
    """
    Refuse every new call from now on.

    `suspended` answers 403 (not allowed), `asleep` answers 402 (the twin is sleeping: cost).
    """

    mode: Literal["suspended", "asleep"] = "suspended"
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class ResumeTenant(Command, frozen=True, kw_only=True):
    """Let calls through again."""

    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class EraseTenant(Command, frozen=True, kw_only=True):
    """
    Destroy the twin's data key, for ever: nobody can read anything of it again, in no copy.

    *confirm* is the twin's name once more. The name is never given to another twin.
    """

    confirm: TenantId
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


TenantCommand: TypeAlias = ProvisionTenant | SuspendTenant | ResumeTenant | EraseTenant

# -- Events ------------------------------------------------------------------


class TenantProvisioned(Event, frozen=True):
    """
    The twin exists. Its policy and price book follow in the same commit.

    It is active at once if *activation* says so; logs from before there was a sign-off mean that.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    display_name: str
    organisation: str
    actor: str
    activation: Activation = "immediate"


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
    """The twin is again what it was before it was suspended: *status*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    reason: str
    actor: str
    status: Literal["active", "provisioned"] = "active"


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
