"""
A tenant's money: authorise before a vendor call, settle after it.

A granted call *holds* its upper bound; `settle` books what it cost, `extend` renews the hold of a
stream in slices, `release` gives it back, and a hold that nobody settles expires, in writing.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

import msgspec

from contracts.message import (
    ID_PATTERN,
    NAME_PATTERN,
    RESERVATION_PATTERN,
    Command,
    Event,
    Id,
    Modality,
    Name,
    Nanos,
    Note,
    Part,
    ReservationId,
    UnixUs,
    check_lines,
    check_prose,
    line,
    refuse_spelling,
)
from contracts.usage import Units, Usage

TtlMs: TypeAlias = Annotated[
    int, msgspec.Meta(ge=1_000, le=86_400_000, description="how long the hold lasts unsettled")
]
CallOutcome: TypeAlias = Literal["completed", "cut_off", "failed"]
CallPurpose: TypeAlias = Literal["live", "calibration", "reconciliation", "test"]
AUTHORIZATIONS_PER_MESSAGE_MAX = 256
VENDOR_REF_CHARS_MAX = 128

# All names of a message in one match; a space is in none of them. See `contracts.message`.
_is_call = re.compile(f"{ID_PATTERN} {NAME_PATTERN} {NAME_PATTERN} {ID_PATTERN}").fullmatch
_is_option = re.compile(f"{NAME_PATTERN} {NAME_PATTERN}").fullmatch
_is_about_hold = re.compile(f"{ID_PATTERN} {RESERVATION_PATTERN}").fullmatch

# -- Commands ----------------------------------------------------------------


class CallOption(Part, frozen=True):
    """One way to make the call, with an upper bound of what it may consume."""

    modality: Modality
    provider_id: Name
    sku: Name
    estimate: Usage

    def __post_init__(self) -> None:
        if _is_option(f"{self.provider_id} {self.sku}") is None:
            refuse_spelling(self)


class AuthorizeCall(Command, frozen=True, kw_only=True):
    """
    May this vendor call be made?

    *fallbacks* are cheaper ways to make it, best first; the gate grants the first that fits.
    *max_delay_ms* is the caller's patience: a longer throttle is refused with 429 instead. A
    `calibration` is a sample of the twin's draft, before anybody hears it (`contracts.twin`). A
    `reconciliation` holds nothing: its estimate is zero, and it may only ask the vendor for the
    twin's sessions and end them; what they cost is settled late, or above its hold. A `test` sees
    whether a vendor takes the twin's key, also before anybody has signed the twin off.
    """

    modality: Modality
    provider_id: Name
    sku: Name
    estimate: Usage
    fallbacks: Annotated[list[CallOption], msgspec.Meta(max_length=3)] = []
    ttl_ms: TtlMs = 120_000
    session_id: Id | None = None
    max_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] | None = None
    purpose: CallPurpose = "live"

    def __post_init__(self) -> None:
        session = "-" if self.session_id is None else self.session_id
        if _is_call(f"{self.command_id} {self.provider_id} {self.sku} {session}") is None:
            refuse_spelling(self)


class HoldCommand(Command, frozen=True, kw_only=True):
    """A command about a call that was authorised before."""

    reservation_id: ReservationId

    def __post_init__(self) -> None:
        if _is_about_hold(f"{self.command_id} {self.reservation_id}") is None:
            refuse_spelling(self)


class SettleCall(HoldCommand, frozen=True, kw_only=True):
    """What the call really consumed. Booked even above the hold: the money was spent."""

    usage: Usage
    outcome: CallOutcome = "completed"
    vendor_ref: Annotated[str, line(VENDOR_REF_CHARS_MAX, min_length=0)] = ""

    def __post_init__(self) -> None:
        # On the hot path: super() and check_lines() would cost as much as the rest.
        if _is_about_hold(f"{self.command_id} {self.reservation_id}") is None:
            refuse_spelling(self)
        if not self.vendor_ref.isprintable():
            check_lines(vendor_ref=self.vendor_ref)


class ExtendCall(HoldCommand, frozen=True, kw_only=True):
    """Hold more for a call that goes on. *estimate* is what is added, not the new total."""

    estimate: Usage
    ttl_ms: TtlMs = 120_000


class ReleaseCall(HoldCommand, frozen=True, kw_only=True):
    """The vendor was never called: give the hold back."""

    reason: Note = ""

    def __post_init__(self) -> None:
        if _is_about_hold(f"{self.command_id} {self.reservation_id}") is None:
            refuse_spelling(self)
        if not self.reason.isprintable():
            check_prose(reason=self.reason)


class TopUpCredits(Command, frozen=True, kw_only=True):
    """Add prepaid credits. They last until spent and are used after the month's limit."""

    amount_nanos: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000_000_000)]
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


BudgetCommand: TypeAlias = AuthorizeCall | SettleCall | ExtendCall | ReleaseCall | TopUpCredits

# -- Events ------------------------------------------------------------------


class Standing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    The money of the current month just after a decision, as the gate saw it. Nanos.

    *committed* and *held* count against *limit*; *credits* are prepaid and neither spent nor held.
    """

    committed_nanos: int
    held_nanos: int
    limit_nanos: int
    credits_nanos: int
    resets_at_us: int

    @property
    def remaining_nanos(self) -> int:
        """What a new call could still hold. Never negative."""
        return max(0, self.limit_nanos - self.committed_nanos - self.held_nanos) + max(
            0, self.credits_nanos
        )


NO_STANDING = Standing(0, 0, 0, 0, 0)


class WayAsked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One of the ways to make a call that were offered to the gate, see `CallOption`."""

    modality: Modality
    provider_id: str
    sku: str
    estimate: Usage


