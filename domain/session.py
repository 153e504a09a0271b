"""
Sessions: the conversations that are open, as leases, and what each session id has used.

A lease lasts until *expires_at_us*; a beat and every granted call begin it anew. What moves its end
by less than a quarter of the lease does not count, so that a session writes a few events a minute,
however often it beats. Ended sessions are remembered until 10,000 later ones have ended, so that a
call that comes late is refused and not taken for one of a session that nobody opened.

What was used is counted by session id, opened or not, for the policy's session limits. It is kept
in two generations: when the young one is full, it becomes the old one, and of the old one only
sessions with an open hold live on. So memory is bounded without looking for the oldest entry on
every call, and a session that nobody used for 5,000 other sessions starts again from zero.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from contracts.budget import CallAuthorized, CallSettled, ExpiredHold, HoldExtended, HoldReleased
from contracts.session import (
    ENDED_PER_EVENT_MAX,
    LEASE_MOVES_MIN,
    DisclosureShown,
    EndReason,
    GoneSession,
    Rung,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsEnded,
    SessionStepped,
)
from contracts.usage import NO_UNITS, Units
from domain import deadlines
from domain.units import Limits

SESSIONS_PER_GENERATION = 5_000
OPEN_SESSIONS_MAX: Final = 10_000
ENDED_KEPT_MAX: Final = 10_000


class Used(msgspec.Struct, array_like=True):
    """Committed and held units of one session, thousandths of a token and of a millisecond."""

    tokens_milli: int = 0
    stream_ms_milli: int = 0
    open_holds: int = 0


class Lease(msgspec.Struct, array_like=True):
    """
    One session that is open. Microseconds and nanos.

    *began* is the event that opened it, without what only its answer needs. *modality* is the rung
    that it is on now, *bundle_revision* the bundle that it goes by now, since *bundle_since_us*.
    *disclosed_at_us* is 0 until the disclosure was shown.
    """

    began: SessionBegun
    modality: Rung
    expires_at_us: int
    beat_at_us: int
    disclosed_at_us: int = 0
    committed_nanos: int = 0
    held_nanos: int = 0
    open_holds: int = 0
    bundle_revision: int = 0
    bundle_since_us: int = 0


class Ended(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Why and when a session ended."""

    reason: EndReason
    at_us: int


class State(msgspec.Struct, array_like=True):
    """
    Sessions of one tenant.

    *numbers* are open ones by their id, *leases* by the decision that opened them, in that order.
    *room* counts what may have made room for a higher rung since the twin exists.
    """

    young: dict[str, Used] = {}
    old: dict[str, Used] = {}
    numbers: dict[str, int] = {}
    leases: dict[int, Lease] = {}
    deadlines: deadlines.State = msgspec.field(default_factory=deadlines.State)
    ended: dict[str, Ended] = {}
    room: int = 0


_Closed: TypeAlias = CallSettled | HoldReleased | ExpiredHold


# -- what was used --------------------------------------------------------------


def over_limit(state: State, session_id: str, limits: Limits, more: Units) -> str | None:
    """Return the name of the limit that *more* would pass, or None."""
    used = state.young.get(session_id) or state.old.get(session_id) or Used()
    if used.tokens_milli + more.tokens_milli > limits.tokens_milli:
        return "max_token_units"
    if used.stream_ms_milli + more.stream_ms_milli > limits.stream_ms_milli:
        return "max_minute_units"
    return None


def held(state: State, event: CallAuthorized) -> None:
    """Count a new hold; whoever calls is alive, so the lease begins anew when the call may."""
    session_id, units = event.session_id, event.units
    used = state.young.get(session_id) or _touch(state, session_id)
    used.tokens_milli += units.tokens_milli
    used.stream_ms_milli += units.stream_ms_milli
    used.open_holds += 1
    number = state.numbers.get(session_id)
    if number is not None:
        lease = state.leases[number]
        lease.held_nanos += event.amount_nanos
        lease.open_holds += 1
        lease.beat_at_us = event.at_us
        _renew(state, number, lease, renewal(lease, event.at_us + event.delay_us))


