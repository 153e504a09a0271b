"""
The proof that nothing is live that nobody approved: one query, and it must find nothing.

It joins every live chunk and every vector with the approvals that the projection shows, by twin,
source, hash and the number of the decision. That these are the log's is what `vito verify` proves;
that the chunks are those of the content with this hash is what `reindex` compares.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

QUERY: Final = """
SELECT live.tenant, live.source, live.content_hash, live.decision, live.chunks
FROM (
    SELECT tenant, source, content_hash, decision, count(*) AS chunks
    FROM knowledge.live_chunks GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT v.tenant, v.source, v.content_hash, NULL, count(*)
    FROM knowledge.live_vectors v WHERE NOT EXISTS (
        SELECT FROM knowledge.live_chunks c WHERE c.tenant = v.tenant AND c.source = v.source
            AND c.number = v.number AND c.content_hash = v.content_hash)
    GROUP BY 1, 2, 3
) live
WHERE NOT EXISTS (
    SELECT FROM public.twin_knowledge_reviews r
    WHERE r.tenant = live.tenant AND r.source = live.source
        AND r.content_hash = live.content_hash AND r.outcome = 'approved'
        AND r.decision = live.decision)
ORDER BY 1, 2, 3
"""
_LOOKED_AT: Final = (
    "SELECT count(*), count(DISTINCT (tenant, source)), count(DISTINCT tenant)"
    " FROM knowledge.live_chunks"
)


class Unapproved(msgspec.Struct, frozen=True):
    """Live chunks without an approval. *decision* null: vectors without their chunk."""

    tenant: str
    source: str
    content_hash: str
    decision: int | None
    chunks: int


class Proof(msgspec.Struct, frozen=True):
    """What was looked at, and what should not be there."""

    chunks: int
    sources: int
    tenants: int
    unapproved: list[Unapproved]


async def prove(connection: AsyncConnection[Any]) -> Proof:
    """
    Look at every live chunk of every twin, in one snapshot. psycopg.Error.

    *connection* is the indexing role's: readers see one twin at a time, and would prove nothing. An
    index that is ahead of the projection shows approvals that are not projected yet: ask again.
    """
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        looked = await (await connection.execute(_LOOKED_AT)).fetchone()
        assert looked is not None, "an aggregate always has a row"
        found = await (await connection.execute(QUERY)).fetchall()
    chunks, sources, tenants = looked
    return Proof(chunks, sources, tenants, [Unapproved(*row) for row in found])
