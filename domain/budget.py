"""
Budget: a twin never holds and spends more than its limit.

Spending has two steps: *hold* an upper bound before the call, *settle* the truth after it. Money
comes from the month's hard limit first and from prepaid credits then.

    Invariant, at every event:  committed + held <= limit   and   credits spent + held <= added

Two things may pass the limit, because the money was really spent by then: a settlement above its
hold, and one that comes after its hold expired. They are booked, flagged as overrun and counted.

State is updated in place (`evolve` returns the state that it was given): a hot tenant has
thousands of open holds, and copying them for every event would make replay a hundred times
slower. `decide` never touches it; tests check that.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import msgspec

from contracts.budget import (
    CallAuthorized,
    CallSettled,
    CreditsAdded,
    ExpiredHold,
    HoldExtended,
    HoldReleased,
    HoldsExpired,
    MeterLimitsSet,
    PeriodOpened,
    Standing,
)
from contracts.message import Modality
from contracts.policy import Policy
from contracts.price_book import PriceEntry
from contracts.usage import NO_UNITS, Units

OPEN_HOLDS_MAX = 50_000
# Expired holds are kept so that a late settlement still finds the prices it was granted at.
EXPIRED_HOLDS_MAX = 10_000
PERIODS_MAX = 14
_HEAP_SLACK = 1_000


class Hold(msgspec.Struct, array_like=True):
    """Money set aside for one call. *reservation* is the number of the granting decision."""

    reservation: int
    modality: Modality
    provider_id: str
    sku: str
    period: str
    amount_nanos: int
    credit_nanos: int
    units: Units
    expires_at_us: int
    session_id: str
    price_version: int
    price: PriceEntry


class Totals(msgspec.Struct, array_like=True):
    """One month. Money excludes the part on credits; units are thousandths per modality."""

    starts_us: int
    ends_us: int
    committed_nanos: int = 0
    held_nanos: int = 0
    overrun_nanos: int = 0
    overruns: int = 0
    late_settlements: int = 0
    quota_committed: dict[str, int] = {}
    quota_held: dict[str, int] = {}
    units_committed: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0, 0])
    units_held: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0, 0])


class State(msgspec.Struct, array_like=True):
    """All money of one tenant. *period* names the current month in *periods*."""

    period: str = ""
    periods: dict[str, Totals] = {}
    credits_added_nanos: int = 0
    credits_spent_nanos: int = 0
    credits_held_nanos: int = 0
    holds: dict[int, Hold] = {}
    expired: dict[int, Hold] = {}
    # (expiry, reservation) of every hold, and of holds that were extended or closed since.
    deadlines: list[tuple[int, int]] = []


class Funds(msgspec.Struct, frozen=True, gc=False):
    """How an amount is paid: *credit_nanos* of it from credits. *short_nanos* > 0: it is not."""

    credit_nanos: int
    short_nanos: int


def credits_free_nanos(state: State) -> int:
    """Credits neither spent nor held."""
    return state.credits_added_nanos - state.credits_spent_nanos - state.credits_held_nanos


def limit_free_nanos(totals: Totals, limit_nanos: int) -> int:
    """What the month's limit has left; 0 when it was passed or lowered below what is spent."""
    return max(0, limit_nanos - totals.committed_nanos - totals.held_nanos)


def totals_of(state: State, period: str) -> Totals:
    """Return a month's totals; empty ones for a month that left the state long ago."""
    return state.periods.get(period) or Totals(0, 0)


def fund(state: State, totals: Totals, limit_nanos: int, amount_nanos: int) -> Funds:
    """Split an amount over the month's limit and the credits."""
    credit = max(0, amount_nanos - limit_free_nanos(totals, limit_nanos))
    return Funds(credit, max(0, credit - credits_free_nanos(state)))


def quota_milli(modality: Modality, units: Units) -> int:
    """Which of the units counts against the modality's quota."""
    match modality:
        case "video" | "voice":
            return units.stream_ms_milli
        case "text":
            return units.tokens_milli
        case "data":
            return units.requests_milli


def quota_limit_milli(policy: Policy, modality: Modality) -> int | None:
    """Return the modality's monthly quota in thousandths of the base quantity, or None."""
    quotas = policy.quotas
    match modality:
        case "video":
            return _scaled(quotas.video_minute_units, 60_000_000)
        case "voice":
            return _scaled(quotas.voice_minute_units, 60_000_000)
        case "text":
            return _scaled(quotas.text_token_units, 1_000_000)
        case "data":
            return _scaled(quotas.data_requests, 1_000)