def kept_alive(state: State, session_id: str, at_us: int) -> None:
    """Let the lease of an open session begin anew at *at_us*, without a call."""
    number = state.numbers.get(session_id)
    if number is not None:
        lease = state.leases[number]
        _renew(state, number, lease, renewal(lease, at_us))


def extended(state: State, event: HoldExtended) -> None:
    """Count what a hold holds more."""
    _use(state, event.session_id, event.units)
    number = state.numbers.get(event.session_id)
    if number is not None:
        lease = state.leases[number]
        if event.reservation > number:
            lease.held_nanos += event.amount_nanos
        lease.beat_at_us = event.at_us
        _renew(state, number, lease, renewal(lease, event.at_us))


def settled(state: State, event: CallSettled) -> None:
    """Count what a call really used, and no longer what it held."""
    if event.late:
        _use(state, event.session_id, event.units)
    else:
        _close(state, event, event.units)
    number = state.numbers.get(event.session_id)
    if number is not None:
        state.leases[number].committed_nanos += event.cost_nanos


def given_back(state: State, event: HoldReleased | ExpiredHold) -> None:
    """Count no longer what a call held that was never made, or never settled."""
    _close(state, event, NO_UNITS)


def _use(state: State, session_id: str, units: Units) -> None:
    used = state.young.get(session_id) or _touch(state, session_id)
    used.tokens_milli += units.tokens_milli
    used.stream_ms_milli += units.stream_ms_milli


def _close(state: State, gone: _Closed, spent: Units) -> None:
    used = state.young.get(gone.session_id) or _touch(state, gone.session_id)
    used.tokens_milli += spent.tokens_milli - gone.held_units.tokens_milli
    used.stream_ms_milli += spent.stream_ms_milli - gone.held_units.stream_ms_milli
    used.open_holds -= 1
    lease = _lease_of(state, gone)
    if lease is not None:
        lease.held_nanos -= gone.held_nanos
        lease.open_holds -= 1


def _lease_of(state: State, gone: _Closed) -> Lease | None:
    """The open session that a hold was made in; one from before it was opened is not its own."""
    number = state.numbers.get(gone.session_id)
    return None if number is None or gone.reservation < number else state.leases[number]


def _touch(state: State, session_id: str) -> Used:
    """Bring a session into the young generation, which may make that one old."""
    if len(state.young) >= SESSIONS_PER_GENERATION:
        alive = {name: used for name, used in state.old.items() if used.open_holds}
        state.old, state.young = alive | state.young, {}
    used = state.old.pop(session_id, None) or Used()
    state.young[session_id] = used
    return used


# -- leases ---------------------------------------------------------------------


def lease_at(state: State, session_id: str, now_us: int) -> Lease | Ended | None:
    """Return the open session, or how it ended; None when nobody opened it, as far as is known."""
    number = state.numbers.get(session_id)
    if number is None:
        return state.ended.get(session_id)
    lease = state.leases[number]
    # It has run out, and the event that says so comes with the next ones: they are many.
    return lease if now_us < lease.expires_at_us else Ended(_ran_out(lease), lease.expires_at_us)


def is_disclosure_due(lease: Lease) -> bool:
    """Whether something has to be shown before a call of the session is granted."""
    return bool(lease.began.disclosure_version) and not lease.disclosed_at_us


def first_end_us(lease_us: int, ends_at_us: int, now_us: int) -> int:
    """Return when a lease that begins at *now_us* runs out; *ends_at_us* 0: nothing ends it."""
    expires_at_us = now_us + lease_us
    return min(expires_at_us, ends_at_us) if ends_at_us else expires_at_us


