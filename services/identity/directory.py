"""
The directory: who is who, as the doors look it up. It reads the projections and nothing else.

When it cannot be asked it raises DirectoryDown, and the door refuses (503): nobody gets in because
a database is away. What was looked up before is not kept, so nothing outlives its revocation here;
a door that keeps a connection open follows `changes` and cuts it.

    Invariant: a door that first notes what it is about to let in, and then looks it up, while it
    follows `changes`, hears of every later revocation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from contracts.access import Role, Scope
from contracts.account import PLATFORM, SESSIONS_PER_PERSON_MAX
from services import logs
from services.failure import Failure

CONNECTIONS_MAX: Final = 4
WAITING_MAX: Final = 256
ACQUIRE_S: Final = 1.0
STATEMENT_MS: Final = 2_000
# Together with the projector's lag well below the second that a revocation may take.
POLL_S: Final = 0.25
CHANGES_AT_ONCE_MAX: Final = 1_000
# Unheard for so long, whatever is open must be looked up again.
UNHEARD_MAX_S: Final = 1.0

ChangeKind: TypeAlias = Literal["key", "member", "session", "account", "unknown"]


class DirectoryDown(Failure):
    """The directory cannot be asked. Refuse whoever asks; try again in a moment."""


class KeyRecord(msgspec.Struct, frozen=True):
    """An API key as it was issued. Times in microseconds; None: never."""

    key_id: str
    tenant: str
    secret_hash: bytes
    scopes: frozenset[Scope]
    expires_at_us: int | None
    revoked_at_us: int | None

    def is_usable(self, now_us: int) -> bool:
        """Whether the key opens its twin at *now_us*."""
        is_over = self.expires_at_us is not None and now_us >= self.expires_at_us
        return self.revoked_at_us is None and not is_over


class SessionRecord(msgspec.Struct, frozen=True):
    """A person's session; *closed* also when the account was locked."""

    person: str
    expires_at_us: int
    closed: bool

    def is_usable(self, now_us: int) -> bool:
        """Whether the session speaks for its person at *now_us*."""
        return not self.closed and now_us < self.expires_at_us


class OpenSession(msgspec.Struct, frozen=True):
    """A session that is open, as its person may see it; *last_used_at* to the minute."""

    session_hash: bytes
    user_agent: str
    opened_at: datetime
    expires_at_us: int
    last_used_at: datetime | None


class AccountRecord(msgspec.Struct, frozen=True):
    """
    Somebody who can sign in. An empty *password_hash*: only by a one-time link.

    Until *blocked_until_us* no password is to be tried: too many were wrong.
    """

    person: str
    email: str
    password_hash: str
    locked: bool
    is_admin: bool
    blocked_until_us: int


class LinkRecord(msgspec.Struct, frozen=True):
    """A one-time sign-in link."""

    person: str
    expires_at_us: int
    used: bool

    def is_usable(self, now_us: int) -> bool:
        """Whether it can still be exchanged for a session."""
        return not self.used and now_us < self.expires_at_us


class InvitationRecord(msgspec.Struct, frozen=True):
    """An invitation to a twin; *state* does not know that time has passed, see *expires_at_us*."""

    invitation_id: str
    tenant: str
    email: str
    role: Role
    secret_hash: bytes
    expires_at_us: int
    state: Literal["open", "accepted", "withdrawn"]


class Change(msgspec.Struct, frozen=True):
    """
    Something that may take a right away; what is open under this id is to be looked up again.

    *id*: a key id; a person (member, account); a session's hash in hex. *tenant* is empty for
    sessions and accounts. `unknown`: changes may have been missed, look everything up again.
    """

    kind: ChangeKind
    id: str = ""
    tenant: str = ""


Cursors: TypeAlias = dict[tuple[str, int], int]


