"""
Sessions: what one conversation has used and holds, for the policy's session limits.

Kept in two generations: when the young one is full, it becomes the old one and the old one is
forgotten. So memory is bounded without looking for the oldest entry on every call.
"""

from __future__ import annotations

import msgspec

from contracts.policy import SessionLimits
from contracts.usage import Units

SESSIONS_PER_GENERATION = 5_000


class Used(msgspec.Struct, array_like=True):
    """Committed and held units of one session, thousandths of a token and of a millisecond."""

    tokens_milli: int = 0
    stream_ms_milli: int = 0


class State(msgspec.Struct, array_like=True):
    """Sessions of one tenant, by their id."""

    young: dict[str, Used] = {}
    old: dict[str, Used] = {}


def over_limit(state: State, limits: SessionLimits, session_id: str, more: Units) -> str | None:
    """Return the name of the limit that *more* would pass, or None."""
    used = state.young.get(session_id) or state.old.get(session_id) or Used()
    if limits.max_token_units is not None and (
        used.tokens_milli + more.tokens_milli > limits.max_token_units * 1_000_000
    ):
        return "max_token_units"
    if limits.max_minute_units is not None and (
        used.stream_ms_milli + more.stream_ms_milli > limits.max_minute_units * 60_000_000
    ):
        return "max_minute_units"
    return None


def count(state: State, session_id: str, units: Units, sign: int) -> None:
    """Add (or with -1 take back) what a call of the session holds or has used."""
    if not session_id:
        return
    used = state.young.get(session_id)
    if used is None:
        used = state.young[session_id] = state.old.pop(session_id, Used())
    used.tokens_milli += sign * units.tokens_milli
    used.stream_ms_milli += sign * units.stream_ms_milli
    if len(state.young) > SESSIONS_PER_GENERATION:
        state.old, state.young = state.young, {}