class CallAsked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    What a call asked for beyond what its event says, so that it can be decided again.

    *max_delay_ms* -1: the caller was as patient as the policy is.
    """

    provider_id: str
    sku: str
    estimate: Usage
    fallbacks: tuple[WayAsked, ...] = ()
    max_delay_ms: int = -1
    purpose: CallPurpose = "live"


class PeriodOpened(Event, frozen=True):
    """A month begins: [starts, ends). Its bounds are facts, whatever time zone data says later."""

    at_us: UnixUs
    period: str
    starts_us: UnixUs
    ends_us: UnixUs


class MeterLimitsSet(Event, frozen=True):
    """What limits the meters of *period* from here on. Unit limits in thousandths; -1: none."""

    at_us: UnixUs
    period: str
    money_nanos: int
    credits_nanos: int
    video_stream_ms_milli: int
    voice_stream_ms_milli: int
    text_tokens_milli: int
    data_requests_milli: int


class CallAuthorized(Event, frozen=True):
    """
    A call may be made after *delay_us*; *amount_nanos* are held until *expires_at_us*.

    *credit_nanos* is the part of the amount held on credits. *stepped_down_for* says why
    *modality* is not the *requested* one. *tat_us* is the leaky bucket after this call.
    *identity_version* is the live identity, or for a calibration the draft; 0: there is none.
    *asked* is None where the call asked for exactly what was granted, and in older logs.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    requested: Modality
    modality: Modality
    stepped_down_for: str
    provider_id: str
    sku: str
    estimate: Usage
    period: str
    amount_nanos: int
    credit_nanos: int
    units: Units
    tat_us: int
    delay_us: int
    expires_at_us: UnixUs
    session_id: str
    policy_version: int
    price_version: int
    standing: Standing
    purpose: CallPurpose = "live"
    identity_version: int = 0
    asked: CallAsked | None = None


class CallRefused(Event, frozen=True):
    """
    A call may not be made (or a hold not be extended): *code* says why, *facts* by how much.

    Empty *session_id*: the call is of none, or the log is older than this field. *asked* is None
    for an extension, and in older logs.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    verb: str
    code: str
    status: int
    requested: str
    provider_id: str
    sku: str
    amount_nanos: int
    retry_after_us: int
    policy_version: int
    price_version: int
    facts: dict[str, int | str]
    standing: Standing
    session_id: str = ""
    asked: CallAsked | None = None


class RefusalsCounted(Event, frozen=True):
    """
    Refusals of a flood, beyond what is recorded one by one, counted by code.

    *amount_nanos* is what they asked for in sum. They changed nothing.
    """

    at_us: UnixUs
    from_us: UnixUs
    to_us: UnixUs
    counts: dict[str, int]
    amount_nanos: int


class HoldExtended(Event, frozen=True):
    """A hold grew by *amount_nanos* and lasts until *expires_at_us*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    reservation: int
    modality: Modality
    period: str
    estimate: Usage
    amount_nanos: int
    credit_nanos: int
    units: Units
    expires_at_us: UnixUs
    session_id: str
    policy_version: int
    standing: Standing


class CallSettled(Event, frozen=True):
    """
    A call cost *cost_nanos*; what was held for it is free again.

    *credit_nanos* is the part paid from credits. *overrun_nanos* is the part that no hold backed:
    above the hold, or all of it when *late* (the hold had expired before).
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    reservation: int
    outcome: CallOutcome
    modality: Modality
    provider_id: str
    sku: str
    usage: Usage
    period: str
    cost_nanos: int
    credit_nanos: int
    overrun_nanos: int
    late: bool
    units: Units
    held_nanos: int
    held_credit_nanos: int
    held_units: Units
    session_id: str
    vendor_ref: str
    policy_version: int
    price_version: int
    standing: Standing


class HoldReleased(Event, frozen=True):
    """The call was never made; its whole hold is free again."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    reservation: int
    modality: Modality
    period: str
    held_nanos: int
    held_credit_nanos: int
    held_units: Units
    session_id: str
    reason: str
    standing: Standing


class ExpiredHold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One hold that ran out unsettled."""

    reservation: int
    modality: Modality
    period: str
    held_nanos: int
    held_credit_nanos: int
    held_units: Units
    session_id: str


class HoldsExpired(Event, frozen=True):
    """Holds ran out unsettled; written down before their money is used again."""

    at_us: UnixUs
    holds: list[ExpiredHold]


class CreditsAdded(Event, frozen=True):
    """Prepaid credits grew by *amount_nanos*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    amount_nanos: Nanos
    reason: str
    actor: str
    standing: Standing


class CommandRefused(Event, frozen=True):
    """Any other command that was refused."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    noun: str
    verb: str
    code: str
    status: int
    facts: dict[str, int | str]
    standing: Standing


BudgetEvent: TypeAlias = (
    PeriodOpened
    | MeterLimitsSet
    | CallAuthorized
    | CallRefused
    | RefusalsCounted
    | HoldExtended
    | CallSettled
    | HoldReleased
    | HoldsExpired
    | CreditsAdded
    | CommandRefused
)
