"""PostgreSQL as an auditor reads it: the public views, one snapshot of a tenant at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import psycopg
from psycopg import AsyncConnection, AsyncServerCursor
from psycopg.rows import DictRow, TupleRow, dict_row

from contracts.account import PLATFORM
from services.audit import meters, session_rows, usage_rows
from services.audit.ledger import LEDGER_PROJECTIONS
from services.audit.ledger_tables import TABLES
from services.audit.outcomes import COLUMNS

CONNECT_S: Final = 5
PROJECTIONS: Final = (
    *("audit_log", "billing_meters", "decisions", "holds", "tenants"),
    session_rows.NAME,
    usage_rows.NAME,
    *LEDGER_PROJECTIONS,
)

# The lock comes before the snapshot, so that a rebuild cannot switch versions in between and leave
# us with the old position beside the new rows.
_BEGIN: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    " LOCK TABLE audit_logs, billing_meters, decisions, refusal_counts, holds, tenants, {}"
    " IN ACCESS SHARE MODE"
)
# A projection that is new in this version has no view before it was built.
_THERE: Final = "SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname = ANY(%s)"
Outcomes: TypeAlias = AsyncServerCursor[TupleRow]


class Streams(NamedTuple):
    """The rows that grow with traffic, read batch by batch; null: that view is not there yet."""

    outcomes: Outcomes
    sessions: AsyncServerCursor[DictRow] | None


_US: Final = "(extract(epoch FROM {}) * 1000000)::bigint"
_SPELLED: Final = {
    "occurred_at": _US.format("occurred_at"),
    "session_id": "coalesce(session_id, '')",
    "vendor_ref": "coalesce(vendor_ref, '')",
}
_NAMED: Final = {
    "quarter": _US.format("quarter"),
    "deployment": "coalesce(deployment, '')",
}
_AUDIT_LOGS: Final = (
    f"SELECT {', '.join(_SPELLED.get(name, name) for name in COLUMNS)}"  # noqa: S608 - constants
    " FROM audit_logs WHERE tenant = %s ORDER BY decision"
)
_SESSIONS: Final = (
    f"SELECT * FROM {session_rows.VIEW}"  # noqa: S608 - constants
    " WHERE tenant = %s ORDER BY session_id"
)
_METERS: Final = (
    "SELECT period, unit, committed, held, limit_value, scale,"  # noqa: S608 - constants
    f" {_US.format('starts_at')}, {_US.format('ends_at')} FROM billing_meters WHERE tenant = %s"
)
_HOLDS: Final = (
    "SELECT reservation, amount_nanos, credit_nanos, period,"  # noqa: S608 - constants
    f" {_US.format('expires_at')} FROM holds WHERE tenant = %s AND state = 'open'"
)
_TENANT: Final = (
    "SELECT position, status, display_name, organisation, policy_version, price_version"
    " FROM tenants WHERE tenant = %s"
)
_COUNTS: Final = (
    "SELECT (SELECT count(*) FROM decisions WHERE tenant = %(tenant)s),"
    " (SELECT count(*) FROM audit_logs WHERE tenant = %(tenant)s),"
    " (SELECT coalesce(sum(refusals), 0)::bigint FROM refusal_counts WHERE tenant = %(tenant)s)"
)
# Every view with rows of a twin but `tenants`, where an erased one keeps an empty row.
_CONTENT: Final = ("audit_logs", "billing_meters", "decisions", "holds", "refusal_counts")
_POSITIONS: Final = "SELECT projection, stream_seq FROM projection_positions WHERE shard = %s"


class PostgresDown(Exception):
    """The database did not answer; the text says why, without its address."""


class Tables(msgspec.Struct):
    """A tenant's rows but those of `Streams`, as of one snapshot. *applied* by projection."""

    applied: dict[str, int]
    tenant: TupleRow | None
    meters: dict[tuple[str, str], meters.Row]
    holds: dict[int, tuple[int, int, str, int]]
    decisions: int
    outcomes: int
    refusals_counted: int
    shard: int
    # Rows of the views that `ledger_tables` names.
    shown: dict[str, list[dict[str, Any]]]
    usage: usage_rows.Rows


