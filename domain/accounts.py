"""Accounts: how people come to be on the platform, what they may there, and how that ends."""

from __future__ import annotations

from typing import Final

from contracts.access import normal_email
from contracts.account import (
    AccountLocked,
    AccountRegistered,
    AccountUnlocked,
    AdminGranted,
    AdminWithdrawn,
    FoundPlatform,
    GrantAdmin,
    LockAccount,
    PasswordRehashed,
    PasswordSet,
    PlatformFounded,
    RegisterAccount,
    RehashPassword,
    SetPassword,
    UnlockAccount,
    WithdrawAdmin,
)
from contracts.commit import AnyEvent
from domain import account
from domain.identity_refusals import (
    ACCOUNT_EXISTS,
    ACCOUNT_UNKNOWN,
    ALREADY_ADMIN,
    ALREADY_LOCKED,
    EMAIL_TAKEN,
    LAST_ADMIN,
    NOT_AN_ADMIN,
    NOT_LOCKED,
    PASSWORD_CHANGED,
    PLATFORM_EXISTS,
    TOO_MANY_ACCOUNTS,
)
from domain.refusing import refuse
from domain.sign_in import closed
from domain.state import Decisions, Envelope, State, head


def found(state: State, command: FoundPlatform, envelope: Envelope) -> list[AnyEvent]:
    """Begin the log of the platform."""
    if state.tenant.status != "absent":
        return [refuse(state, command, envelope, PLATFORM_EXISTS)]
    email = normal_email(command.email)
    decided = head(state, command, envelope)
    return [PlatformFounded(*decided, command.person, email, envelope.actor)]


def register(state: State, command: RegisterAccount, envelope: Envelope) -> list[AnyEvent]:
    """Make an account."""
    email, known = normal_email(command.email), state.account
    if command.person in known.accounts:
        return [refuse(state, command, envelope, ACCOUNT_EXISTS)]
    if email in known.people:
        return [refuse(state, command, envelope, EMAIL_TAKEN)]
    if len(known.accounts) >= account.ACCOUNTS_MAX:
        return [refuse(state, command, envelope, TOO_MANY_ACCOUNTS)]
    return [
        AccountRegistered(
            *head(state, command, envelope),
            command.person,
            email,
            command.password_hash or "",
            envelope.actor,
        )
    ]


def set_password(state: State, command: SetPassword, envelope: Envelope) -> list[AnyEvent]:
    """Set a password. Whoever knew the old one is signed out, wherever they are."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    kept = command.keep_session.hex() if command.keep_session else ""
    others = [name for name in account.open_sessions(found, envelope.now_us) if name != kept]
    decided = head(state, command, envelope)
    return [
        PasswordSet(*decided, command.person, command.password_hash, envelope.actor),
        *closed(decided, command.person, others, "the password was changed", envelope.actor),
    ]


def rehash_password(state: State, command: RehashPassword, envelope: Envelope) -> list[AnyEvent]:
    """Keep another hash, unless the password was changed since the old one was read."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    if found.password != command.replaces.hex():
        return [refuse(state, command, envelope, PASSWORD_CHANGED)]
    decided = head(state, command, envelope)
    return [PasswordRehashed(*decided, command.person, command.password_hash, envelope.actor)]


def grant_admin(state: State, command: GrantAdmin, envelope: Envelope) -> list[AnyEvent]:
    """Make somebody a super admin."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    if found.is_admin:
        return [refuse(state, command, envelope, ALREADY_ADMIN)]
    return [AdminGranted(*head(state, command, envelope), command.person, envelope.actor)]


def withdraw_admin(state: State, command: WithdrawAdmin, envelope: Envelope) -> list[AnyEvent]:
    """Make a super admin an ordinary person; somebody stays who can undo it."""
    found = state.account.accounts.get(command.person)
    if found is None or not found.is_admin:
        return [refuse(state, command, envelope, NOT_AN_ADMIN)]
    if _is_last_admin(state, command.person):
        return [refuse(state, command, envelope, LAST_ADMIN)]
    return [AdminWithdrawn(*head(state, command, envelope), command.person, envelope.actor)]


def lock(state: State, command: LockAccount, envelope: Envelope) -> list[AnyEvent]:
    """Keep somebody out; somebody stays who can undo it."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    if found.locked:
        return [refuse(state, command, envelope, ALREADY_LOCKED)]
    if _is_last_admin(state, command.person):
        return [refuse(state, command, envelope, LAST_ADMIN)]
    decided = head(state, command, envelope)
    sessions = account.open_sessions(found, envelope.now_us)
    return [
        AccountLocked(*decided, command.person, command.reason, envelope.actor),
        *closed(decided, command.person, sessions, "the account was locked", envelope.actor),
    ]


def unlock(state: State, command: UnlockAccount, envelope: Envelope) -> list[AnyEvent]:
    """Let somebody sign in again."""
    found = state.account.accounts.get(command.person)
    if found is None:
        return [refuse(state, command, envelope, ACCOUNT_UNKNOWN)]
    if not found.locked and not found.failures:
        return [refuse(state, command, envelope, NOT_LOCKED)]
    return [AccountUnlocked(*head(state, command, envelope), command.person, envelope.actor)]


def _is_last_admin(state: State, person: str) -> bool:
    return account.is_admin(state.account, person) and account.active_admins(state.account) == 1


COMMANDS: Final[Decisions] = {
    FoundPlatform: (found, PlatformFounded),
    RegisterAccount: (register, AccountRegistered),
    SetPassword: (set_password, PasswordSet),
    RehashPassword: (rehash_password, PasswordRehashed),
    GrantAdmin: (grant_admin, AdminGranted),
    WithdrawAdmin: (withdraw_admin, AdminWithdrawn),
    LockAccount: (lock, AccountLocked),
    UnlockAccount: (unlock, AccountUnlocked),
}