class Directory:
    """Looks people, keys and sessions up. Use it as a context manager, one for each process."""

    def __init__(self, dsn: str) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            dsn,
            kwargs={
                "row_factory": dict_row,
                "autocommit": True,
                "connect_timeout": 2,
                "application_name": "vito-directory",
                "options": f"-c statement_timeout={STATEMENT_MS}"
                " -c default_transaction_read_only=on -c timezone=UTC",
                # A rebuilt projection replaces its views, and with them what was prepared.
                "prepare_threshold": None,
            },
            min_size=1,
            max_size=CONNECTIONS_MAX,
            max_waiting=WAITING_MAX,
            timeout=ACQUIRE_S,
            reconnect_timeout=1.0,
            open=False,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=False)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._pool.close(timeout=0.5)

    # -- keys and members ----------------------------------------------------------

    async def find_key(self, key_id: str) -> KeyRecord | None:
        """
        Return the key with this id.

        Ids are chosen by who issues; should another twin claim one that exists, the first counts.
        """
        row = await self._one(_FIND_KEY, {"key_id": key_id})
        if row is None:
            return None
        return KeyRecord(**{**row, "scopes": frozenset(row["scopes"])})

    async def roles_of(self, person: str) -> dict[str, Role]:
        """Return the role of a person in each twin of theirs."""
        rows = await self._all(_ROLES_OF, {"person": person})
        return {row["tenant"]: row["role"] for row in rows}

    async def invitation(self, invitation_id: str) -> InvitationRecord | None:
        """Return an invitation; of two with the same id the first one."""
        row = await self._one(_INVITATION, {"invitation_id": invitation_id})
        return None if row is None else InvitationRecord(**row)

    # -- people --------------------------------------------------------------------

    async def account(self, person: str) -> AccountRecord | None:
        """Return a person's account."""
        return _account(await self._one(_ACCOUNT + "person = %(person)s", {"person": person}))

    async def account_by_email(self, email: str) -> AccountRecord | None:
        """Return the account with this e-mail address, however its letters are cased."""
        values = {"email": email.strip().lower()}
        return _account(await self._one(_ACCOUNT + "email = %(email)s", values))

    async def find_session(self, session_hash: bytes) -> SessionRecord | None:
        """Return the session with this hash (`random_secret.digest` of the cookie's secret)."""
        row = await self._one(_FIND_SESSION, {"session_hash": session_hash})
        return None if row is None else SessionRecord(**row)

    async def open_sessions(self, person: str, now_us: int) -> list[OpenSession]:
        """Return where somebody is signed in, the newest first."""
        values = {"person": person, "now_us": now_us, "platform": PLATFORM}
        rows = await self._all(_OPEN_SESSIONS, values | {"limit": SESSIONS_PER_PERSON_MAX})
        return [OpenSession(**row) for row in rows]

    async def find_link(self, link_hash: bytes) -> LinkRecord | None:
        """Return the one-time sign-in link with this hash."""
        row = await self._one(_FIND_LINK, {"link_hash": link_hash})
        return None if row is None else LinkRecord(**row)

    # -- what changes --------------------------------------------------------------

    async def changes(self, *, every_s: float = POLL_S) -> AsyncIterator[Change]:
        """
        Yield what changes from now on, for ever, within *every_s* of its being projected.

        Begins with `unknown`: from there on nothing is missed. It comes again whenever something
        may have been, and each second while the directory is away.
        """
        loop = asyncio.get_running_loop()
        cursors: Cursors | None = None
        heard_s = loop.time()
        while True:
            found: list[Change] = []
            try:
                if cursors is None:
                    # Where to go on is read first: what changes after it will be told, and what
                    # changed before it is found when everything is looked up again.
                    cursors, found = await self._heads(), [Change("unknown")]
                else:
                    told = await self._changed(cursors)
                    cursors, found = (None, []) if told is None else (cursors, told)
                heard_s = loop.time()
            except DirectoryDown as problem:
                if loop.time() - heard_s >= UNHEARD_MAX_S:
                    logs.get().warning("changes_not_heard", reason=problem.message)
                    cursors, found, heard_s = None, [Change("unknown")], loop.time()
            for change in found:
                yield change
            await asyncio.sleep(every_s)

    async def _heads(self) -> Cursors:
        rows = await self._all(_HEADS, {})
        return {(row["source"], row["shard"]): row["stream_seq"] for row in rows}

    async def _changed(self, cursors: Cursors) -> list[Change] | None:
        """Return what came after *cursors*, which move; None if it is too much to tell."""
        rows = await self._all(
            _CHANGED,
            {
                "sources": [source for source, _ in cursors],
                "shards": [shard for _, shard in cursors],
                "seqs": list(cursors.values()),
                "limit": CHANGES_AT_ONCE_MAX + 1,
            },
        )
        if len(rows) > CHANGES_AT_ONCE_MAX:
            return None
        for row in rows:
            cursors[row["source"], row["shard"]] = row["stream_seq"]
        return [Change(row["kind"], row["id"], row["tenant"]) for row in rows]

    # -- how -----------------------------------------------------------------------

    async def _one(self, statement: str, values: Mapping[str, Any]) -> DictRow | None:
        rows = await self._all(statement, values)
        return rows[0] if rows else None

    async def _all(self, statement: str, values: Mapping[str, Any]) -> list[DictRow]:
        for attempt in range(2):
            try:
                async with self._connection() as connection:
                    cursor = await connection.execute(statement.encode(), values)
                    return await cursor.fetchall()
            except psycopg.OperationalError as error:
                # A connection does not survive a restart of the database, which only its use shows.
                if attempt:
                    raise _down(error) from error
                await self._pool.check()
            except psycopg.Error as error:
                raise _down(error) from error
        raise AssertionError("two attempts end in an answer or an error")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, TooManyRequests) as error:
            raise _down(error) from None