class ReadSide:
    """A connection that may read the public views."""

    def __init__(self, connection: AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def tenants(self) -> list[str]:
        """Return every twin that has rows."""
        cursor = await self._connection.execute("SELECT tenant FROM tenants ORDER BY tenant")
        return [row[0] for row in await cursor.fetchall()]

    async def left_of(self, tenant: str) -> tuple[bool, dict[str, int]]:
        """Say whether a twin shows as erased, and how many rows of it there are, by view."""
        cursor = await self._connection.execute(_TENANT, (tenant,))
        row = await cursor.fetchone()
        views = (*_CONTENT, *(name for name in await self._there() if _has_tenant(name)))
        cursor = await self._connection.execute(_left(views).encode(), {"tenant": tenant})
        counts: dict[str, int] = dict(await cursor.fetchall())
        return row is None or row[1] == "erased", {v: n for v, n in counts.items() if n}

    @asynccontextmanager
    async def snapshot(self, tenant: str, shard: int) -> AsyncIterator[tuple[Tables, Streams]]:
        """Hold one snapshot of a tenant's rows for as long as it takes to compare them."""
        there = await self._there()
        await self._connection.execute(_BEGIN.format(", ".join(there)).encode())
        try:
            tables = await self._read(tenant, shard, there)
            async with (
                self._connection.cursor(name="outcomes") as outcomes,
                self._connection.cursor(name="sessions", row_factory=dict_row) as sessions,
            ):
                await outcomes.execute(_AUDIT_LOGS.encode(), (tenant,))
                has_sessions = session_rows.VIEW in there
                if has_sessions:
                    await sessions.execute(_SESSIONS.encode(), (tenant,))
                yield tables, Streams(outcomes, sessions if has_sessions else None)
        finally:
            if not self._connection.broken:
                await self._connection.execute("ROLLBACK")

    async def _there(self) -> list[str]:
        cursor = await self._connection.execute(
            _THERE, ([*TABLES, session_rows.VIEW, *usage_rows.VIEWS],)
        )
        return sorted(row[0] for row in await cursor.fetchall())

    async def _rows(self, view: str, tenant: str) -> list[dict[str, Any]]:
        """Return what a view shows of a twin; of accounts, what it shows at all."""
        where = "WHERE tenant = %s" if TABLES[view].has_tenant else "WHERE %s <> ''"
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(f"SELECT * FROM {view} {where}".encode(), (tenant,))  # noqa: S608
            return await cursor.fetchall()

    async def _usage(self, view: str, tenant: str) -> dict[usage_rows.Key, TupleRow]:
        """Return the sums that a view shows of a twin, by what names them."""
        key = usage_rows.VIEWS[view]
        columns = [_NAMED.get(name, name) for name in (*key, *usage_rows.COLUMNS)]
        statement = f"SELECT {', '.join(columns)} FROM {view} WHERE tenant = %s"  # noqa: S608
        cursor = await self._connection.execute(statement.encode(), (tenant,))
        return {row[: len(key)]: row[len(key) :] for row in await cursor.fetchall()}

    async def _read(self, tenant: str, shard: int, there: list[str]) -> Tables:
        ask = self._connection.execute
        positions = await (await ask(_POSITIONS, (shard,))).fetchall()
        applied: dict[str, int] = dict(positions)
        counts = await (await ask(_COUNTS, {"tenant": tenant})).fetchone()
        assert counts is not None, "a SELECT without FROM has a row"
        found_meters = await (await ask(_METERS.encode(), (tenant,))).fetchall()
        holds = await (await ask(_HOLDS.encode(), (tenant,))).fetchall()
        shown = {
            view: await self._rows(view, tenant)
            for view in there
            if view in TABLES and (TABLES[view].has_tenant or tenant == PLATFORM)
        }
        decisions, outcomes, refusals_counted = counts
        return Tables(
            {name: applied.get(name, 0) for name in PROJECTIONS},
            await (await ask(_TENANT, (tenant,))).fetchone(),
            {(row[0], row[1]): _meter(row) for row in found_meters},
            {row[0]: tuple(row[1:]) for row in holds},
            decisions,
            outcomes,
            refusals_counted,
            shard,
            shown,
            {name: await self._usage(name, tenant) for name in usage_rows.VIEWS if name in there},
        )


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[ReadSide]:
    """Connect as a role that may only read; raises PostgresDown."""
    try:
        connection = await AsyncConnection.connect(
            dsn, autocommit=True, connect_timeout=CONNECT_S, application_name="vito-audit"
        )
    except psycopg.OperationalError as problem:
        raise PostgresDown(reason(problem)) from problem
    try:
        yield ReadSide(connection)
    finally:
        await connection.close()


def reason(problem: psycopg.OperationalError) -> str:
    """Say why the database does not answer; its own words may hold its address."""
    return f"the database does not answer ({type(problem).__name__})"


def _has_tenant(view: str) -> bool:
    return view not in TABLES or TABLES[view].has_tenant


def _left(views: Iterable[str]) -> str:
    return " UNION ALL ".join(
        f"SELECT '{view}', count(*) FROM {view} WHERE tenant = %(tenant)s"  # noqa: S608 - constants
        for view in views
    )


def _meter(row: TupleRow) -> meters.Row:
    _, _, committed, held, limit, *rest = row
    # Sums are `numeric`; they are whole all the same.
    return meters.Row(int(committed), int(held), None if limit is None else int(limit), *rest)
