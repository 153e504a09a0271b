"""
How well, and how fast, a twin's knowledge is found.

How well: the seeded documents go the way of every source (read, cut, live, embedded), and each
question is asked by words alone, by vectors alone, and by both. A question counts as answered at
the rank of the first passage from the document that was written down to answer it; one that is like
it does not count. The weight of words against vectors was chosen on these questions.

How fast: questions of a twin with so many chunks, without the time to embed the question, beside
the bare vector query on the same table by the same role, and beside `SELECT 1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final

import msgspec

from services.bench.knowledge_base import AnyVector, KnowledgeBase, knowledge_base
from services.bench.knowledge_questions import QUESTIONS, Question
from services.bench.quantiles import Latency
from services.knowledge.chunk_rows import vector_text
from services.knowledge.chunking import content_of_reading
from services.knowledge.document import Content
from services.knowledge.embedders.offline import OfflineEmbedder
from services.knowledge.fetched import Fetched
from services.knowledge.reading.reader import Reader
from services.knowledge.retrieval import How
from services.twins.knowledge.catalogue import SEEDS

HOWS: Final[tuple[How, ...]] = ("words", "vectors", "hybrid")
PASSAGES: Final = 40
TOKENS: Final = 1_000_000
FIRST: Final = 5
SIZES: Final = (1_000, 100_000)
ASKED: Final = 100
WARM_UP: Final = 5
VOCABULARY: Final = 20_000
TENANT: Final = "big"
_BARE: Final = (
    "SELECT source, number FROM knowledge.live_vectors WHERE tenant = %s AND model = 1"
    " ORDER BY embedding <#> %s::halfvec LIMIT 6"
)


class Found(msgspec.Struct, frozen=True):
    """Shares of the questions, and the mean of 1 / rank (0 where the document was not found)."""

    recall_1: float
    recall_5: float
    mrr: float

    @classmethod
    def of(cls, ranks: Sequence[int | None]) -> Found:
        """Summarise ranks, from 1; None: not found."""
        found = [rank for rank in ranks if rank is not None]
        return cls(
            sum(rank == 1 for rank in found) / len(ranks),
            sum(rank <= FIRST for rank in found) / len(ranks),
            sum(1 / rank for rank in found) / len(ranks),
        )


class Timed(msgspec.Struct, frozen=True):
    """One twin with *chunks*: a whole retrieval, the bare vector query, and `SELECT 1`."""

    chunks: int
    retrieval: Latency
    bare_vectors: Latency
    select_1: Latency

    @property
    def ratio(self) -> float:
        """How many times as long as the bare vector query, at the median."""
        return self.retrieval.p50_ms / self.bare_vectors.p50_ms


class KnowledgeFigures(msgspec.Struct, frozen=True):
    """*crossing*: of the hybrid, questions in another language than the answer."""

    documents: int
    questions: int
    found: dict[str, Found]
    crossing: Found
    embedding: Latency
    timed: list[Timed]

    @property
    def hybrid_is_ahead(self) -> bool:
        """Whether the hybrid is ahead of both in all three figures."""
        ours = msgspec.structs.astuple(self.found["hybrid"])
        others = [msgspec.structs.astuple(self.found[how]) for how in ("words", "vectors")]
        return all(mine > max(theirs) for mine, *theirs in zip(ours, *others, strict=True))


async def measure(
    quality_dsn: str, *speed_dsns: str, sizes: Sequence[int] = SIZES
) -> KnowledgeFigures:
    """Measure in empty databases, one for each size and one more. Takes about two minutes."""
    ranks, embedding = await _quality(quality_dsn)
    timed = [await _speed(dsn, size) for dsn, size in zip(speed_dsns, sizes, strict=True)]
    crossing = [rank for one, rank in zip(QUESTIONS, ranks["hybrid"], strict=True) if one.crosses]
    return KnowledgeFigures(
        len(SEEDS),
        len(QUESTIONS),
        {how: Found.of(found) for how, found in ranks.items()},
        Found.of(crossing),
        embedding,
        timed,
    )


async def seeded() -> dict[tuple[str, str], Content]:
    """The contents of the seeded documents, read as every upload is."""
    reader = Reader()
    return {
        (seed.tenant, seed.source): content_of_reading(
            await reader.read(
                Fetched(body=seed.read(), media_type=seed.media_type, title=seed.title)
            )
        )
        for seed in SEEDS
    }


async def _quality(dsn: str) -> tuple[dict[str, list[int | None]], Latency]:
    embedder = OfflineEmbedder()
    try:
        async with knowledge_base(dsn, embedder) as base:
            await base.add(await seeded())
            ranks: dict[str, list[int | None]] = {
                how: [await _rank(base, one, how) for one in QUESTIONS] for how in HOWS
            }
        times_s = [await _embedded_s(embedder, one.text) for one in QUESTIONS]
        return ranks, Latency.of(times_s)
    finally:
        embedder.close()


async def _rank(base: KnowledgeBase, question: Question, how: How) -> int | None:
    passages = await base.retrieval.retrieve(
        question.tenant, question.text, limit=PASSAGES, token_budget=TOKENS, how=how
    )
    sources = list(dict.fromkeys(one.source for one in passages))
    return sources.index(question.source) + 1 if question.source in sources else None


async def _embedded_s(embedder: OfflineEmbedder, text: str) -> float:
    began_s = perf_counter()
    await embedder.embed([text])
    return perf_counter() - began_s


async def _speed(dsn: str, chunks: int) -> Timed:
    words = [f"palabra{number}" for number in range(VOCABULARY)]
    # Of each: two words that are everywhere, one of some chunks, one of few, one of none.
    questions = [
        f"{words[n % 5]} {words[9]} {words[50 + n]} {words[5_000 + n]} x" for n in range(ASKED)
    ]
    async with knowledge_base(dsn, AnyVector()) as base:
        await base.add_synthetic(TENANT, chunks, words)
        ours: list[float] = []
        bare: list[float] = []
        nothing: list[float] = []
        for number, question in enumerate(questions * 2):
            times_s = (
                await _retrieved_s(base, question),
                await _bare_s(base, question),
                await _nothing_s(base),
            )
            if number >= WARM_UP:
                for kept, time_s in zip((ours, bare, nothing), times_s, strict=True):
                    kept.append(time_s)
    return Timed(chunks, Latency.of(ours), Latency.of(bare), Latency.of(nothing))


async def _retrieved_s(base: KnowledgeBase, question: str) -> float:
    began_s = perf_counter()
    found = await base.retrieval.retrieve(TENANT, question)
    took_s = perf_counter() - began_s
    assert found, "a question with words of the chunks finds some"
    return took_s


async def _bare_s(base: KnowledgeBase, question: str) -> float:
    (vector,) = await AnyVector().embed([question])
    text = vector_text(vector)
    async with base.pool.connection() as connection, connection.transaction():
        await connection.execute("SELECT set_config('vito.tenant', %s, true)", (TENANT,))
        began_s = perf_counter()
        await (await connection.execute(_BARE, (TENANT, text))).fetchall()
        return perf_counter() - began_s


async def _nothing_s(base: KnowledgeBase) -> float:
    async with base.pool.connection() as connection:
        began_s = perf_counter()
        await (await connection.execute("SELECT 1")).fetchall()
        return perf_counter() - began_s
