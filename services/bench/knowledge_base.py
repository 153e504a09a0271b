"""A database with knowledge in it, as the index and the projector leave it, for measuring."""

from __future__ import annotations

import random
import secrets
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from services.knowledge import live, models
from services.knowledge.approvals import Approved
from services.knowledge.chunk_rows import rows_of
from services.knowledge.document import Content
from services.knowledge.embedding import Embedders, EmbeddingModel
from services.knowledge.retrieval import Pool, Retrieval
from services.knowledge.vectors import Vectors
from services.migrations import RolePasswords, prepare_database

_SOURCE: Final = (
    "INSERT INTO knowledge_v1.twin_knowledge_sources (tenant, source, kind, title, location, stage,"
    " reason, ingestion, draft, approved, added_by, added_at, changed_by, changed_at, upload, step,"
    " kept, code, position) VALUES (%(tenant)s, %(source)s, 'text', 'T', 't.txt', 'approved', '',"
    " 1, 0, 1, 'bench', now(), 'bench', now(), '', '', '', '', 1)"
)
_REVIEW: Final = (
    "INSERT INTO knowledge_v1.twin_knowledge_reviews (tenant, source, ingestion, content_hash,"
    " chunks, summary, language, pages, flags, ingested_by, ingested_at, outcome, note, decided_by,"
    " decided_at, decision, position) VALUES (%(tenant)s, %(source)s, 1, %(content_hash)s,"
    " %(chunks)s, 's', 'es', 0, 0, 'bench', now(), 'approved', NULL, 'bench', now(), 1, 1)"
)
_COPY: Final = (
    "COPY knowledge.live_vectors (tenant, model, source, number, content_hash, embedding)"
    " FROM STDIN (FORMAT binary)"
)
_INDEX: Final = "CREATE INDEX live_words ON knowledge.live_chunks USING gin (tenant, words)"
_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"
# Chunks of a source: as many as a book has.
SYNTHETIC_CHUNKS: Final = 100
SYNTHETIC_WORDS: Final = 60
# So many different ones: comparing takes as long whatever they are.
SYNTHETIC_VECTORS: Final = 1_000


