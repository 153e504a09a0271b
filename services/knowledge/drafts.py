"""
Drafts: chunks and vectors of content that nobody has approved, for who reviews it.

Retrieval cannot read them: they are in a table of their own, and its role has no right to it. The
index drops a draft when something was decided about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import AsyncConnection

from services.knowledge.chunk_rows import rows_of, vector_text
from services.knowledge.document import Content
from services.knowledge.embedding import Embedders
from services.knowledge.models import KnownModel, ensure, known

_COPY: Final = (
    "COPY knowledge.draft_chunks (tenant, source, content_hash, number, title, language, text,"
    " chunk_hash, place, headings, model, embedding) FROM STDIN"
)


async def put_draft(
    connection: AsyncConnection[Any],
    tenant: str,
    source: str,
    content: Content,
    embedders: Embedders,
) -> None:
    """
    Index a draft, so that a review can ask what would be found in it. Again is harmless.

    *connection* is the indexing role's, in autocommit mode. Raises IngestionProblem.
    """
    async with connection.transaction():
        models = await ensure(connection, embedders.wanted)
    rows = rows_of(content)
    model = models[0]
    embedder = embedders.of(model.what, tenant)
    vectors = await embedder.embed([row.embedded for row in rows]) if embedder else []
    async with connection.transaction():
        await drop_drafts(connection, tenant, source, content_hash=content.hash)
        # A model that was given up meanwhile has no row to name.
        usable = vectors if model in await known(connection) else []
        await _copy(connection, tenant, source, content, model, usable)


async def drop_drafts(
    connection: AsyncConnection[Any],
    tenant: str,
    source: str,
    *,
    content_hash: str | None = None,
    but: str = "",
) -> None:
    """Forget the drafts of a source: the one with *content_hash*, or all but one."""
    await connection.execute(
        "DELETE FROM knowledge.draft_chunks WHERE tenant = %s AND source = %s"
        " AND (%s::text IS NULL OR content_hash = %s) AND content_hash <> %s",
        (tenant, source, content_hash, content_hash, but),
    )


async def draft_vectors(
    connection: AsyncConnection[Any], tenant: str, source: str, content_hash: str, model: KnownModel
) -> list[str] | None:
    """
    Return the vectors of a draft by chunk, as PostgreSQL spells them.

    None when one of them is missing or of another model.
    """
    cursor = await connection.execute(
        "SELECT embedding::text FROM knowledge.draft_chunks"
        " WHERE tenant = %s AND source = %s AND content_hash = %s AND model = %s ORDER BY number",
        (tenant, source, content_hash, model.number),
    )
    found = [row[0] for row in await cursor.fetchall()]
    return found if found and None not in found else None


async def _copy(
    connection: AsyncConnection[Any],
    tenant: str,
    source: str,
    content: Content,
    model: KnownModel,
    vectors: Sequence[Sequence[float]],
) -> None:
    content_hash = content.hash
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for at, row in enumerate(rows_of(content)):
            embedded = (model.number, vector_text(vectors[at])) if vectors else (None, None)
            await copy.write_row(
                (
                    *(tenant, source, content_hash, row.number, row.title, row.language, row.text),
                    *(row.chunk_hash, row.place, row.headings, *embedded),
                )
            )
