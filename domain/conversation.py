"""Conversation: the decisions about a session, and whether a call of it may be made."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

from contracts.access import OPERATOR
from contracts.budget import CommandRefused
from contracts.commands import AnyCommand
from contracts.commit import AnyEvent
from contracts.deployment import Ceiling
from contracts.message import Modality
from contracts.replies import Receipt
from contracts.session import (
    PINNED_SOURCES_MAX,
    BeatSession,
    BeginSession,
    CiteAnswer,
    DisclosureShown,
    EndSession,
    KillAllSessions,
    KillSession,
    PinnedSource,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsKilled,
    SessionStepped,
    ShowDisclosure,
    StepSession,
)
from domain import bundle, deployment, policy, rights, session, tenant
from domain.deployment import RUNGS, Stopped
from domain.refusals import (
    ABOVE_CEILING,
    DEPLOYMENT_DISABLED,
    DEPLOYMENT_EXPIRED,
    DEPLOYMENT_UNKNOWN,
    MODALITY_NOT_ALLOWED,
    NOT_THE_VISITORS,
    TWIN_UNKNOWN,
    Refusal,
)
from domain.refusing import refuse
from domain.session import Ended, Lease
from domain.session_refusals import (
    DISCLOSURE_DIFFERS,
    DISCLOSURE_DUE,
    DISCLOSURE_NOT_DUE,
    RUNG_IS_SO,
    SESSION_CLOSED,
    SESSION_EXISTS,
    SESSION_INVALID,
    SESSION_NOT_OPEN,
    SESSION_UNKNOWN,
    TOO_MANY_SESSIONS,
)
from domain.state import Envelope, State, head

BEATEN: Final = "session_renewed"
# What whom a session is held for must be allowed to do.
_A_CALL: Final = ("budget", "authorize")
_OfOne: TypeAlias = (
    BeginSession
    | ShowDisclosure
    | BeatSession
    | StepSession
    | CiteAnswer
    | EndSession
    | KillSession
)


class _Place(NamedTuple):
    """
    Where a session takes place, and what that asks of it.

    *ceiling* is the richest rung, None without one; *ends_at_us* 0: the place never ends.
    """

    deployment: str = ""
    ceiling: Ceiling | None = None
    ends_at_us: int = 0
    disclosure_version: int = 0
    disclosure: str = ""
    language: str = ""


# -- calls ------------------------------------------------------------------------


def why_no_call(
    state: State, envelope: Envelope, session_id: str, modality: Modality
) -> Stopped | None:
    """Say why a call of a session may not be granted or extended now, or None."""
    principal = envelope.actor
    is_visitor = principal.startswith(deployment.VISITOR)
    if is_visitor:
        stopped = deployment.why_not_calling(state.deployments, principal, session_id, modality)
        if stopped is not None:
            return stopped
    found = session.lease_at(state.sessions, session_id, envelope.now_us)
    if found is None:
        # A service may count under any id; who is not trusted with that opens a session.
        return Stopped(SESSION_NOT_OPEN, {}) if is_visitor else None
    if isinstance(found, Ended):
        return Stopped(SESSION_CLOSED, _how(found))
    if session.is_disclosure_due(found):
        return Stopped(DISCLOSURE_DUE, _due(found))
    gone = None if is_visitor else _why_not_for(state, found, envelope.now_us)
    if gone is not None:
        return Stopped(gone, {})
    return _above(_ceiling_now(state, found), modality)


def is_above_ceiling(state: State, session_id: str, modality: Modality) -> bool:
    """Whether the place of a session does not offer a modality."""
    number = state.sessions.numbers.get(session_id)
    if number is None:
        return False
    return _above(_ceiling_now(state, state.sessions.leases[number]), modality) is not None


def is_over(state: State, session_id: str, now_us: int) -> bool:
    """Whether a session has ended, so that nothing of it may go on."""
    return isinstance(session.lease_at(state.sessions, session_id, now_us), Ended)


def _ceiling_now(state: State, lease: Lease) -> Ceiling | None:
    began = lease.began
    if not began.deployment:
        return None
    if began.session_id in state.deployments.visitors:
        return deployment.ceiling_of(state.deployments, began.session_id)
    return state.deployments.deployments[began.deployment].terms.ceiling


def _why_not_for(state: State, lease: Lease, now_us: int) -> Refusal | None:
    """Say why whom a session is held for may not have calls any more, whoever asks for them."""
    session_id = lease.began.session_id
    is_visit = session_id in state.deployments.visitors
    whom = lease.began.on_behalf or (f"{deployment.VISITOR}{session_id}" if is_visit else "")
    return rights.why_not_shown(state, whom, *_A_CALL, now_us) if whom else None


def _above(ceiling: Ceiling | None, modality: Modality) -> Stopped | None:
    if ceiling is None or RUNGS[modality] >= RUNGS[ceiling]:
        return None
    return Stopped(ABOVE_CEILING, {"ceiling": ceiling})


def _how(found: Ended) -> dict[str, int | str]:
    return {"reason": found.reason, "ended_at_us": found.at_us}


def _due(lease: Lease) -> dict[str, int | str]:
    return {"disclosure_version": lease.began.disclosure_version}


# -- opening ----------------------------------------------------------------------


def open_session(state: State, command: BeginSession, envelope: Envelope) -> list[AnyEvent]:
    """
    Open a session, or say why not, in this order.

    twin active? -> the visitor's own? -> a new id? -> its place open? -> this rung? -> room
    """
    terms = state.policy.terms
    refusal = tenant.why_not_active(state.tenant)
    if refusal is not None or terms is None:
        return [refused(state, command, envelope, Stopped(refusal or TWIN_UNKNOWN, {}))]
    stopped = _why_no_such(state, command, envelope)
    if stopped is not None:
        return [refused(state, command, envelope, stopped)]
    place = _place(state, command, envelope)
    if isinstance(place, Stopped):
        return [refused(state, command, envelope, place)]
    stopped = _why_not_on(terms, place.ceiling, command.modality)
    if stopped is None and len(state.sessions.leases) >= session.OPEN_SESSIONS_MAX:
        stopped = Stopped(TOO_MANY_SESSIONS, {"open_sessions_max": session.OPEN_SESSIONS_MAX})
    if stopped is not None:
        return [refused(state, command, envelope, stopped)]
    return [_begun(state, terms, command, envelope, place)]


def _why_no_such(state: State, command: BeginSession, envelope: Envelope) -> Stopped | None:
    """Say why nobody may open a session of this id, or None."""
    if not deployment.is_session_of(envelope.actor, command.session_id):
        return Stopped(NOT_THE_VISITORS, {})
    found = session.lease_at(state.sessions, command.session_id, envelope.now_us)
    if isinstance(found, Ended):
        return Stopped(SESSION_CLOSED, _how(found))
    if found is not None:
        return Stopped(SESSION_EXISTS, {})
    return _why_not_on_behalf(state, command, envelope)


def _why_not_on_behalf(state: State, command: BeginSession, envelope: Envelope) -> Stopped | None:
    """Say why nobody may open this for somebody else, or None."""
    whom = command.on_behalf
    if whom is None or whom == envelope.actor:
        return None
    if envelope.actor != OPERATOR:
        return Stopped(SESSION_INVALID, {"field": "on_behalf", "rule": "your own name, or nothing"})
    if not deployment.is_session_of(whom, command.session_id):
        return Stopped(NOT_THE_VISITORS, {})
    refusal = rights.why_not_shown(state, whom, *_A_CALL, envelope.now_us)
    return None if refusal is None else Stopped(refusal, {})


def _place(state: State, command: BeginSession, envelope: Envelope) -> _Place | Stopped:
    known, now_us = state.deployments, envelope.now_us
    visitor = known.visitors.get(command.session_id)
    name = command.deployment if visitor is None else visitor.deployment
    if name is None:
        return _Place()
    if command.deployment not in (None, name):
        rule = f"that of the visitor, or none: {name}"
        return Stopped(SESSION_INVALID, {"field": "deployment", "rule": rule})
    found = known.deployments.get(name)
    if found is None:
        return Stopped(DEPLOYMENT_UNKNOWN, {})
    ends_at_us = found.terms.expires_at_us or 0
    if visitor is not None:
        # Also when a service opens it in the visitor's name.
        gone = deployment.why_not_visiting(known, f"visitor_{command.session_id}", now_us)
        ends_at_us = min(ends_at_us or visitor.expires_at_us, visitor.expires_at_us)
    else:
        gone = None if found.enabled else DEPLOYMENT_DISABLED
        gone = gone or (DEPLOYMENT_EXPIRED if deployment.has_run_out(found, now_us) else None)
    if gone is not None:
        return Stopped(gone, {})
    is_visit = visitor is not None
    ceiling = deployment.ceiling_of(known, command.session_id) if is_visit else found.terms.ceiling
    version = found.disclosure_version
    return _Place(name, ceiling, ends_at_us, version, found.disclosure, found.language)


def _why_not_on(terms: policy.Terms, ceiling: Ceiling | None, modality: Modality) -> Stopped | None:
    if modality not in terms.modalities:
        return Stopped(MODALITY_NOT_ALLOWED, {})
    return _above(ceiling, modality)


def _begun(
    state: State, terms: policy.Terms, command: BeginSession, envelope: Envelope, place: _Place
) -> SessionBegun:
    now_us, lease_us = envelope.now_us, command.lease_ms * 1_000
    ends_at_us = place.ends_at_us
    if terms.session_us:
        ends_at_us = min(ends_at_us or now_us + terms.session_us, now_us + terms.session_us)
    sources = approved(state)
    lines = "".join(f"{pinned.source} {pinned.content_hash}\n" for pinned in sources)
    return SessionBegun(
        *head(state, command, envelope),
        command.session_id,
        command.modality,
        place.deployment,
        place.disclosure_version,
        place.disclosure,
        place.language,
        lease_us,
        session.first_end_us(lease_us, ends_at_us, now_us),
        ends_at_us,
        state.bundle_revision,
        bundle.hash_of(bundle.content(state)),
        state.twin.live.version,
        state.policy.version,
        state.prices.version,
        len(sources),
        sha256(lines.encode()).hexdigest(),
        sources[:PINNED_SOURCES_MAX],
        envelope.actor,
        command.on_behalf or "",
    )


def approved(state: State) -> list[PinnedSource]:
    known = state.knowledge.sources
    return [
        PinnedSource(name, one.approved_hash)
        for name, one in sorted(known.items())
        if one.approved_hash
    ]


# -- while it is open -------------------------------------------------------------


def show_disclosure(state: State, command: ShowDisclosure, envelope: Envelope) -> list[AnyEvent]:
    lease = open_lease(state, command.session_id, envelope)
    if isinstance(lease, Stopped):
        return [refused(state, command, envelope, lease)]
    if not session.is_disclosure_due(lease):
        return [refused(state, command, envelope, Stopped(DISCLOSURE_NOT_DUE, {}))]
    if command.version != lease.began.disclosure_version:
        return [refused(state, command, envelope, Stopped(DISCLOSURE_DIFFERS, _due(lease)))]
    return [
        DisclosureShown(
            *head(state, command, envelope), command.session_id, command.version, envelope.actor
        )
    ]


def beat(state: State, command: BeatSession, envelope: Envelope) -> list[AnyEvent]:
    lease = open_lease(state, command.session_id, envelope)
    if isinstance(lease, Stopped):
        return [refused(state, command, envelope, lease)]
    revision = _new_bundle(lease, command)
    if revision > state.bundle_revision:
        rule = f"that of a bundle there was: at most {state.bundle_revision}"
        why = Stopped(SESSION_INVALID, {"field": "bundle_revision", "rule": rule})
        return [refused(state, command, envelope, why)]
    expires_at_us = session.renewal(lease, envelope.now_us)
    assert expires_at_us is not None or revision, "what moves nothing is answered by `unmoved`"
    return [
        SessionRenewed(
            *head(state, command, envelope),
            command.session_id,
            expires_at_us or lease.expires_at_us,
            lease.modality,
            envelope.actor,
            revision,
        )
    ]


def _new_bundle(lease: Lease, command: BeatSession) -> int:
    """Return the revision that a beat tells of, 0 when it is that which is known."""
    known = lease.bundle_revision or lease.began.bundle_revision
    told = command.bundle_revision
    return 0 if told is None or told == known else told


def unmoved(state: State, command: AnyCommand, envelope: Envelope) -> Receipt | None:
    """Return the answer to a beat that need not be written down; None: it has to be decided."""
    if type(command) is not BeatSession:
        return None
    lease = open_lease(state, command.session_id, envelope)
    if isinstance(lease, Stopped) or _new_bundle(lease, command):
        return None
    if session.renewal(lease, envelope.now_us) is not None:
        return None
    facts: dict[str, int | str] = {
        "session_id": command.session_id,
        "modality": lease.modality,
        "expires_at_us": lease.expires_at_us,
    }
    return Receipt(200, BEATEN, command.command_id, None, None, facts=facts)


def step(state: State, command: StepSession, envelope: Envelope) -> list[AnyEvent]:
    lease, terms = open_lease(state, command.session_id, envelope), state.policy.terms
    if isinstance(lease, Stopped):
        return [refused(state, command, envelope, lease)]
    assert terms is not None, "a session was opened under a policy"
    if command.modality == lease.modality:
        return [refused(state, command, envelope, Stopped(RUNG_IS_SO, {}))]
    stopped = _why_not_on(terms, _ceiling_now(state, lease), command.modality)
    if stopped is not None:
        return [refused(state, command, envelope, stopped)]
    return [
        SessionStepped(
            *head(state, command, envelope),
            command.session_id,
            lease.modality,
            command.modality,
            command.why,
            command.notice,
            envelope.actor,
        )
    ]


def open_lease(state: State, session_id: str, envelope: Envelope) -> Lease | Stopped:
    """Return the open session that a command is about, or why the caller cannot have it."""
    if not deployment.is_session_of(envelope.actor, session_id):
        return Stopped(NOT_THE_VISITORS, {})
    if state.tenant.status == "absent":
        return Stopped(TWIN_UNKNOWN, {})
    found = session.lease_at(state.sessions, session_id, envelope.now_us)
    if found is None:
        return Stopped(SESSION_UNKNOWN, {})
    return found if isinstance(found, Lease) else Stopped(SESSION_CLOSED, _how(found))


def refused(state: State, command: _OfOne, envelope: Envelope, why: Stopped) -> CommandRefused:
    """Refuse a command about a session, and say which: the refusal belongs to its story."""
    facts = {**why.facts, "session_id": command.session_id}
    return refuse(state, command, envelope, why.refusal, facts)


# -- its end ----------------------------------------------------------------------


def close(state: State, command: EndSession, envelope: Envelope) -> list[AnyEvent]:
    lease = open_lease(state, command.session_id, envelope)
    if isinstance(lease, Stopped):
        return [refused(state, command, envelope, lease)]
    return [
        SessionEnded(
            *head(state, command, envelope),
            command.session_id,
            command.reason,
            command.note,
            envelope.actor,
        )
    ]


def kill(state: State, command: KillSession, envelope: Envelope) -> list[AnyEvent]:
    lease = open_lease(state, command.session_id, envelope)
    if isinstance(lease, Stopped):
        return [refused(state, command, envelope, lease)]
    return [
        SessionKilled(
            *head(state, command, envelope), command.session_id, command.note, envelope.actor
        )
    ]


def kill_all(state: State, command: KillAllSessions, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    return [
        SessionsKilled(
            *head(state, command, envelope),
            len(state.sessions.leases),
            command.note,
            envelope.actor,
        ),
        *session.end_all(state.sessions, "killed", envelope.now_us),
    ]
