"""
Flood: how refusals are recorded without letting them grow the log without bound.

Each second of a tenant, the first 20 refusals are recorded one by one, with all their facts. The
rest of that second are counted by code and written as one `RefusalsCounted` when the second is
over. So refusals add at most 21 events per second to a tenant's log, however many arrive.

A counted refusal is answered at once, without waiting for the log, and says so: its decision_id
and position are null. It changed nothing, so losing the count in a crash loses no money.
"""

from __future__ import annotations

import msgspec

REFUSALS_RECORDED_PER_S = 20
WINDOW_US = 1_000_000


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
