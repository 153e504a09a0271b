"""
Live: the chunks that twins may say they know, written by the index and by nobody else.

Everything here runs in the transaction in which the index moves its position, as its role.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from services.knowledge.approvals import Approved
from services.knowledge.chunk_rows import ChunkRow

# COPY is not for tables with row-level security.
_ADD: Final = (
    "INSERT INTO knowledge.live_chunks (tenant, source, content_hash, decision,"
    "  number, title, language, text, chunk_hash, place, headings)"
    " SELECT %s, %s, %s, %s, c.* FROM json_to_recordset(%s::json) AS c(number integer, title text,"
    "  language text, text text, chunk_hash text, place jsonb, headings text)"
)
# What was embedded for the review is what was approved; the others are embedded later.
_TAKE_VECTORS: Final = (
    "INSERT INTO knowledge.live_vectors (tenant, model, source, number, content_hash, embedding)"
    " SELECT d.tenant, d.model, d.source, d.number, d.content_hash, d.embedding"
    " FROM knowledge.draft_chunks d JOIN knowledge.live_chunks c"
    "  USING (tenant, source, number, content_hash)"
    " WHERE d.tenant = %s AND d.source = %s AND d.content_hash = %s"
    "  AND d.embedding IS NOT NULL AND d.model IS NOT NULL AND d.headings = c.headings"
    "  AND d.text = c.text"
)
_ERASED: Final = ("draft_chunks", "live_chunks", "live_sources")


async def make_live(
    connection: AsyncConnection[Any], approved: Approved, rows: Sequence[ChunkRow]
) -> None:
    """Let a source's approved content take the place of what was live of it before."""
    await _replace(connection, approved, None)
    keys = (approved.tenant, approved.source)
    about = (approved.content_hash, approved.decision)
    spelled = msgspec.json.encode(rows).decode()
    await connection.execute(_ADD, (*keys, *about, spelled))
    await connection.execute(_TAKE_VECTORS, (*keys, approved.content_hash))


async def note_problem(connection: AsyncConnection[Any], approved: Approved, problem: str) -> None:
    """Take a source out of what is live, because its approved content cannot be had."""
    await _replace(connection, approved, problem)


async def remove(connection: AsyncConnection[Any], tenant: str, source: str) -> None:
    """Take everything of a source out of what is live. Vectors go with their chunks."""
    for table in ("live_chunks", "live_sources"):
        await connection.execute(
            f"DELETE FROM knowledge.{table} WHERE tenant = %s AND source = %s",  # noqa: S608
            (tenant, source),
        )


async def erase(connection: AsyncConnection[Any], tenant: str) -> None:
    """Forget everything of a twin, drafts too."""
    for table in _ERASED:
        await connection.execute(
            f"DELETE FROM knowledge.{table} WHERE tenant = %s",  # noqa: S608
            (tenant,),
        )


async def _replace(
    connection: AsyncConnection[Any], approved: Approved, problem: str | None
) -> None:
    await remove(connection, approved.tenant, approved.source)
    await connection.execute(
        "INSERT INTO knowledge.live_sources"
        " (tenant, source, content_hash, chunks, decision, problem) VALUES (%s,%s,%s,%s,%s,%s)",
        (
            *(approved.tenant, approved.source, approved.content_hash),
            *(approved.chunks, approved.decision, problem),
        ),
    )
