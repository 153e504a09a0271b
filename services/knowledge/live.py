"""
Live: the chunks that twins may say they know, written by the index and by nobody else.

Everything here runs in the transaction in which the index moves its position, as its role.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from services.knowledge.chunk_rows import ChunkRow

_COPY_CHUNKS: Final = (
    "COPY knowledge.live_chunks (tenant, source, number, content_hash, decision, title, language,"
    " text, chunk_hash, place, headings) FROM STDIN"
)
_COPY_VECTORS: Final = (
    "COPY knowledge.live_vectors (tenant, model, source, number, content_hash, embedding)"
    " FROM STDIN"
)
_ERASE: Final = ("draft_chunks", "live_chunks", "live_sources")


class Approved(msgspec.Struct, frozen=True):
    """What the log says of a source: *content_hash* was approved by decision *decision*."""

    tenant: str
    source: str
    content_hash: str
    chunks: int
    decision: int


async def make_live(
    connection: AsyncConnection[Any],
    approved: Approved,
    rows: Sequence[ChunkRow],
    vectors: Mapping[int, Sequence[str]],
    *,
    problem: str | None = None,
) -> None:
    """
    Let a source's approved content take the place of what was live of it before.

    *vectors* by number of model, one for each row. With a *problem* nothing of it is live.
    """
    tenant, source = approved.tenant, approved.source
    await remove(connection, tenant, source)
    await connection.execute(
        "INSERT INTO knowledge.live_sources"
        " (tenant, source, content_hash, chunks, decision, problem) VALUES (%s,%s,%s,%s,%s,%s)",
        (tenant, source, approved.content_hash, approved.chunks, approved.decision, problem),
    )
    if problem is not None:
        return
    about = (approved.content_hash, approved.decision)
    async with connection.cursor() as cursor, cursor.copy(_COPY_CHUNKS) as copy:
        for row in rows:
            told = (row.title, row.language, row.text, row.chunk_hash, row.place, row.headings)
            await copy.write_row((tenant, source, row.number, *about, *told))
    for model, spelled in vectors.items():
        keys = [(row.number, approved.content_hash) for row in rows]
        await add_vectors(connection, tenant, source, model, keys, spelled)


async def add_vectors(
    connection: AsyncConnection[Any],
    tenant: str,
    source: str,
    model: int,
    keys: Sequence[tuple[int, str]],
    vectors: Sequence[str],
) -> None:
    """Add vectors of live chunks, whose numbers and content hashes are *keys*."""
    async with connection.cursor() as cursor, cursor.copy(_COPY_VECTORS) as copy:
        for (number, content_hash), vector in zip(keys, vectors, strict=True):
            await copy.write_row((tenant, model, source, number, content_hash, vector))


async def remove(connection: AsyncConnection[Any], tenant: str, source: str) -> None:
    """Take everything of a source out of what is live."""
    for table in ("live_chunks", "live_sources"):
        await connection.execute(
            f"DELETE FROM knowledge.{table} WHERE tenant = %s AND source = %s",  # noqa: S608
            (tenant, source),
        )


async def erase(connection: AsyncConnection[Any], tenant: str) -> None:
    """Forget everything of a twin, drafts too. Vectors go with their chunks."""
    for table in _ERASE:
        await connection.execute(
            f"DELETE FROM knowledge.{table} WHERE tenant = %s",  # noqa: S608
            (tenant,),
        )
