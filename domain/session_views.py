"""What is shown of sessions, from the live state."""

from __future__ import annotations

from contracts.access import id_of
from contracts.questions import FindSessions
from contracts.session import SHOWN_SESSIONS_MAX, SessionsFound, SessionShown, SessionsView
from domain import session
from domain.deployment import VISITOR
from domain.session import Ended, Lease
from domain.state import State


def sessions_view(state: State, _now_us: int) -> SessionsView:
    """Show the open sessions."""
    leases = list(state.sessions.leases.values())
    return SessionsView(
        tenant=state.name,
        position=state.position,
        total=len(leases),
        room=state.sessions.room,
        sessions=[_open(lease) for lease in leases[:SHOWN_SESSIONS_MAX]],
    )


def found(state: State, question: FindSessions, principal: str, now_us: int) -> SessionsFound:
    """Show the sessions that are asked for. Of a visitor all but its own are unknown."""
    only = id_of(principal) if principal.startswith(VISITOR) else None
    return SessionsFound(
        tenant=state.name,
        position=state.position,
        room=state.sessions.room,
        sessions=[
            _shown(state, name, now_us)
            if only in (None, name)
            else SessionShown(session_id=name, status="unknown")
            for name in question.session_ids
        ],
    )


def _shown(state: State, session_id: str, now_us: int) -> SessionShown:
    one = session.lease_at(state.sessions, session_id, now_us)
    match one:
        case Lease():
            return _open(one)
        case Ended():
            return SessionShown(
                session_id=session_id, status="ended", reason=one.reason, ended_at_us=one.at_us
            )
        case _:
            return SessionShown(session_id=session_id, status="unknown")


def _open(lease: Lease) -> SessionShown:
    began = lease.began
    return SessionShown(
        session_id=began.session_id,
        status="open",
        deployment=began.deployment,
        wanted=began.modality,
        modality=lease.modality,
        disclosure_version=began.disclosure_version,
        disclosed_at_us=lease.disclosed_at_us or None,
        began_at_us=began.at_us,
        beat_at_us=lease.beat_at_us,
        expires_at_us=lease.expires_at_us,
        ends_at_us=began.ends_at_us or None,
        bundle_revision=lease.bundle_revision or began.bundle_revision,
        bundle_hash=began.bundle_hash,
        on_behalf=began.on_behalf,
        identity_version=began.identity_version,
        policy_version=began.policy_version,
        price_version=began.price_version,
        knowledge_hash=began.knowledge_hash,
        committed_nanos=lease.committed_nanos,
        held_nanos=lease.held_nanos,
        open_holds=lease.open_holds,
        bundle_since_us=lease.bundle_since_us or began.at_us,
    )
