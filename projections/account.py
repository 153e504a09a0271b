"""
Account: who can sign in to the platform and how, their sessions, and every change that may have
taken a right away.

*password_hash* and the hashes of sessions and links are for the doors; no page shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.account import (
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
from projections.cells import NUMBER, TEXT, copied, line_of, moment, text
from projections.projection import Append, Change, Commit, Write

NAME = "account"
DEFINITION = 1
CHANGED: tuple[str, ...] = ("accounts", "sessions", "sign_in_links")

TABLES = """
CREATE TABLE {schema}.accounts (
    person           text        PRIMARY KEY,
    email            text        NOT NULL UNIQUE,
    password_hash    text        NOT NULL,
    is_admin         boolean     NOT NULL,
    locked           boolean     NOT NULL,
    failures         integer     NOT NULL,
    blocked_until_us bigint      NOT NULL,
    registered_at    timestamptz NOT NULL,
    position         bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE {schema}.sessions (
    session_hash  bytea       PRIMARY KEY,
    person        text        NOT NULL,
    user_agent    text        NOT NULL,
    opened_at     timestamptz NOT NULL,
    expires_at_us bigint      NOT NULL,
    closed_at     timestamptz,
    position      bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.sessions (person, opened_at);
CREATE TABLE {schema}.sign_in_links (
    link_hash     bytea       PRIMARY KEY,
    person        text        NOT NULL,
    issued_at     timestamptz NOT NULL,
    expires_at_us bigint      NOT NULL,
    used          boolean     NOT NULL,
    position      bigint      NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE {schema}.account_changes (
    shard      integer NOT NULL,
    stream_seq bigint  NOT NULL,
    part       integer NOT NULL,
    kind       text    NOT NULL CHECK (kind IN ('session', 'account')),
    id         text    NOT NULL,
    PRIMARY KEY (shard, stream_seq, part)
);
"""

VIEWS = {
    "accounts": """
SELECT person, email, password_hash, is_admin, locked, failures, blocked_until_us, registered_at,
    position
FROM {schema}.accounts
""",
    "sessions": """
SELECT session_hash, person, user_agent, opened_at, expires_at_us, closed_at,
    closed_at IS NOT NULL AS closed, position
FROM {schema}.sessions
""",
    "sign_in_links": """
SELECT link_hash, person, issued_at, expires_at_us, used, position FROM {schema}.sign_in_links
""",
    "account_changes": """
SELECT shard, stream_seq, part, kind, id FROM {schema}.account_changes
""",
}

_ACCOUNTS = """
MERGE INTO {schema}.accounts a
USING json_to_recordset(%s::json) AS c(
    person text, email text, password_hash text, is_admin boolean, locked boolean,
    failures integer, blocked_until_us bigint, registered_at timestamptz, position bigint)
ON a.person = c.person
WHEN MATCHED THEN UPDATE SET
    password_hash = coalesce(c.password_hash, a.password_hash),
    is_admin = coalesce(c.is_admin, a.is_admin), locked = coalesce(c.locked, a.locked),
    failures = coalesce(c.failures, a.failures),
    blocked_until_us = coalesce(c.blocked_until_us, a.blocked_until_us), position = c.position
WHEN NOT MATCHED THEN INSERT (person, email, password_hash, is_admin, locked, failures,
    blocked_until_us, registered_at, position)
VALUES (c.person, c.email, coalesce(c.password_hash, ''), coalesce(c.is_admin, false),
    coalesce(c.locked, false), coalesce(c.failures, 0), coalesce(c.blocked_until_us, 0),
    c.registered_at, c.position)
"""
# A secret is random, so none comes twice; should one, its last use is what counts.
_SESSIONS = """
MERGE INTO {schema}.sessions s
USING json_to_recordset(%s::json) AS c(
    session_hash text, person text, user_agent text, opened_at timestamptz, expires_at_us bigint,
    closed_at timestamptz, position bigint)
ON s.session_hash = decode(c.session_hash, 'hex')
WHEN MATCHED THEN UPDATE SET
    person = c.person, user_agent = coalesce(c.user_agent, s.user_agent),
    opened_at = coalesce(c.opened_at, s.opened_at),
    expires_at_us = coalesce(c.expires_at_us, s.expires_at_us), closed_at = c.closed_at,
    position = c.position
WHEN NOT MATCHED THEN INSERT (session_hash, person, user_agent, opened_at, expires_at_us,
    closed_at, position)
VALUES (decode(c.session_hash, 'hex'), c.person, c.user_agent, c.opened_at, c.expires_at_us,
    c.closed_at, c.position)
"""
_LINKS = """
MERGE INTO {schema}.sign_in_links l
USING json_to_recordset(%s::json) AS c(
    link_hash text, person text, issued_at timestamptz, expires_at_us bigint, used boolean,
    position bigint)
ON l.link_hash = decode(c.link_hash, 'hex')
WHEN MATCHED THEN UPDATE SET
    issued_at = coalesce(c.issued_at, l.issued_at),
    expires_at_us = coalesce(c.expires_at_us, l.expires_at_us), used = c.used,
    position = c.position
WHEN NOT MATCHED THEN INSERT (link_hash, person, issued_at, expires_at_us, used, position)
VALUES (decode(c.link_hash, 'hex'), c.person, c.issued_at, c.expires_at_us, c.used, c.position)
"""


class _Account(msgspec.Struct, gc=False):
    """What a batch changes of an account; null leaves it as it is."""

    person: str
    email: str | None = None
    password_hash: str | None = None
    is_admin: bool | None = None
    locked: bool | None = None
    failures: int | None = None
    blocked_until_us: int | None = None
    registered_at: str | None = None
    position: int = 0


class _Session(msgspec.Struct, gc=False):
    """What a batch changes of a session; null leaves it as it is."""

    session_hash: str
    person: str
    user_agent: str | None = None
    opened_at: str | None = None
    expires_at_us: int | None = None
    closed_at: str | None = None
    position: int = 0


class _Link(msgspec.Struct, gc=False):
    """What a batch changes of a sign-in link; null leaves it as it is."""

    link_hash: str
    person: str
    issued_at: str | None = None
    expires_at_us: int | None = None
    used: bool = False
    position: int = 0


_CHANGE_COLUMNS = {
    "shard": NUMBER,
    "stream_seq": NUMBER,
    "part": NUMBER,
    "kind": TEXT,
    "id": TEXT,
}
_CHANGE_LINE = line_of(_CHANGE_COLUMNS)


class Fold:
    """What each account, session and link of the batch is after it."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self.sessions: dict[str, _Session] = {}
        self.links: dict[str, _Link] = {}
        self._lines: list[str] = []
        self._part = 0

    def add(self, commit: Commit) -> None:
        """See Folding."""
        self._part = 0
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(self, commit, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Change(_ACCOUNTS, list(self._accounts.values())),
            Change(_SESSIONS, list(self.sessions.values())),
            Change(_LINKS, list(self.links.values())),
            Append("account_changes", tuple(_CHANGE_COLUMNS), self._lines),
        ]

    def account(self, commit: Commit, person: str) -> _Account:
        """Return what is noted of an account that this commit changes."""
        found = self._accounts.setdefault(person, _Account(person))
        found.position = commit.position
        return found

    def changed(self, commit: Commit, kind: str, name: str) -> None:
        """Note a change that may have taken a right away."""
        values = (commit.shard, commit.stream_seq, self._part, kind, copied(name))
        self._lines.append(_CHANGE_LINE % values)
        self._part += 1


def _founded(fold: Fold, commit: Commit, event: PlatformFounded) -> None:
    account = fold.account(commit, event.person)
    account.email, account.is_admin = text(event.email), True
    account.registered_at = moment(event.at_us)


def _registered(fold: Fold, commit: Commit, event: AccountRegistered) -> None:
    account = fold.account(commit, event.person)
    account.email, account.password_hash = text(event.email), text(event.password_hash)
    account.registered_at = moment(event.at_us)


def _password_set(fold: Fold, commit: Commit, event: PasswordSet) -> None:
    account = fold.account(commit, event.person)
    account.password_hash = text(event.password_hash)
    _forgive(account)


def _password_rehashed(fold: Fold, commit: Commit, event: PasswordRehashed) -> None:
    fold.account(commit, event.person).password_hash = text(event.password_hash)


def _link_issued(fold: Fold, commit: Commit, event: LinkIssued) -> None:
    name = event.secret_hash.hex()
    fold.links[name] = _Link(
        name,
        event.person,
        moment(event.at_us),
        event.expires_at_us,
        position=commit.position,
    )


def _session_opened(fold: Fold, commit: Commit, event: SessionOpened) -> None:
    name = event.session_hash.hex()
    fold.sessions[name] = _Session(
        name,
        event.person,
        text(event.user_agent),
        moment(event.at_us),
        event.expires_at_us,
        None,
        commit.position,
    )
    if event.link_hash:
        used = event.link_hash.hex()
        link = fold.links.setdefault(used, _Link(used, event.person))
        link.used, link.position = True, commit.position
    _forgive(fold.account(commit, event.person))


def _sessions_closed(fold: Fold, commit: Commit, event: SessionsClosed) -> None:
    for digest in event.session_hashes:
        name = digest.hex()
        session = fold.sessions.setdefault(name, _Session(name, event.person))
        session.closed_at, session.position = moment(event.at_us), commit.position
        fold.changed(commit, "session", name)


def _failed(fold: Fold, commit: Commit, event: SignInFailed) -> None:
    account = fold.account(commit, event.person)
    account.failures, account.blocked_until_us = event.failures, event.blocked_until_us


def _admin_changed(fold: Fold, commit: Commit, event: AdminGranted | AdminWithdrawn) -> None:
    fold.account(commit, event.person).is_admin = isinstance(event, AdminGranted)
    fold.changed(commit, "account", event.person)


def _locked(fold: Fold, commit: Commit, event: AccountLocked) -> None:
    fold.account(commit, event.person).locked = True
    fold.changed(commit, "account", event.person)


def _unlocked(fold: Fold, commit: Commit, event: AccountUnlocked) -> None:
    account = fold.account(commit, event.person)
    account.locked = False
    _forgive(account)


def _forgive(account: _Account) -> None:
    account.failures, account.blocked_until_us = 0, 0


_APPLY: Mapping[type, Callable[[Fold, Commit, Any], None]] = {
    AccountLocked: _locked,
    AccountRegistered: _registered,
    AccountUnlocked: _unlocked,
    AdminGranted: _admin_changed,
    AdminWithdrawn: _admin_changed,
    LinkIssued: _link_issued,
    PasswordRehashed: _password_rehashed,
    PasswordSet: _password_set,
    PlatformFounded: _founded,
    SessionOpened: _session_opened,
    SessionsClosed: _sessions_closed,
    SignInFailed: _failed,
}
