"""
Budget: a twin never holds and spends more than its limit.

Spending has two steps: *hold* an upper bound before the call, *settle* the truth after it. Money
comes from the month's hard limit first and from prepaid credits then.

    Invariant, at every event:  committed + held <= limit   and   credits spent + held <= added

Two things may pass the limit, because the money was really spent by then: a settlement above its
hold, and one that comes after its hold expired. They are booked, flagged as overrun and counted.
A limit that is lowered below what is committed and held grants nothing until there is room again.

State is updated in place: a hot tenant has thousands of open holds, and copying them for every
event would make replay a hundred times slower. `decide` never touches it; tests check that.
"""

from __future__ import annotations

from typing import Final, TypeAlias

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
from contracts.usage import NO_UNITS
from domain import deadlines, units
from domain.policy import quotas_milli

OPEN_HOLDS_MAX: Final = 50_000
# Expired holds are kept so that a late settlement still finds what it was granted.
EXPIRED_HOLDS_MAX: Final = 10_000
# So that one event stays small (about 100 kB); what is left over comes with the next.
EXPIRED_PER_EVENT_MAX: Final = 500
PERIODS_MAX: Final = 14

# A hold is the grant that made it; an extended one is that grant with more in it.
Hold: TypeAlias = CallAuthorized


class Totals(msgspec.Struct, array_like=True):
    """One month. Money excludes the part on credits."""

    starts_us: int
    ends_us: int
    committed_nanos: int = 0
    held_nanos: int = 0
    overrun_nanos: int = 0
    overruns: int = 0
    late_settlements: int = 0
    units: dict[Modality, units.Counters] = msgspec.field(default_factory=units.no_counters)


class State(msgspec.Struct, array_like=True):
    """All money of one tenant. *period* names the current month in *periods*, *ends_us* its end."""

    period: str = ""
    ends_us: int = 0
    periods: dict[str, Totals] = {}
    credits_added_nanos: int = 0
    credits_spent_nanos: int = 0
    credits_held_nanos: int = 0
    holds: dict[int, Hold] = {}
    expired: dict[int, Hold] = {}
    deadlines: deadlines.State = msgspec.field(default_factory=deadlines.State)


def credits_free_nanos(state: State) -> int:
    """Credits neither spent nor held."""
    return state.credits_added_nanos - state.credits_spent_nanos - state.credits_held_nanos


def totals_of(state: State, period: str) -> Totals:
    """Return a month's totals; empty ones for a month that left the state long ago."""
    return state.periods.get(period) or Totals(0, 0)


def on_credit_nanos(totals: Totals, limit_nanos: int, amount_nanos: int) -> int:
    """Return the part of an amount that the month's limit does not cover."""
    over = totals.committed_nanos + totals.held_nanos + amount_nanos - limit_nanos
    # A limit that was passed or lowered covers nothing; it does not make calls dearer.
    return 0 if over <= 0 else min(over, amount_nanos)


def standing(
    state: State, limit_nanos: int, *, held: int = 0, committed: int = 0, credit: int = 0
) -> Standing:
    """
    Return the money of the current month after a change of *held*, *committed* and *credit*.

    *credit* is by how much the free credits grow (negative: shrink).
    """
    totals = state.periods[state.period]
    return Standing(
        totals.committed_nanos + committed,
        totals.held_nanos + held,
        limit_nanos,
        state.credits_added_nanos - state.credits_spent_nanos - state.credits_held_nanos + credit,
        totals.ends_us,
    )


def due(state: State, now_us: int) -> list[ExpiredHold]:
    """Return holds that have run out by *now_us*, in the order in which they ran out."""
    ran_out = deadlines.reached(state.deadlines, state.holds, now_us, EXPIRED_PER_EVENT_MAX)
    return [
        ExpiredHold(
            reservation=hold.decision,
            modality=hold.modality,
            period=hold.period,
            held_nanos=hold.amount_nanos,
            held_credit_nanos=hold.credit_nanos,
            held_units=hold.units,
            session_id=hold.session_id,
        )
        for hold in ran_out
    ]


def next_deadline_us(state: State) -> int | None:
    """When the next hold runs out."""
    next_us = state.deadlines.next_us
    return None if next_us == deadlines.NEVER else next_us


def meter_limits(policy: Policy, credits_nanos: int, period: str, at_us: int) -> MeterLimitsSet:
    """Return the fact that says what limits the month's meters now."""
    return MeterLimitsSet(
        at_us,
        period,
        policy.budget.monthly_hard_limit_nanos,
        credits_nanos,
        *quotas_milli(policy),
    )


