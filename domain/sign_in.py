"""Signing in: one-time links, sessions, and passwords that were wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.account import (
    LINK_LASTS_MAX_US,
    SESSION_LASTS_MAX_US,
    SESSIONS_PER_PERSON_MAX,
    CloseSessions,
    CountSignInFailure,
    IssueLink,
    LinkIssued,
    OpenSession,
    SessionOpened,
    SessionsClosed,
    SignInFailed,
)
from contracts.commands import AnyCommand
from contracts.commit import AnyEvent
from domain import account
from domain.identity_refusals import (
    ACCOUNT_LOCKED,
    ACCOUNT_UNKNOWN,
    EXPIRY_INVALID,
    ID_TAKEN,
    LINK_UNKNOWN,
    SESSION_UNKNOWN,
    SIGN_IN_BLOCKED,
)
from domain.membership import wrong_expiry
from domain.refusing import refuse
from domain.state import Decisions, Envelope, State, head


def issue_link(state: State, command: IssueLink, envelope: Envelope) -> list[AnyEvent]:
    """Let a person sign in once without a password."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    if found.locked:
        return [refuse(state, command, envelope, ACCOUNT_LOCKED)]
    wrong = wrong_expiry(command.expires_at_us, envelope.now_us, LINK_LASTS_MAX_US)
    if wrong:
        return [refuse(state, command, envelope, EXPIRY_INVALID, wrong)]
    return [
        LinkIssued(
            *head(state, command, envelope),
            command.person,
            command.secret_hash,
            command.expires_at_us,
            envelope.actor,
        )
    ]


def open_session(state: State, command: OpenSession, envelope: Envelope) -> list[AnyEvent]:
    """Sign somebody in. A link is worth one session, and works while passwords have to wait."""
    now_us, person = envelope.now_us, command.person
    found = state.account.accounts.get(person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    if found.locked:
        return [refuse(state, command, envelope, ACCOUNT_LOCKED)]
    link = b""
    if command.link is not None:
        shown = account.link_of(found, command.link, now_us)
        if shown is None:
            return [refuse(state, command, envelope, LINK_UNKNOWN)]
        link = shown
    elif found.blocked_until_us > now_us:
        return [_blocked(state, command, envelope, found)]
    wrong = wrong_expiry(command.expires_at_us, now_us, SESSION_LASTS_MAX_US)
    if wrong:
        return [refuse(state, command, envelope, EXPIRY_INVALID, wrong)]
    sessions = account.open_sessions(found, now_us)
    if command.session_hash.hex() in sessions:
        return [refuse(state, command, envelope, ID_TAKEN)]
    decided = head(state, command, envelope)
    oldest = sessions[: max(0, len(sessions) + 1 - SESSIONS_PER_PERSON_MAX)]
    return [
        SessionOpened(
            *decided,
            person,
            command.session_hash,
            command.expires_at_us,
            command.user_agent,
            link,
            envelope.actor,
        ),
        *closed(decided, person, oldest, "the person has newer ones", envelope.actor),
    ]


def close_sessions(state: State, command: CloseSessions, envelope: Envelope) -> list[AnyEvent]:
    """Sign somebody out, here or everywhere."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    ending = account.open_sessions(found, envelope.now_us)
    if command.session_hash is not None:
        ending = [name for name in ending if name == command.session_hash.hex()]
    decided = head(state, command, envelope)
    events = closed(decided, command.person, ending, "signed out", envelope.actor)
    return events or [refuse(state, command, envelope, SESSION_UNKNOWN)]


def count_failure(state: State, command: CountSignInFailure, envelope: Envelope) -> list[AnyEvent]:
    """Write down that a password was wrong, unless none should have been tried."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    if found.blocked_until_us > envelope.now_us:
        return [_blocked(state, command, envelope, found)]
    failures, blocked_until_us = account.after_failure(found, envelope.now_us)
    decided = head(state, command, envelope)
    return [SignInFailed(*decided, command.person, failures, blocked_until_us, envelope.actor)]


def closed(
    decided: tuple[int, str, bytes, int],
    person: str,
    sessions: Sequence[str],
    reason: str,
    actor: str,
) -> list[AnyEvent]:
    """Return the fact that *sessions* (in hex) end, or nothing if there are none."""
    if not sessions:
        return []
    hashes = [bytes.fromhex(name) for name in sessions]
    return [SessionsClosed(*decided, person, hashes, reason, actor)]


def _blocked(
    state: State, command: AnyCommand, envelope: Envelope, found: account.Account
) -> AnyEvent:
    facts: dict[str, int | str] = {"blocked_until_us": found.blocked_until_us}
    return refuse(state, command, envelope, SIGN_IN_BLOCKED, facts)


COMMANDS: Final[Decisions] = {
    IssueLink: (issue_link, LinkIssued),
    OpenSession: (open_session, SessionOpened),
    CloseSessions: (close_sessions, SessionsClosed),
    CountSignInFailure: (count_failure, SignInFailed),
}
