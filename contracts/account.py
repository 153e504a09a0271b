"""
Accounts: the people of the whole deployment, in a log of their own.

The tenant `platform` is no twin. Its log holds who can sign in and how, and who is a platform super
admin; which twin somebody belongs to, and in what role, is in that twin's own log (`access`).
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from contracts.access import DAY_US, Email, Hash, PersonId, SecretText
from contracts.message import Command, Event, Note, UnixUs, check_prose, whole

PLATFORM: Final = "platform"
SESSION_LASTS_MAX_US: Final = 30 * DAY_US
LINK_LASTS_MAX_US: Final = 7 * DAY_US
SESSIONS_PER_PERSON_MAX: Final = 10

# Only a hash has this shape: a password cannot get into the log by mistake.
PasswordHash: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(
            "\\$argon2id\\$v=19\\$m=[0-9]{1,7},t=[0-9]{1,3},p=[0-9]{1,3}"
            "\\$[A-Za-z0-9+/]{11,86}\\$[A-Za-z0-9+/]{22,86}"
        ),
        max_length=250,
        description="argon2id in its own spelling, made by the door",
    ),
]
UserAgent: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=120, description="printable ASCII; shortened by the door")
]

# -- Commands ----------------------------------------------------------------


class FoundPlatform(Command, frozen=True, kw_only=True):
    """Begin the log of the platform with its first super admin. Once."""

    person: PersonId
    email: Email


class RegisterAccount(Command, frozen=True, kw_only=True):
    """Make an account. Without *password_hash* its person signs in by one-time links."""

    person: PersonId
    email: Email
    password_hash: PasswordHash | None = None


class SetPassword(Command, frozen=True, kw_only=True):
    """Set a person's password. Ends all their sessions but *keep_session*."""

    person: PersonId
    password_hash: PasswordHash
    keep_session: Hash | None = None


class RehashPassword(Command, frozen=True, kw_only=True):
    """
    Keep another hash of the same password, which somebody has just shown, because hashes got
    stronger. *replaces* is of the hash that it was compared with; sessions stay.
    """

    person: PersonId
    password_hash: PasswordHash
    replaces: Hash


class IssueLink(Command, frozen=True, kw_only=True):
    """Let a person sign in once, with the secret of a link."""

    person: PersonId
    secret_hash: Hash
    expires_at_us: UnixUs


class OpenSession(Command, frozen=True, kw_only=True):
    """
    Open a session for a person whose password the door has verified, or who shows a *link*.

    *session_hash* is of the secret in the cookie. A link is used up by it. The oldest session ends
    when a person would have more than ten.
    """

    person: PersonId
    session_hash: Hash
    expires_at_us: UnixUs
    user_agent: UserAgent = ""
    link: SecretText | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.user_agent.isascii() and self.user_agent.isprintable()):
            raise ValueError("`user_agent` must be printable ASCII")


class CloseSessions(Command, frozen=True, kw_only=True):
    """End one session of a person, or without *session_hash* all of them."""

    person: PersonId
    session_hash: Hash | None = None


class CountSignInFailure(Command, frozen=True, kw_only=True):
    """Say that a password was wrong. After a few of them the next try has to wait, longer each."""

    person: PersonId


class GrantAdmin(Command, frozen=True, kw_only=True):
    """Make somebody a platform super admin."""

    person: PersonId


class WithdrawAdmin(Command, frozen=True, kw_only=True):
    """Make a super admin an ordinary person again. The last one stays."""

    person: PersonId


class LockAccount(Command, frozen=True, kw_only=True):
    """Keep somebody out of everything: no sign-in, and every session ends."""

    person: PersonId
    reason: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class UnlockAccount(Command, frozen=True, kw_only=True):
    """Let somebody sign in again, also when too many passwords were wrong."""

    person: PersonId


AccountCommand: TypeAlias = (
    FoundPlatform
    | RegisterAccount
    | SetPassword
    | RehashPassword
    | IssueLink
    | OpenSession
    | CloseSessions
    | CountSignInFailure
    | GrantAdmin
    | WithdrawAdmin
    | LockAccount
    | UnlockAccount
)

# -- Events ------------------------------------------------------------------


class PlatformFounded(Event, frozen=True):
    """The platform has a log, and *person* is its first super admin."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    email: str
    actor: str


class AccountRegistered(Event, frozen=True):
    """The person can sign in: with a password, or when *password_hash* is empty by links only."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    email: str
    password_hash: str
    actor: str


class PasswordSet(Event, frozen=True):
    """The person's password is another from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    password_hash: str
    actor: str


class PasswordRehashed(Event, frozen=True):
    """The person's password is the same, and its hash another one."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    password_hash: str
    actor: str


class LinkIssued(Event, frozen=True):
    """A link signs the person in, once, until *expires_at_us*."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    secret_hash: bytes
    expires_at_us: UnixUs
    actor: str


class SessionOpened(Event, frozen=True):
    """A session speaks for the person. *link_hash* is that of the link it took, empty if none."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    session_hash: bytes
    expires_at_us: UnixUs
    user_agent: str
    link_hash: bytes
    actor: str


class SessionsClosed(Event, frozen=True):
    """These sessions speak for nobody from here on. *reason*: what ended them."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    session_hashes: list[bytes]
    reason: str
    actor: str


class SignInFailed(Event, frozen=True):
    """
    A password was wrong, for the *failures*th time in a row.

    None is to be tried before *blocked_until_us*; 0: at once.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    failures: int
    blocked_until_us: UnixUs
    actor: str


class AdminGranted(Event, frozen=True):
    """The person is a platform super admin from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    actor: str


class AdminWithdrawn(Event, frozen=True):
    """The person is no platform super admin any more."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    actor: str


class AccountLocked(Event, frozen=True):
    """The person cannot sign in; their sessions end in the same commit."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    reason: str
    actor: str


class AccountUnlocked(Event, frozen=True):
    """The person can sign in again, and wrong passwords are forgotten."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    person: str
    actor: str


AccountEvent: TypeAlias = (
    PlatformFounded
    | AccountRegistered
    | PasswordSet
    | PasswordRehashed
    | LinkIssued
    | SessionOpened
    | SessionsClosed
    | SignInFailed
    | AdminGranted
    | AdminWithdrawn
    | AccountLocked
    | AccountUnlocked
)
