"""What whoever runs sessions is told of a commit, once it is durable."""

from __future__ import annotations

from typing import Final, TypeAlias

from contracts.account import PLATFORM
from contracts.budget import (
    CallAuthorized,
    CallSettled,
    CreditsAdded,
    HoldExtended,
    HoldReleased,
    PeriodOpened,
)
from contracts.bundle import BundleView
from contracts.commit import AnyEvent
from contracts.policy import PolicySet
from contracts.session import (
    GoneSession,
    SessionEnded,
    SessionKilled,
    SessionNotice,
    SessionsEnded,
)
from contracts.tenant import TenantErased
from domain.state import State

# What the gate tells by itself.
Pushed: TypeAlias = BundleView | SessionNotice

# One of these is decided far more often than all others, and tells nobody anything.
_HOT: Final = frozenset((CallAuthorized, CallSettled, HoldExtended, HoldReleased))
_ENDS: Final = frozenset((SessionEnded, SessionKilled, SessionsEnded, TenantErased))
_MAKES_ROOM: Final = frozenset((CreditsAdded, PolicySet, PeriodOpened))


def grown(
    before: SessionNotice | None, state: State, position: int, events: list[AnyEvent]
) -> SessionNotice | None:
    """Return the notice of a commit, *events* having been applied and added to it; None: none."""
    if type(events[0]) in _HOT:
        return before
    kinds = {type(event) for event in events}
    is_told = not kinds.isdisjoint(_ENDS) or (
        bool(state.sessions.leases) and not kinds.isdisjoint(_MAKES_ROOM)
    )
    if not is_told:
        return before
    ended = _ended(before.ended if before else [], events)
    return SessionNotice(
        tenant=state.name, position=position, room=state.sessions.room, ended=ended
    )


def _ended(before: list[GoneSession] | None, events: list[AnyEvent]) -> list[GoneSession] | None:
    if before is None:
        return None
    gone = list(before)
    for event in events:
        match event:
            case SessionEnded():
                gone.append(GoneSession(event.session_id, event.reason))
            case SessionKilled():
                gone.append(GoneSession(event.session_id, "killed"))
            case SessionsEnded():
                gone += event.sessions
            case TenantErased():
                # Nobody can say any more which there were.
                return None
            case _:
                pass
    return gone


def at_takeover(state: State) -> SessionNotice | None:
    """Return what a worker says that has taken a twin over; None of one without sessions."""
    if state.name == PLATFORM or not (state.sessions.leases or state.sessions.ended):
        return None
    return SessionNotice(
        tenant=state.name, position=state.position, room=state.sessions.room, ended=None
    )
