"""
Flood: how refusals are recorded without letting them grow the log without bound.

Each second of a tenant, the first 20 refusals are recorded one by one, with all their facts. The
rest of that second are counted by code and written as one `RefusalsCounted` when the second is
over. So refusals add at most 21 events per second to a tenant's log, however many arrive.

A counted refusal is answered at once, without waiting for the log, and says so: its decision_id
and position are null. It changed nothing, so losing the count in a crash loses no money.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from contracts.access import CallerRefused, DenialReported
from contracts.budget import CallRefused, CommandRefused, RefusalsCounted

REFUSALS_RECORDED_PER_S: Final = 20
WINDOW_US: Final = 1_000_000
_AMOUNT_MAX_NANOS: Final = 9_000_000_000_000_000


class State(msgspec.Struct, array_like=True):
    """How many refusals of the second *window* (microseconds // 1,000,000) are recorded."""

    window: int = 0
    recorded: int = 0


def is_recorded(state: State, at_us: int) -> bool:
    """Whether one more refusal at *at_us* is recorded by itself."""
    return state.window != at_us // WINDOW_US or state.recorded < REFUSALS_RECORDED_PER_S


def recorded(state: State, at_us: int) -> None:
    """Count a refusal that was recorded by itself."""
    window = at_us // WINDOW_US
    if state.window != window:
        state.window, state.recorded = window, 0
    state.recorded += 1


class Tally(msgspec.Struct):
    """
    Refusals that are only counted, until they are written down together.

    Not a part of the state: it is the worker's own, and may be lost.
    """

    from_us: int = 0
    counts: dict[str, int] = {}
    amount_nanos: int = 0


Refused: TypeAlias = CallRefused | CommandRefused | CallerRefused | DenialReported


def count(tally: Tally, refusal: Refused) -> None:
    """Count one more refusal, or as many as a door reports at once."""
    if not tally.counts:
        tally.from_us = refusal.at_us
    times = refusal.times if isinstance(refusal, DenialReported) else 1
    tally.counts[refusal.code] = tally.counts.get(refusal.code, 0) + times
    if isinstance(refusal, CallRefused):
        # A sum that numbers do not hold exactly everywhere says "a lot", not a wrong amount.
        tally.amount_nanos = min(tally.amount_nanos + refusal.amount_nanos, _AMOUNT_MAX_NANOS)


def due_at_us(tally: Tally) -> int | None:
    """When the tally is to be written down; None when it is empty."""
    return tally.from_us + WINDOW_US if tally.counts else None


def summary(tally: Tally, now_us: int) -> RefusalsCounted:
    """Return the fact that the tally is; the caller goes on with a new one."""
    return RefusalsCounted(now_us, tally.from_us, now_us, dict(tally.counts), tally.amount_nanos)


def put_back(tally: Tally, counted: RefusalsCounted) -> None:
    """Count again what a summary says that never got into the log."""
    tally.from_us = min(tally.from_us, counted.from_us) if tally.counts else counted.from_us
    for code, refusals in counted.counts.items():
        tally.counts[code] = tally.counts.get(code, 0) + refusals
    tally.amount_nanos = min(tally.amount_nanos + counted.amount_nanos, _AMOUNT_MAX_NANOS)
