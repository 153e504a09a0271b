"""
Account: the people of the platform, how they sign in, and who is a super admin.

After five wrong passwords in a row the next has to wait: 1 s, 2 s, 4 s ... up to 5 minutes. What
comes sooner is refused unseen, so guessing is slow whatever the number of doors, and a flood of
guesses is counted and not listed. A day without a wrong password forgets the earlier ones.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from contracts.access import DAY_US
from contracts.account import (
    AccountEvent,
    AccountLocked,
    AccountRegistered,
    AccountUnlocked,
    AdminGranted,
    AdminWithdrawn,
    LinkIssued,
    PasswordRehashed,
    PasswordSet,
    PlatformFounded,
    SessionOpened,
    SessionsClosed,
    SignInFailed,
)

ACCOUNTS_MAX: Final = 10_000
LINKS_PER_PERSON_MAX: Final = 5
FAILURES_FREE: Final = 5
WAIT_MAX_US: Final = 300_000_000
_SECOND_US: Final = 1_000_000
# 2^9 s pass the longest wait, so no power of two gets out of hand.
_DOUBLINGS_MAX: Final = 9


class Account(msgspec.Struct, array_like=True):
    """
    A person. *sessions* and *links* by their hash in hex, and until when, oldest first.

    *failures* in a row, the last at *failed_at_us*; no password is tried before *blocked_until_us*.
    *password* is the SHA-256 of the kept hash, in hex; empty for somebody without one.
    """

    email: str
    is_admin: bool = False
    locked: bool = False
    sessions: dict[str, int] = {}
    links: dict[str, int] = {}
    failures: int = 0
    failed_at_us: int = 0
    blocked_until_us: int = 0
    password: str = ""


class State(msgspec.Struct, array_like=True):
    """Accounts by person, and persons by e-mail address."""

    accounts: dict[str, Account] = {}
    people: dict[str, str] = {}


def is_admin(state: State, person: str) -> bool:
    """Whether somebody is a super admin who may act."""
    account = state.accounts.get(person)
    return account is not None and account.is_admin and not account.locked


def active_admins(state: State) -> int:
    """Count the super admins who may act."""
    return sum(account.is_admin and not account.locked for account in state.accounts.values())


def open_sessions(account: Account, now_us: int) -> list[str]:
    """Return the sessions that have not run out, oldest first."""
    return [name for name, until_us in account.sessions.items() if until_us > now_us]


def link_of(account: Account, secret: str, now_us: int) -> bytes | None:
    """Return the hash of the link that *secret* belongs to, if it can still be used."""
    digest = sha256(secret.encode()).digest()
    return digest if account.links.get(digest.hex(), 0) > now_us else None


def digest_of(password_hash: str) -> str:
    """Name a kept hash, so that one that is no longer kept can be told; empty for none."""
    return sha256(password_hash.encode()).hexdigest() if password_hash else ""


def after_failure(account: Account, now_us: int) -> tuple[int, int]:
    """Return the number of failures in a row with one more now, and until when to wait; 0: not."""
    failures = 1 if now_us - account.failed_at_us > DAY_US else account.failures + 1
    over = failures - FAILURES_FREE
    if over < 0:
        return failures, 0
    wait_us = min(_SECOND_US << min(over, _DOUBLINGS_MAX), WAIT_MAX_US)
    return failures, now_us + wait_us


def evolve(state: State, event: AccountEvent) -> None:  # noqa: C901 - one case for each
    """Apply one fact about an account."""
    account = state.accounts.get(event.person)
    if account is None:
        account = state.accounts[event.person] = Account("")
    match event:
        case PlatformFounded() | AccountRegistered():
            _begin(account, event)
            state.people[event.email] = event.person
        case PasswordSet() | PasswordRehashed():
            _keep_password(account, event)
        case LinkIssued():
            _expire(account.links, event.at_us)
            account.links[event.secret_hash.hex()] = event.expires_at_us
            for name in list(account.links)[:-LINKS_PER_PERSON_MAX]:
                del account.links[name]
        case SessionOpened():
            _expire(account.sessions, event.at_us)
            account.sessions[event.session_hash.hex()] = event.expires_at_us
            account.links.pop(event.link_hash.hex(), None)
            _forgive(account)
        case SessionsClosed():
            for digest in event.session_hashes:
                account.sessions.pop(digest.hex(), None)
        case SignInFailed():
            account.failures, account.failed_at_us = event.failures, event.at_us
            account.blocked_until_us = event.blocked_until_us
        case AdminGranted() | AdminWithdrawn():
            account.is_admin = isinstance(event, AdminGranted)
        case AccountLocked():
            account.locked = True
            account.links.clear()
        case AccountUnlocked():
            account.locked = False
            _forgive(account)


def _begin(account: Account, event: PlatformFounded | AccountRegistered) -> None:
    account.email = event.email
    account.is_admin = isinstance(event, PlatformFounded)
    if isinstance(event, AccountRegistered):
        account.password = digest_of(event.password_hash)


def _keep_password(account: Account, event: PasswordSet | PasswordRehashed) -> None:
    account.password = digest_of(event.password_hash)
    # As before: a new password begins a new count; the same one does not.
    if isinstance(event, PasswordSet):
        _forgive(account)


def _forgive(account: Account) -> None:
    account.failures = account.failed_at_us = account.blocked_until_us = 0


def _expire(entries: dict[str, int], now_us: int) -> None:
    for name in [name for name, until_us in entries.items() if until_us <= now_us]:
        del entries[name]
