"""
Sessions: what one conversation has used and holds, for the policy's session limits.

Kept in two generations: when the young one is full, it becomes the old one, and of the old one
only sessions with an open hold live on. So memory is bounded without looking for the oldest entry
on every call, and a session that nobody used for 5,000 other sessions starts again from zero.
"""

from __future__ import annotations

import msgspec

from contracts.usage import Units
from domain.units import Limits

SESSIONS_PER_GENERATION = 5_000


class Used(msgspec.Struct, array_like=True):
    """Committed and held units of one session, thousandths of a token and of a millisecond."""

    tokens_milli: int = 0
    stream_ms_milli: int = 0
    open_holds: int = 0


class State(msgspec.Struct, array_like=True):
    """Sessions of one tenant, by their id."""

    young: dict[str, Used] = {}
    old: dict[str, Used] = {}


def over_limit(state: State, session_id: str, limits: Limits, more: Units) -> str | None:
    """Return the name of the limit that *more* would pass, or None."""
    used = state.young.get(session_id) or state.old.get(session_id) or Used()
    if used.tokens_milli + more.tokens_milli > limits.tokens_milli:
        return "max_token_units"
    if used.stream_ms_milli + more.stream_ms_milli > limits.stream_ms_milli:
        return "max_minute_units"
    return None


def hold(state: State, session_id: str, units: Units) -> None:
    """Count a new hold."""
    used = state.young.get(session_id) or _touch(state, session_id)
    used.tokens_milli += units.tokens_milli
    used.stream_ms_milli += units.stream_ms_milli
    used.open_holds += 1


def extend(state: State, session_id: str, units: Units) -> None:
    """Count what a hold holds more."""
    used = state.young.get(session_id) or _touch(state, session_id)
    used.tokens_milli += units.tokens_milli
    used.stream_ms_milli += units.stream_ms_milli


def close(state: State, session_id: str, held: Units, spent: Units) -> None:
    """Count what a call really used, and no longer what it held."""
    used = state.young.get(session_id) or _touch(state, session_id)
    used.tokens_milli += spent.tokens_milli - held.tokens_milli
    used.stream_ms_milli += spent.stream_ms_milli - held.stream_ms_milli
    used.open_holds -= 1


def _touch(state: State, session_id: str) -> Used:
    """Bring a session into the young generation, which may make that one old."""
    if len(state.young) >= SESSIONS_PER_GENERATION:
        alive = {name: used for name, used in state.old.items() if used.open_holds}
        state.old, state.young = alive | state.young, {}
    used = state.old.pop(session_id, None) or Used()
    state.young[session_id] = used
    return used