def _scaled(limit: int | None, grains: int) -> int | None:
    return None if limit is None else limit * grains


def quota_used_milli(totals: Totals, modality: Modality) -> int:
    """Committed and held units of the month that count against the modality's quota."""
    return totals.quota_committed.get(modality, 0) + totals.quota_held.get(modality, 0)


def standing(
    state: State,
    totals: Totals,
    limit_nanos: int,
    *,
    held: int = 0,
    committed: int = 0,
    credit: int = 0,
) -> Standing:
    """
    Return the money of the current month after a change of *held*, *committed* and *credit*.

    *credit* is by how much the free credits grow (negative: shrink).
    """
    return Standing(
        totals.committed_nanos + committed,
        totals.held_nanos + held,
        limit_nanos,
        credits_free_nanos(state) + credit,
        totals.ends_us,
    )


def due(state: State, now_us: int) -> list[ExpiredHold]:
    """Return the holds that have run out by *now_us*, in the order in which they ran out."""
    # An extended hold is named twice and a closed one still once; only the hold itself counts.
    numbers = dict.fromkeys(number for _, number in sorted(_reached(state.deadlines, now_us)))
    holds = (state.holds.get(number) for number in numbers)
    return [
        _as_expired(hold) for hold in holds if hold is not None and hold.expires_at_us <= now_us
    ]


def next_deadline_us(state: State) -> int | None:
    """When the next hold may run out; never too late, sometimes early."""
    return state.deadlines[0][0] if state.deadlines else None


def _reached(heap: list[tuple[int, int]], now_us: int) -> list[tuple[int, int]]:
    """Every entry of a heap up to *now_us*, without taking any: a parent is never later."""
    found, look_at = [], [0]
    while look_at:
        index = look_at.pop()
        if index < len(heap) and heap[index][0] <= now_us:
            found.append(heap[index])
            look_at += (2 * index + 1, 2 * index + 2)
    return found


def _as_expired(hold: Hold) -> ExpiredHold:
    return ExpiredHold(
        reservation=hold.reservation,
        modality=hold.modality,
        period=hold.period,
        held_nanos=hold.amount_nanos,
        held_credit_nanos=hold.credit_nanos,
        held_units=hold.units,
        session_id=hold.session_id,
    )


# -- evolve: one function per fact; none of them can refuse -------------------


def period_opened(state: State, event: PeriodOpened) -> None:
    """Make the month current; the oldest months leave when nothing can reach them any more."""
    state.period = event.period
    state.periods[event.period] = Totals(event.starts_us, event.ends_us)
    while len(state.periods) > PERIODS_MAX:
        del state.periods[next(iter(state.periods))]


def call_authorized(state: State, event: CallAuthorized, price: PriceEntry) -> None:
    """Hold the money and the units of a granted call."""
    totals = state.periods[event.period]
    totals.held_nanos += event.amount_nanos - event.credit_nanos
    state.credits_held_nanos += event.credit_nanos
    _hold_units(totals, event.modality, event.units, 1)
    state.holds[event.decision] = Hold(
        event.decision,
        event.modality,
        event.provider_id,
        event.sku,
        event.period,
        event.amount_nanos,
        event.credit_nanos,
        event.units,
        event.expires_at_us,
        event.session_id,
        event.price_version,
        price,
    )
    _remember_deadline(state, event.expires_at_us, event.decision)


def hold_extended(state: State, event: HoldExtended) -> None:
    """Hold more for a call that goes on."""
    hold = state.holds[event.reservation]
    totals = _totals(state, hold.period)
    totals.held_nanos += event.amount_nanos - event.credit_nanos
    state.credits_held_nanos += event.credit_nanos
    _hold_units(totals, hold.modality, event.units, 1)
    hold.amount_nanos += event.amount_nanos
    hold.credit_nanos += event.credit_nanos
    hold.units = add(hold.units, event.units)
    hold.expires_at_us = event.expires_at_us
    _remember_deadline(state, event.expires_at_us, event.reservation)


