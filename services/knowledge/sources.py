"""
What the tables say of sources: which wait for an ingestion, and what became of one.

Asked as the reader (`vito_api`), who sees the public views.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from contracts.knowledge import IngestionStep, SourceKind, Stage

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Any]]

WAITING_MAX: Final = 200
_COLUMNS: Final = (
    "tenant, source, kind, title, location, stage, upload, step, kept, draft_hash, approved_hash,"
    " coalesce(draft_summary, approved_summary, '') AS summary"
)
_WAITING: Final = (
    f"SELECT {_COLUMNS} FROM twin_knowledge_sources"  # noqa: S608 - a literal of ours
    " WHERE stage IN ('pending', 'ingesting') ORDER BY changed_at, tenant, source LIMIT %s"
)
_ONE: Final = (
    f"SELECT {_COLUMNS} FROM twin_knowledge_sources"  # noqa: S608 - likewise
    " WHERE tenant = %s AND source = %s"
)
_POSITION: Final = "SELECT position FROM tenants WHERE tenant = %s"
_ALSO: Final = (
    "SELECT chunk_hash, source FROM knowledge.live_chunks"
    " WHERE tenant = %s AND source <> %s AND chunk_hash = ANY(%s) ORDER BY source"
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """
    A source as the tables have it.

    *step* is how far an ingestion is and *kept* the hash of what it has: who takes it up goes on.
    """

    tenant: str
    source: str
    kind: SourceKind
    title: str
    location: str
    stage: Stage
    upload: str | None
    step: IngestionStep | None
    kept: str | None
    draft_hash: str | None
    approved_hash: str | None
    summary: str


async def waiting(pool: Pool) -> list[Source]:
    """Sources of all twins that are to be ingested, those that wait longest first."""
    async with pool.connection() as connection, connection.cursor(row_factory=_row) as cursor:
        await cursor.execute(_WAITING, (WAITING_MAX,))
        return await cursor.fetchall()


async def one(pool: Pool, tenant: str, source: str) -> Source | None:
    """Return a source; None if the twin has none of this id."""
    async with pool.connection() as connection, connection.cursor(row_factory=_row) as cursor:
        await cursor.execute(_ONE, (tenant, source))
        return await cursor.fetchone()


async def position(pool: Pool, tenant: str) -> int:
    """Return the position of the twin's log that the tables reflect; 0 if they know none."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_POSITION, (tenant,))
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def also_in(
    pool: Pool, tenant: str, source: str, chunk_hashes: list[str]
) -> dict[str, list[str]]:
    """Which other sources of the twin say the same in approved content, by hash of the chunk."""
    found: dict[str, list[str]] = {}
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('vito.tenant', %s, true)", (tenant,))
        cursor = await connection.execute(_ALSO, (tenant, source, chunk_hashes))
        for chunk_hash, other in await cursor.fetchall():
            found.setdefault(chunk_hash, []).append(other)
    return found


_row = class_row(Source)