def renewal(lease: Lease, at_us: int) -> int | None:
    """Return when the lease runs out if it begins anew at *at_us*; None when that is no change."""
    began = lease.began
    expires_at_us = first_end_us(began.lease_us, began.ends_at_us, at_us)
    moved_us = expires_at_us - lease.expires_at_us
    if moved_us * LEASE_MOVES_MIN >= began.lease_us:
        return expires_at_us
    # The last renewal is never too small: else a session would end before it has to.
    return expires_at_us if moved_us > 0 and expires_at_us == began.ends_at_us else None


def due(state: State, now_us: int) -> list[GoneSession]:
    """Return sessions whose lease has run out by *now_us*, at most 500, the earliest first."""
    ran_out = deadlines.reached(state.deadlines, state.leases, now_us, ENDED_PER_EVENT_MAX)
    return [GoneSession(lease.began.session_id, _ran_out(lease)) for lease in ran_out]


def _ran_out(lease: Lease) -> EndReason:
    ends_at_us = lease.began.ends_at_us
    is_over = bool(ends_at_us) and lease.expires_at_us >= ends_at_us
    return "time_limit" if is_over else "lease_expired"


def end_all(
    state: State, reason: EndReason, now_us: int, *, deployment: str | None = None
) -> list[SessionsEnded]:
    """Return the facts that end every open session, or every one of a deployment."""
    gone = [
        GoneSession(lease.began.session_id, reason)
        for lease in state.leases.values()
        if deployment in (None, lease.began.deployment)
    ]
    return [
        SessionsEnded(now_us, gone[first : first + ENDED_PER_EVENT_MAX])
        for first in range(0, len(gone), ENDED_PER_EVENT_MAX)
    ]


def _renew(state: State, number: int, lease: Lease, expires_at_us: int | None) -> None:
    if expires_at_us is not None:
        lease.expires_at_us = expires_at_us
        deadlines.add(state.deadlines, state.leases, expires_at_us, number)
        deadlines.closed(state.deadlines, state.leases, number)


# -- facts ----------------------------------------------------------------------


def begun(state: State, event: SessionBegun) -> None:
    """A session is open."""
    kept = msgspec.structs.replace(event, disclosure="", language="", knowledge=[])
    lease = Lease(
        kept,
        event.modality,
        event.expires_at_us,
        event.at_us,
        bundle_revision=event.bundle_revision,
        bundle_since_us=event.at_us,
    )
    state.numbers[event.session_id] = event.decision
    state.leases[event.decision] = lease
    deadlines.add(state.deadlines, state.leases, event.expires_at_us, event.decision)


def disclosed(state: State, event: DisclosureShown) -> None:
    """Calls of the session may be granted."""
    state.leases[state.numbers[event.session_id]].disclosed_at_us = event.at_us


def renewed(state: State, event: SessionRenewed) -> None:
    """The session goes on."""
    number = state.numbers[event.session_id]
    lease = state.leases[number]
    lease.beat_at_us = event.at_us
    if event.bundle_revision:
        lease.bundle_revision, lease.bundle_since_us = event.bundle_revision, event.at_us
    _renew(state, number, lease, event.expires_at_us)


def stepped(state: State, event: SessionStepped) -> None:
    """The session goes on by another rung."""
    state.leases[state.numbers[event.session_id]].modality = event.modality


def ended(state: State, event: SessionEnded | SessionKilled) -> None:
    """One session is over."""
    reason: EndReason = event.reason if isinstance(event, SessionEnded) else "killed"
    _end(state, event.session_id, reason, event.at_us)


def many_ended(state: State, event: SessionsEnded) -> None:
    """Sessions are over."""
    for gone in event.sessions:
        _end(state, gone.session_id, gone.reason, event.at_us)


def _end(state: State, session_id: str, reason: EndReason, at_us: int) -> None:
    number = state.numbers.pop(session_id)
    del state.leases[number]
    deadlines.closed(state.deadlines, state.leases, number)
    # To the end of the line, also when the same id ended before.
    state.ended.pop(session_id, None)
    state.ended[session_id] = Ended(reason, at_us)
    while len(state.ended) > ENDED_KEPT_MAX:
        del state.ended[next(iter(state.ended))]