def _down(error: Exception) -> DirectoryDown:
    logs.get().warning("directory_down", error=str(error) or type(error).__name__)
    return DirectoryDown(
        "Identity cannot be looked up right now.", "ask again in a moment; nothing was done."
    )


def _account(row: DictRow | None) -> AccountRecord | None:
    return None if row is None else AccountRecord(**row)


# -- SQL: of the public views of `projections.access` and `projections.account` --------------

_FIND_KEY: Final = """
SELECT key_id, tenant, secret_hash, scopes, expires_at_us, revoked_at_us
FROM api_keys WHERE key_id = %(key_id)s ORDER BY issued_at, tenant LIMIT 1
"""
_ROLES_OF: Final = "SELECT tenant, role FROM members WHERE person = %(person)s"
_INVITATION: Final = """
SELECT invitation_id, tenant, email, role, secret_hash, expires_at_us, state
FROM invitations WHERE invitation_id = %(invitation_id)s ORDER BY invited_at, tenant LIMIT 1
"""
_ACCOUNT: Final = (
    "SELECT person, email, password_hash, locked, is_admin, blocked_until_us FROM accounts WHERE "
)
_FIND_SESSION: Final = """
SELECT person, expires_at_us, closed FROM sessions WHERE session_hash = %(session_hash)s
"""
_OPEN_SESSIONS: Final = """
SELECT s.session_hash, s.user_agent, s.opened_at, s.expires_at_us, (
    SELECT u.used_at FROM key_last_used u
    WHERE u.tenant = %(platform)s AND u.key_id = encode(s.session_hash, 'hex')
) AS last_used_at
FROM sessions s
WHERE s.person = %(person)s AND NOT s.closed AND s.expires_at_us > %(now_us)s
ORDER BY s.opened_at DESC, s.session_hash LIMIT %(limit)s
"""
_FIND_LINK: Final = """
SELECT person, expires_at_us, used FROM sign_in_links WHERE link_hash = %(link_hash)s
"""
_HEADS: Final = """
SELECT projection AS source, shard, stream_seq FROM projection_positions
WHERE projection IN ('access', 'account')
"""
_CHANGED: Final = """
WITH cursors AS (
    SELECT * FROM unnest(%(sources)s::text[], %(shards)s::int[], %(seqs)s::bigint[])
        AS c(source, shard, stream_seq)
)
SELECT p.projection AS source, p.shard, a.stream_seq, a.part, a.kind, a.id, a.tenant
FROM projection_positions p
LEFT JOIN cursors c ON c.source = p.projection AND c.shard = p.shard
CROSS JOIN LATERAL (
    SELECT stream_seq, part, kind, id, tenant FROM access_changes
    WHERE p.projection = 'access' AND shard = p.shard AND stream_seq > coalesce(c.stream_seq, 0)
    UNION ALL
    SELECT stream_seq, part, kind, id, '' FROM account_changes
    WHERE p.projection = 'account' AND shard = p.shard AND stream_seq > coalesce(c.stream_seq, 0)
) a
WHERE p.projection IN ('access', 'account')
ORDER BY source, p.shard, a.stream_seq, a.part LIMIT %(limit)s
"""
