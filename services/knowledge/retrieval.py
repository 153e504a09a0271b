"""
Retrieval: what of a twin's approved knowledge has to do with a question.

    words     the question's words, Spanish and English stems, rare ones counting for more
    vectors   what means about the same, also in the other language
    hybrid    both, fused: score = closeness + LEXICAL_WEIGHT * relevance

*closeness* is the cosine of question and chunk; *relevance* is which share of the question's words
the chunk has, each weighted by its rarity (idf) and by how often it is there (saturating):

    relevance = sum(idf(w) * tf(w)) / sum(idf(w)),   idf(w) = ln(1 + (n - df + 0.5) / (df + 0.5))

Both are between 0 and 1 and mean the same for every question, so they can be added. Ranks cannot:
reciprocal ranks make a chance hit of a common word worth as much as the best vector, and a chunk
that has no word of the question gets nothing from words, instead of a place among equals.

Three walls keep what is not approved out, each of which would do: only live chunks are in the
tables that this role may read; only the hash that the projection shows as approved is joined (so a
retired source is gone when the projector has it, whether or not the index does); and the database
shows a reader one twin at a time (row-level security), whatever the query asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from services import logs
from services.knowledge.chunk_rows import place_of, vector_text
from services.knowledge.document import Place
from services.knowledge.embedding import Embedders, EmbeddingModel, embed
from services.knowledge.problem import IngestionProblem
from services.knowledge.ranking import DRAFT, LIVE, Tables, Terms
from services.vendors.chat.tokens import about_tokens

How: TypeAlias = Literal["words", "vectors", "hybrid"]
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Any]]

LIMIT: Final = 6
TOKEN_BUDGET: Final = 1_500
QUESTION_CHARACTERS_MAX: Final = 2_000
# Found on the questions of `services.bench.knowledge_questions`, which so flatter it a little.
# From 1 to 2 the results differ by one question either way, for both twins and each alone; the
# lower half is better where question and document are in different languages. Round, not tuned.
LEXICAL_WEIGHT: Final = 1.25
# A chunk that scores less has nothing to do with the question: greetings find nothing, and the best
# chunk of two questions of the hundred is near it.
SCORE_MIN: Final = 0.05
_MODEL: Final = "SELECT name, version, dimensions FROM knowledge.models WHERE state = 'serving'"
# The model that serves may change between embedding a question and asking with it.
_ATTEMPTS_MAX: Final = 3


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """
    A chunk that has to do with a question, with what it takes to cite it.

    *chunk* is its number in the content *content_hash*. *score* is comparable within one answer and
    roughly between answers; the parts it is made of are *closeness* and *relevance*.
    """

    source: str
    title: str
    text: str
    first: Place
    last: Place
    content_hash: str
    chunk: int
    chunk_hash: str
    language: str
    score: float
    closeness: float
    relevance: float


class Retrieval:
    """Looks up. *pool* connects as the reader (`vito_api`), in autocommit mode."""

    def __init__(self, pool: Pool, embedders: Embedders) -> None:
        self._live = _Asking(pool, embedders, LIVE)

    async def retrieve(
        self,
        tenant: str,
        question: str,
        *,
        limit: int = LIMIT,
        token_budget: int = TOKEN_BUDGET,
        pinned: Collection[str] | None = None,
        how: How = "hybrid",
    ) -> list[Passage]:
        """
        Return the passages with the best scores, best first; at most *token_budget* tokens of text.

        *pinned*: only contents with these hashes, of those approved now. When the question cannot
        be embedded, because the twin's money or the vendor says no, words alone decide. Raises
        psycopg.Error.
        """
        asked = _Asked(tenant, question[:QUESTION_CHARACTERS_MAX], pinned)
        found, by = await self._live.ask(asked, how)
        return chosen(found, limit=limit, token_budget=token_budget, how=by)


async def preview(
    pool: Pool,
    embedders: Embedders,
    tenant: str,
    source: str,
    content_hash: str,
    question: str,
    *,
    limit: int = LIMIT,
) -> list[Passage]:
    """
    What would be found in a draft, were it all that the twin knows; for who reviews it.

    *pool* connects as the indexing role: no reader may see drafts.
    """
    asked = _Asked(tenant, question[:QUESTION_CHARACTERS_MAX], [content_hash], source)
    found, by = await _Asking(pool, embedders, DRAFT).ask(asked, "hybrid")
    return chosen(found, limit=limit, token_budget=TOKEN_BUDGET, how=by)


class _Asked(msgspec.Struct, frozen=True):
    tenant: str
    question: str
    pinned: Collection[str] | None
    source: str = ""


class Found(msgspec.Struct, frozen=True):
    """A candidate as the database ranks it."""

    source: str
    chunk: int
    content_hash: str
    title: str
    text: str
    chunk_hash: str
    language: str
    place: Any
    closeness: float
    relevance: float


class _Asking:
    """Asks the tables of one kind, and remembers which model served last."""

    def __init__(self, pool: Pool, embedders: Embedders, tables: Tables) -> None:
        self._pool = pool
        self._embedders = embedders
        self._tables = tables
        self._model: EmbeddingModel | None = None

    async def ask(self, asked: _Asked, how: How) -> tuple[list[Found], How]:
        """
        Rank within one snapshot, comparing with vectors of the model that serves in it.

        Also says by what: words alone when the question has no vector.
        """
        for _ in range(_ATTEMPTS_MAX):
            model, vector = self._model, None
            if model is not None and how != "words":
                vector = await _embedded(self._embedders, asked, model)
            async with self._pool.connection() as connection, connection.transaction():
                # Row-level security shows the rows of this twin only.
                await connection.execute(
                    "SELECT set_config('vito.tenant', %s, true)", (asked.tenant,)
                )
                self._model = await _serving(connection)
                if how == "words" or self._model in (None, model):
                    by: How = "words" if how == "hybrid" and vector is None else how
                    return await _ranked(connection, self._tables, asked, vector, by), by
        return [], how


async def _serving(connection: AsyncConnection[Any]) -> EmbeddingModel | None:
    row = await (await connection.execute(_MODEL)).fetchone()
    if row is None:
        return None
    name, version, dimensions = row
    return EmbeddingModel(name=name, version=version, dimensions=dimensions)


async def _embedded(embedders: Embedders, asked: _Asked, model: EmbeddingModel) -> str | None:
    """The question's vector as PostgreSQL reads it; None when there can be none."""
    embedder = embedders.of(model, asked.tenant)
    if embedder is None:
        logs.get().error("no_embedder", model=model.name, version=model.version)
        return None
    try:
        (vector,) = await embed(embedder, [asked.question])
    except IngestionProblem as problem:
        logs.get().warning("question_not_embedded", tenant=asked.tenant, code=problem.code)
        return None
    return vector_text(vector)


