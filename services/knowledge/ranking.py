"""
The statements of retrieval: which chunks are candidates, and what speaks for each.

The same for live chunks and for drafts, over different tables. A question costs about the same
however much a twin knows: a word that is in most chunks tells nothing apart, so the rarest words
are looked up, as many as are in a quarter of the chunks together, and at most CANDIDATES_MAX.
"""

from __future__ import annotations

from math import log
from typing import Any, Final

from psycopg import AsyncConnection

# So many chunks are ranked by their words, or a quarter of all, and so many of each kind are fused.
CANDIDATES_MIN: Final = 400
CANDIDATES_MAX: Final = 2_000
FUSED: Final = 60
# Of so many nearest chunks those that are approved are taken, which spares asking it of each chunk
# (half of the time, at 100,000). Where too few are, as behind a narrow pin, each one is asked.
REACH: Final = 4 * FUSED

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
WITH asked AS MATERIALIZED (
    SELECT lexeme, bool_or(is_es) AS is_es, bool_or(NOT is_es) AS is_en
    FROM (
        SELECT unnest(tsvector_to_array(to_tsvector('knowledge.es', %(question)s))), true
        UNION ALL
        SELECT unnest(tsvector_to_array(to_tsvector('knowledge.en', %(question)s))), false
    ) either(lexeme, is_es) GROUP BY lexeme
), counted AS ({counted})
SELECT lexeme, is_es, is_en, chunks, {total} AS total
FROM asked JOIN counted USING (lexeme) ORDER BY chunks, lexeme
"""
_LIVE_COUNTED: Final = """
    SELECT lexeme, chunks
    FROM knowledge.live_counts((SELECT array_agg(lexeme) FROM asked), %(most)s)
"""
_DRAFT_COUNTED: Final = """
    SELECT lexeme, (SELECT count(*) FROM knowledge.draft_chunks c
        WHERE c.tenant = %(tenant)s AND c.source = %(source)s
            AND c.content_hash = ANY(%(pinned)s::text[])
            AND c.words @@ knowledge.term_of(lexeme)) AS chunks
    FROM asked