class KnowledgeBase:
    """A prepared database; *owner* fills it, *pool* reads it as readers do."""

    def __init__(self, owner: AsyncConnection[Any], pool: Pool, embedders: Embedders) -> None:
        self.owner = owner
        self.pool = pool
        self.embedders = embedders
        self.retrieval = Retrieval(pool, embedders)

    async def add(self, contents: Mapping[tuple[str, str], Content]) -> None:
        """Let contents be approved, live and embedded, by twin and source."""
        for (tenant, source), content in contents.items():
            approved = Approved(tenant, source, content.hash, len(content.chunks), 1)
            async with self.owner.transaction():
                await live.make_live(self.owner, approved, rows_of(content))
                await self._approve(approved)
        await Vectors("", self.embedders).fill(self.owner)
        await self.owner.execute("ANALYZE knowledge.live_chunks, knowledge.live_vectors")

    async def add_synthetic(self, tenant: str, chunks: int, words: Sequence[str]) -> None:
        """
        Add chunks of random words, frequent ones as frequent as in a language, and random vectors.
        """
        async with self.owner.transaction():
            known = await models.ensure(self.owner, self.embedders.wanted)
        dice = random.Random(20261122)  # noqa: S311 - the same in every run
        # As frequent as words are: the n-th a n-th as often as the first (Zipf).
        weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
        # As a restore does it: an index of what is there is made much faster than kept.
        await self.owner.execute("DROP INDEX knowledge.live_words")
        made = _spelled(self.embedders.wanted.dimensions, dice)
        for number in range(chunks // SYNTHETIC_CHUNKS):
            approved = Approved(tenant, f"book{number}", f"{number:064x}", SYNTHETIC_CHUNKS, 1)
            async with self.owner.transaction():
                await self._write_synthetic(approved, known[0].number, words, weights, made, dice)
                await self._approve(approved)
        await self.owner.execute(_INDEX)
        await self.owner.execute("VACUUM ANALYZE knowledge.live_chunks, knowledge.live_vectors")

    async def _write_synthetic(
        self,
        approved: Approved,
        model: int,
        words: Sequence[str],
        weights: Sequence[float],
        made: Sequence[bytes],
        dice: random.Random,
    ) -> None:
        rows = [
            (
                number,
                " ".join(dice.choices(words, cum_weights=weights, k=SYNTHETIC_WORDS)),
                f"{number:064x}",
            )
            for number in range(1, SYNTHETIC_CHUNKS + 1)
        ]
        await live.make_live(self.owner, approved, [])
        await self.owner.execute(
            "INSERT INTO knowledge.live_chunks (tenant, source, content_hash, decision, number,"
            " title, language, text, chunk_hash, place, headings) SELECT %s, %s, %s, 1, c.number,"
            " 'T', 'es', c.said, c.hash, '{\"first\": {}, \"last\": {}}', 'T'"
            " FROM json_to_recordset(%s::json) AS c(number integer, said text, hash text)",
            (
                *(approved.tenant, approved.source, approved.content_hash),
                msgspec.json.encode(
                    [{"number": n, "said": said, "hash": found} for n, said, found in rows]
                ).decode(),
            ),
        )
        async with self.owner.cursor() as cursor, cursor.copy(_COPY) as copy:
            await copy.write(b"".join(_vectors(approved, model, made, dice)))

    async def _approve(self, approved: Approved) -> None:
        told = msgspec.structs.asdict(approved)
        await self.owner.execute(_SOURCE.encode(), told)
        await self.owner.execute(_REVIEW.encode(), told)


def _spelled(dimensions: int, dice: random.Random) -> list[bytes]:
    """Random vectors as the server sends and takes them."""
    spread = dimensions**-0.5
    return [
        struct.pack(
            f">hh{dimensions}e", dimensions, 0, *(dice.gauss(0, spread) for _ in range(dimensions))
        )
        for _ in range(SYNTHETIC_VECTORS)
    ]


def _vectors(
    approved: Approved, model: int, made: Sequence[bytes], dice: random.Random
) -> Iterator[bytes]:
    """Rows of binary COPY: a number, and for each value its length and its bytes."""
    yield _COPY_HEADER
    for number in range(1, SYNTHETIC_CHUNKS + 1):
        values = (
            approved.tenant.encode(),
            struct.pack(">i", model),
            approved.source.encode(),
            struct.pack(">i", number),
            approved.content_hash.encode(),
            dice.choice(made),
        )
        yield struct.pack(">h", len(values))
        for value in values:
            yield struct.pack(">i", len(value)) + value
    yield _COPY_END


class AnyVector:
    """A model that knows nothing and takes no time: for measuring what comes after it."""

    def __init__(self, dimensions: int = 512) -> None:
        self.wanted = self.model = EmbeddingModel(name="any", version="1", dimensions=dimensions)

    def of(self, model: EmbeddingModel, tenant: str) -> AnyVector | None:  # noqa: ARG002
        """See Embedders."""
        return self if model == self.model else None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See Embedder."""
        size = self.model.dimensions
        dices = [random.Random(text) for text in texts]  # noqa: S311
        return [[dice.gauss(0, size**-0.5) for _ in range(size)] for dice in dices]


@asynccontextmanager
async def knowledge_base(dsn: str, embedders: Embedders) -> AsyncIterator[KnowledgeBase]:
    """Prepare the empty database *dsn*, the superuser's, and open it."""
    words = RolePasswords(*(secrets.token_urlsafe(24) for _ in range(4)))
    await prepare_database(dsn, words)
    url = urlsplit(dsn)
    login = f"vito_api:{words.vito_api}@{url.hostname}:{url.port}"
    pool: Pool = AsyncConnectionPool(
        urlunsplit(url._replace(netloc=login)),
        kwargs={"autocommit": True},
        min_size=2,
        open=False,
    )
    async with pool, await AsyncConnection.connect(dsn, autocommit=True) as owner:
        yield KnowledgeBase(owner, pool, embedders)