async def _ranked(
    connection: AsyncConnection[Any], tables: Tables, asked: _Asked, vector: str | None, how: How
) -> list[Found]:
    values: dict[str, Any] = {
        "tenant": asked.tenant,
        "source": asked.source,
        "pinned": None if asked.pinned is None else list(asked.pinned),
        "question": asked.question,
        "vector": vector,
    }
    terms = Terms()
    if how != "vectors":
        terms = await tables.terms(connection, values)
    rows = await tables.candidates(connection, values, terms)
    return [Found(*row) for row in rows]


def score_of(found: Found, how: How) -> float:
    """Between 0 and 1."""
    if how == "words":
        return found.relevance
    if how == "vectors":
        return max(0.0, found.closeness)
    return (max(0.0, found.closeness) + LEXICAL_WEIGHT * found.relevance) / (1 + LEXICAL_WEIGHT)


def chosen(
    found: Sequence[Found], *, limit: int, token_budget: int, how: How = "hybrid"
) -> list[Passage]:
    """The best of what was found, without duplicates across sources, within the budget."""
    scored = [(score_of(one, how), one) for one in found]
    # The names last, so that equal scores have an order.
    scored.sort(key=lambda pair: (-pair[0], pair[1].source, pair[1].chunk))
    taken: list[Passage] = []
    seen: set[str] = set()
    for score, one in scored:
        if len(taken) == limit or score < SCORE_MIN:
            break
        tokens = about_tokens(one.text)
        if one.chunk_hash in seen or tokens > token_budget:
            continue
        seen.add(one.chunk_hash)
        token_budget -= tokens
        taken.append(_passage(one, score))
    return taken


def _passage(found: Found, score: float) -> Passage:
    place = place_of(found.place)
    return Passage(
        source=found.source,
        title=found.title,
        text=found.text,
        first=place.first,
        last=place.last,
        content_hash=found.content_hash,
        chunk=found.chunk,
        chunk_hash=found.chunk_hash,
        language=found.language,
        score=round(score, 4),
        closeness=round(found.closeness, 4),
        relevance=round(found.relevance, 4),
    )