"""

_CANDIDATES: Final = """
WITH approved AS MATERIALIZED ({approved}),
terms AS MATERIALIZED (
    SELECT knowledge.term_of(lexeme) AS term, idf
    FROM unnest(%(lexemes)s::text[], %(idfs)s::float8[]) AS given(lexeme, idf)
), nearest AS MATERIALIZED (
    SELECT v.source, v.number, v.content_hash, v.embedding <#> %(vector)s::halfvec AS distance
    FROM {vectors} v
    WHERE v.tenant = %(tenant)s AND v.model = (
        SELECT model FROM knowledge.models WHERE state = 'serving')
    ORDER BY v.embedding <#> %(vector)s::halfvec LIMIT %(reach)s
), quick AS MATERIALIZED (
    SELECT source, number FROM nearest JOIN approved USING (source, content_hash)
    ORDER BY distance LIMIT %(near)s
), near AS (
    SELECT source, number FROM quick
    UNION ALL
    SELECT source, number FROM (
        SELECT v.source, v.number FROM {vectors} v JOIN approved USING (source, content_hash)
        WHERE v.tenant = %(tenant)s AND v.model = (
            SELECT model FROM knowledge.models WHERE state = 'serving')
        ORDER BY v.embedding <#> %(vector)s::halfvec LIMIT %(near)s
    ) AS exact
    WHERE (SELECT count(*) FROM quick) < %(near)s
        AND (SELECT count(*) FROM nearest) = %(reach)s
), said AS ({said})
SELECT c.source, c.number, c.content_hash, c.title, c.text, c.chunk_hash, c.language, c.place,
    coalesce(-(v.embedding <#> %(vector)s::halfvec), 0)::float8,
    least(1, coalesce((SELECT sum(idf * ts_rank(%(weights)s::float4[], c.words, term)) FROM terms)
        / nullif(%(idf)s::float8, 0), 0))::float8
FROM (SELECT * FROM near UNION SELECT * FROM said) AS both_ways
JOIN approved USING (source)
JOIN {chunks} c USING (source, number, content_hash)
LEFT JOIN {vectors} v ON v.tenant = c.tenant AND v.source = c.source AND v.number = c.number
    AND v.content_hash = c.content_hash
    AND v.model = (SELECT model FROM knowledge.models WHERE state = 'serving')
WHERE c.tenant = %(tenant)s
"""
_LIVE_SAID: Final = """
    SELECT source, number FROM knowledge.live_said(%(either)s::tsquery, %(lexemes)s::text[],
        %(idfs)s::float8[], %(weights)s::float4[], (SELECT array_agg(source) FROM approved),
        (SELECT array_agg(content_hash) FROM approved), %(said)s)
"""
_DRAFT_SAID: Final = """
    SELECT c.source, c.number FROM knowledge.draft_chunks c
    JOIN approved USING (source, content_hash)
    WHERE c.tenant = %(tenant)s AND c.words @@ %(either)s::tsquery
    ORDER BY (SELECT sum(idf * ts_rank(%(weights)s::float4[], c.words, term)) FROM terms) DESC
    LIMIT %(said)s
"""
# Of a word in the text and in the headings (labels D and B). ts_rank sums 1/n² over a word's
# places and divides by pi²/6: it saturates with how often the word is there.
_WEIGHTS: Final = [0.6, 0.6, 1.0, 1.0]


class Terms:
    """Words that are looked up, with the idf of each."""

    def __init__(self) -> None:
        self.lexemes: list[str] = []
        self.idfs: list[float] = []
        self._es = self._en = 0.0

    def add(self, lexeme: str, weight: float, *, is_es: bool, is_en: bool) -> None:
        """Take one more, which the stems of one or of both languages have."""
        self.lexemes.append(lexeme)
        self.idfs.append(weight)
        self._es += weight * is_es
        self._en += weight * is_en

    @property
    def all_idf(self) -> float:
        """
        What a chunk with every word of the question would have.

        In the language that leaves the least: the other one takes its stop words for rare words.
        """
        return min(self._es, self._en) or self._es or self._en


class Tables:
    """Where to look, as SQL of our own."""

    def __init__(self, **parts: str) -> None:
        self._terms, self._candidates = _TERMS, _CANDIDATES
        for name, text in parts.items():
            self._terms = self._terms.replace(f"{{{name}}}", text)
            self._candidates = self._candidates.replace(f"{{{name}}}", text)

    async def terms(self, connection: AsyncConnection[Any], values: dict[str, Any]) -> Terms:
        """The question's words that are looked up; the rarest first."""
        cursor = await connection.execute(
            self._terms.encode(), {**values, "most": CANDIDATES_MAX + 1}
        )
        terms = Terms()
        left = 0
        for lexeme, is_es, is_en, chunks, total in await cursor.fetchall():
            if not terms.lexemes:
                left = min(CANDIDATES_MAX, max(CANDIDATES_MIN, total // 4))
            left -= chunks
            if left < 0 and terms.lexemes:
                break
            terms.add(lexeme, idf(chunks, total), is_es=is_es, is_en=is_en)
        return terms

    async def candidates(
        self,
        connection: AsyncConnection[Any],
        values: dict[str, Any],
        terms: Terms,
    ) -> list[tuple[Any, ...]]:
        """Every chunk that vectors or words speak for, in no order; see `retrieval.Found`."""
        cursor = await connection.execute(
            self._candidates.encode(),
            {
                **values,
                "lexemes": terms.lexemes,
                "idfs": terms.idfs,
                "idf": terms.all_idf,
                "either": " | ".join(map(_quoted, terms.lexemes)),
                "weights": _WEIGHTS,
                "near": FUSED if values["vector"] is not None else 0,
                "reach": REACH if values["vector"] is not None else 0,
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
    counted=_LIVE_COUNTED,
    said=_LIVE_SAID,
    total="(SELECT coalesce(sum(chunks), 0)::bigint FROM knowledge.live_sources"
    " WHERE tenant = %(tenant)s AND problem IS NULL)",
)
DRAFT: Final = Tables(
    chunks="knowledge.draft_chunks",
    vectors="knowledge.draft_chunks",
    approved=_ONE_DRAFT,
    counted=_DRAFT_COUNTED,
    said=_DRAFT_SAID,
    total="(SELECT count(*) FROM knowledge.draft_chunks"
    " WHERE tenant = %(tenant)s AND source = %(source)s)",
)