# -- evolve: one function per fact; none of them can refuse -------------------


def period_opened(state: State, event: PeriodOpened) -> None:
    """Make the month current; the oldest months leave, but not one that a hold may come back to."""
    state.period, state.ends_us = event.period, event.ends_us
    periods = state.periods
    periods[event.period] = Totals(event.starts_us, event.ends_us)
    if len(periods) > PERIODS_MAX:
        named = {hold.period for hold in (*state.holds.values(), *state.expired.values())}
        for period in list(periods)[:-PERIODS_MAX]:
            if period not in named:
                del periods[period]


def call_authorized(state: State, event: CallAuthorized) -> None:
    """Hold the money and the units of a granted call."""
    totals = state.periods[event.period]
    credit_nanos = event.credit_nanos
    totals.held_nanos += event.amount_nanos - credit_nanos
    if credit_nanos:
        state.credits_held_nanos += credit_nanos
    units.hold(totals.units[event.modality], event.units)
    holds = state.holds
    holds[event.decision] = event
    deadlines.add(state.deadlines, holds, event.expires_at_us, event.decision)


def hold_extended(state: State, event: HoldExtended) -> None:
    """Hold more for a call that goes on."""
    hold = state.holds[event.reservation]
    totals = state.periods[hold.period]
    totals.held_nanos += event.amount_nanos - event.credit_nanos
    state.credits_held_nanos += event.credit_nanos
    units.hold(totals.units[hold.modality], event.units)
    state.holds[event.reservation] = msgspec.structs.replace(
        hold,
        amount_nanos=hold.amount_nanos + event.amount_nanos,
        credit_nanos=hold.credit_nanos + event.credit_nanos,
        units=units.add(hold.units, event.units),
        expires_at_us=event.expires_at_us,
    )
    if event.expires_at_us != hold.expires_at_us:
        deadlines.add(state.deadlines, state.holds, event.expires_at_us, event.reservation)
        deadlines.closed(state.deadlines, state.holds, event.reservation)


def call_settled(state: State, event: CallSettled) -> None:
    """Book what a call cost; free what was held for it."""
    totals = state.periods.get(event.period) or _bring_back(state, event.period)
    credit_nanos = event.credit_nanos
    if event.late:
        state.expired.pop(event.reservation, None)
        totals.late_settlements += 1
    else:
        held_credit_nanos = event.held_credit_nanos
        totals.held_nanos -= event.held_nanos - held_credit_nanos
        if held_credit_nanos:
            state.credits_held_nanos -= held_credit_nanos
        holds = state.holds
        holds.pop(event.reservation, None)
        deadlines.closed(state.deadlines, holds, event.reservation)
    totals.committed_nanos += event.cost_nanos - credit_nanos
    if credit_nanos:
        state.credits_spent_nanos += credit_nanos
    if event.overrun_nanos:
        totals.overrun_nanos += event.overrun_nanos
        totals.overruns += 1
    # Of a late settlement nothing is held: its event says so.
    units.settle(totals.units[event.modality], event.held_units, event.units)


def hold_released(state: State, event: HoldReleased) -> None:
    """Free the hold of a call that was never made."""
    _free(state, event)
    deadlines.closed(state.deadlines, state.holds, event.reservation)


def holds_expired(state: State, event: HoldsExpired) -> None:
    """Free holds that ran out, but remember them for a settlement that comes late."""
    for gone in event.holds:
        hold = state.holds.get(gone.reservation)
        if hold is not None:
            state.expired[gone.reservation] = hold
        _free(state, gone)
    while len(state.expired) > EXPIRED_HOLDS_MAX:
        del state.expired[next(iter(state.expired))]
    deadlines.drop_left_behind(state.deadlines, state.holds)


def credits_added(state: State, event: CreditsAdded) -> None:
    """Grow the prepaid credits."""
    state.credits_added_nanos += event.amount_nanos


def _bring_back(state: State, period: str) -> Totals:
    """A month that left the state comes back, empty, for a booking that is very late."""
    totals = state.periods[period] = Totals(0, 0)
    return totals


def _free(state: State, gone: HoldReleased | ExpiredHold) -> None:
    totals = state.periods.get(gone.period) or _bring_back(state, gone.period)
    totals.held_nanos -= gone.held_nanos - gone.held_credit_nanos
    state.credits_held_nanos -= gone.held_credit_nanos
    units.settle(totals.units[gone.modality], gone.held_units, NO_UNITS)
    state.holds.pop(gone.reservation, None)