def call_settled(state: State, event: CallSettled) -> None:
    """Book what a call cost; free what was held for it."""
    totals = _totals(state, event.period)
    if event.late:
        state.expired.pop(event.reservation, None)
        totals.late_settlements += 1
    else:
        _free(
            state,
            totals,
            event.reservation,
            event.modality,
            event.held_nanos,
            event.held_credit_nanos,
            event.held_units,
        )
    totals.committed_nanos += event.cost_nanos - event.credit_nanos
    state.credits_spent_nanos += event.credit_nanos
    if event.overrun_nanos:
        totals.overrun_nanos += event.overrun_nanos
        totals.overruns += 1
    _commit_units(totals, event.modality, event.units)


def hold_released(state: State, event: HoldReleased) -> None:
    """Free the hold of a call that was never made."""
    _free(
        state,
        _totals(state, event.period),
        event.reservation,
        event.modality,
        event.held_nanos,
        event.held_credit_nanos,
        event.held_units,
    )


def holds_expired(state: State, event: HoldsExpired) -> None:
    """Free holds that ran out, but remember them for a settlement that comes late."""
    for gone in event.holds:
        hold = state.holds.get(gone.reservation)
        if hold is not None:
            state.expired[gone.reservation] = hold
        _free(
            state,
            _totals(state, gone.period),
            gone.reservation,
            gone.modality,
            gone.held_nanos,
            gone.held_credit_nanos,
            gone.held_units,
        )
    while len(state.expired) > EXPIRED_HOLDS_MAX:
        del state.expired[next(iter(state.expired))]
    deadlines = state.deadlines
    while deadlines and deadlines[0][0] <= event.at_us:
        heappop(deadlines)


def credits_added(state: State, event: CreditsAdded) -> None:
    """Grow the prepaid credits."""
    state.credits_added_nanos += event.amount_nanos


def meter_limits(policy: Policy, state: State, period: str, at_us: int) -> MeterLimitsSet:
    """Return the fact that says what limits the month's meters now."""
    quotas = [quota_limit_milli(policy, m) for m in ("video", "voice", "text", "data")]
    return MeterLimitsSet(
        at_us,
        period,
        policy.budget.monthly_hard_limit_nanos,
        state.credits_added_nanos,
        *(-1 if quota is None else quota for quota in quotas),
    )


def add(left: Units, right: Units) -> Units:
    """Add units."""
    return Units(
        left.tokens_milli + right.tokens_milli,
        left.stream_ms_milli + right.stream_ms_milli,
        left.turns_milli + right.turns_milli,
        left.requests_milli + right.requests_milli,
    )


def _totals(state: State, period: str) -> Totals:
    """A hold's own month; one that left the state long ago comes back for a late booking."""
    totals = state.periods.get(period)
    if totals is None:
        totals = state.periods[period] = Totals(0, 0)
    return totals


def _free(
    state: State,
    totals: Totals,
    reservation: int,
    modality: Modality,
    held_nanos: int,
    held_credit_nanos: int,
    held_units: Units,
) -> None:
    totals.held_nanos -= held_nanos - held_credit_nanos
    state.credits_held_nanos -= held_credit_nanos
    _hold_units(totals, modality, held_units, -1)
    state.holds.pop(reservation, None)


def _hold_units(totals: Totals, modality: Modality, units: Units, sign: int) -> None:
    quota = quota_milli(modality, units)
    if quota:
        totals.quota_held[modality] = totals.quota_held.get(modality, 0) + sign * quota
    _count(totals.units_held, units, sign)


def _commit_units(totals: Totals, modality: Modality, units: Units) -> None:
    quota = quota_milli(modality, units)
    if quota:
        totals.quota_committed[modality] = totals.quota_committed.get(modality, 0) + quota
    _count(totals.units_committed, units, 1)


def _count(counters: list[int], units: Units, sign: int) -> None:
    if units is NO_UNITS:
        return
    counters[0] += sign * units.tokens_milli
    counters[1] += sign * units.stream_ms_milli
    counters[2] += sign * units.turns_milli
    counters[3] += sign * units.requests_milli


def _remember_deadline(state: State, expires_at_us: int, reservation: int) -> None:
    deadlines = state.deadlines
    heappush(deadlines, (expires_at_us, reservation))
    if len(deadlines) > 2 * len(state.holds) + _HEAP_SLACK:
        # Closed holds leave their deadline behind; sweep when they outnumber the open ones.
        state.deadlines = [(hold.expires_at_us, n) for n, hold in state.holds.items()]
        heapify(state.deadlines)
