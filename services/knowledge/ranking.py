"""
The statements of retrieval: which chunks are candidates, and what speaks for each.

The same for live chunks and for drafts, over different tables. A question costs about the same
however much a twin knows: a word that is in most chunks tells nothing apart, so the rarest words
are looked up, as many as are in CANDIDATES_MAX chunks together.
"""

from __future__ import annotations

from math import log
from typing import Any, Final

from psycopg import AsyncConnection

# So many chunks are ranked by their words, and so many of each kind are fused.
CANDIDATES_MAX: Final = 4_000
FUSED: Final = 60

_APPROVED: Final = """
    SELECT source, approved_hash AS content_hash FROM public.twin_knowledge_sources
    WHERE tenant = %(tenant)s AND approved_hash IS NOT NULL AND stage <> 'retired'
        AND (%(pinned)s::text[] IS NULL OR approved_hash = ANY(%(pinned)s::text[]))
"""
_ONE_DRAFT: Final = """
    SELECT %(source)s::text AS source, hash AS content_hash
    FROM unnest(%(pinned)s::text[]) AS hash
"""

# Both languages, for a question may be in either, and names are stemmed by both.
_TERMS: Final = """
WITH asked AS (
    SELECT DISTINCT lexeme FROM unnest(tsvector_to_array(
        to_tsvector('knowledge.es', %(question)s) || to_tsvector('knowledge.en', %(question)s)))
        AS lexeme
), counted AS (
    SELECT lexeme, (SELECT count(*) FROM (
        SELECT FROM {chunks} c
        WHERE c.tenant = %(tenant)s AND c.words @@ knowledge.term_of(lexeme)
        LIMIT %(most)s) found) AS chunks
    FROM asked
)
SELECT lexeme, chunks, {total} AS total FROM counted ORDER BY chunks, lexeme
"""

_CANDIDATES: Final = """
WITH approved AS MATERIALIZED ({approved}),
terms AS MATERIALIZED (
    SELECT knowledge.term_of(lexeme) AS term, idf
    FROM unnest(%(lexemes)s::text[], %(idfs)s::float8[]) AS given(lexeme, idf)
), near AS (
    SELECT v.source, v.number FROM {vectors} v JOIN approved USING (source, content_hash)
    WHERE v.tenant = %(tenant)s AND v.model = (
        SELECT model FROM knowledge.models WHERE state = 'serving')
    ORDER BY v.embedding <#> %(vector)s::halfvec LIMIT %(near)s
), said AS (
    SELECT c.source, c.number FROM {chunks} c JOIN approved USING (source, content_hash)
    WHERE c.tenant = %(tenant)s AND c.words @@ %(either)s::tsquery
    ORDER BY (
        SELECT sum(idf * ts_rank(%(weights)s::float4[], c.words, term)) FROM terms) DESC
    LIMIT %(said)s
)
SELECT c.source, c.number, c.content_hash, c.title, c.text, c.chunk_hash, c.language, c.place,
    coalesce(-(v.embedding <#> %(vector)s::halfvec), 0)::float8,
    coalesce((SELECT sum(idf * ts_rank(%(weights)s::float4[], c.words, term)) FROM terms)
        / nullif(%(idf)s::float8, 0), 0)::float8
FROM (SELECT * FROM near UNION SELECT * FROM said) AS both_ways
JOIN approved USING (source)
JOIN {chunks} c USING (source, number, content_hash)
LEFT JOIN {vectors} v ON v.tenant = c.tenant AND v.source = c.source AND v.number = c.number
    AND v.content_hash = c.content_hash
    AND v.model = (SELECT model FROM knowledge.models WHERE state = 'serving')
WHERE c.tenant = %(tenant)s
"""
# Of a word in the text and in the headings (labels D and B). ts_rank sums 1/n² over a word's
# places and divides by pi²/6: it saturates with how often the word is there.
_WEIGHTS: Final = [0.6, 0.6, 1.0, 1.0]


class Tables:
    """Where to look, as SQL of our own."""

    def __init__(self, *, chunks: str, vectors: str, approved: str, total: str) -> None:
        names = {"{chunks}": chunks, "{vectors}": vectors, "{approved}": approved, "{total}": total}
        self._terms, self._candidates = _TERMS, _CANDIDATES
        for name, text in names.items():
            self._terms = self._terms.replace(name, text)
            self._candidates = self._candidates.replace(name, text)

    async def terms(
        self, connection: AsyncConnection[Any], values: dict[str, Any]
    ) -> list[tuple[str, float]]:
        """The question's words that are looked up, each with its idf; the rarest first."""
        cursor = await connection.execute(
            self._terms.encode(), {**values, "most": CANDIDATES_MAX + 1}
        )
        kept: list[tuple[str, float]] = []
        left = CANDIDATES_MAX
        for lexeme, chunks, total in await cursor.fetchall():
            left -= chunks
            if left < 0 and kept:
                break
            kept.append((lexeme, idf(chunks, total)))
        return kept

    async def candidates(
        self,
        connection: AsyncConnection[Any],
        values: dict[str, Any],
        terms: list[tuple[str, float]],
    ) -> list[tuple[Any, ...]]:
        """Every chunk that vectors or words speak for, in no order; see `retrieval.Found`."""
        cursor = await connection.execute(
            self._candidates.encode(),
            {
                **values,
                "lexemes": [lexeme for lexeme, _ in terms],
                "idfs": [weight for _, weight in terms],
                "idf": sum(weight for _, weight in terms),
                "either": " | ".join(_quoted(lexeme) for lexeme, _ in terms),
                "weights": _WEIGHTS,
                "near": FUSED if values["vector"] is not None else 0,
                "said": FUSED,
            },
        )
        return await cursor.fetchall()


def idf(chunks: int, total: int) -> float:
    """How much a word tells that is in *chunks* of *total* (Robertson and Sparck Jones)."""
    return log(1 + (max(total, chunks) - chunks + 0.5) / (chunks + 0.5))


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


LIVE: Final = Tables(
    chunks="knowledge.live_chunks",
    vectors="knowledge.live_vectors",
    approved=_APPROVED,
    total="(SELECT coalesce(sum(chunks), 0)::bigint FROM knowledge.live_sources"
    " WHERE tenant = %(tenant)s AND problem IS NULL)",
)
DRAFT: Final = Tables(
    chunks="knowledge.draft_chunks",
    vectors="knowledge.draft_chunks",
    approved=_ONE_DRAFT,
    total="(SELECT count(*) FROM knowledge.draft_chunks"
    " WHERE tenant = %(tenant)s AND source = %(source)s)",
)
