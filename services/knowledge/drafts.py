"""
Drafts: chunks and vectors of content that nobody has approved, for who reviews it.

Retrieval cannot read them: they are in a table of their own, and its role has no right to it. The
index drops a draft when something was decided about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from services import logs
from services.knowledge.chunk_rows import rows_of, vector_text
from services.knowledge.document import Content
from services.knowledge.embedding import Embedder, Embedders, embed
from services.knowledge.models import KnownModel, ensure, known
from services.knowledge.problem import IngestionProblem

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
) -> bool:
    """
    Index a draft, so that a review can ask what would be found in it. Again is harmless.

    False: it could not be embedded, so it is found by words only. *connection* is the indexing
    role's, in autocommit mode.
    """
    async with connection.transaction():
        models = await ensure(connection, embedders.wanted)
    model = models[0]
    vectors = await _vectors(embedders.of(model.what, tenant), tenant, content)
    async with connection.transaction():
        await drop_drafts(connection, tenant, source, content_hash=content.hash)
        # A model that was given up meanwhile has no row to name.
        usable = vectors if model in await known(connection) else []
        await _copy(connection, tenant, source, content, model, usable)
    return bool(usable)


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


async def _vectors(embedder: Embedder | None, tenant: str, content: Content) -> list[list[float]]:
    if embedder is None:
        return []
    try:
        return await embed(embedder, [row.embedded for row in rows_of(content)])
    except IngestionProblem as problem:
        # Whoever reviews reads the text; vectors are made when it is live, if they can be.
        logs.get().warning("draft_not_embedded", tenant=tenant, code=problem.code)
        return []


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
            place = msgspec.json.encode(row.place).decode()
            await copy.write_row(
                (
                    *(tenant, source, content_hash, row.number, row.title, row.language, row.text),
                    *(row.chunk_hash, place, row.headings, *embedded),
                )
            )
