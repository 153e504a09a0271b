"""
Twins, their log, their documents, and the index on a real PostgreSQL, driven step by step.

Commands are decided by the real domain and commits are sealed and chained as in the log. The
projector and the index apply them when a test says so, so that either may be behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import secrets
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg_pool import AsyncConnectionPool

import projections
from contracts.knowledge import (
    AddSource,
    ApproveSource,
    BeginIngestion,
    RejectSource,
    ReportIngested,
    RetireSource,
    SubmitSource,
)
from contracts.tenant import EraseTenant
from projections.projection import Commit
from services.knowledge.contents import ContentLost
from services.knowledge.document import Chunk, Content, Place
from services.knowledge.drafts import put_draft
from services.knowledge.embedding import EmbeddingModel
from services.knowledge.index import ShardIndex, heads, position
from services.knowledge.problem import IngestionProblem
from services.knowledge.retrieval import Retrieval
from services.knowledge.vectors import Vectors
from services.projector.chain import Chain
from tests.projections.twin_story import TwinStory
from tests.projector.memory_log import MemoryLog
from tests.projector.read_side import as_role, connected, prepared, project, wipe

KNOWLEDGE = (next(p for p in projections.ALL if p.NAME == "knowledge"),)
WORD = re.compile(r"\w+")


def content(title: str, *texts: str, language: str = "es") -> Content:
    """A document with a chunk for each text."""
    chunks = tuple(
        Chunk(
            number=number,
            text=text,
            hash=hashlib.sha256(text.casefold().encode()).hexdigest(),
            first=Place(page=number, headings=(title,)),
            last=Place(page=number),
        )
        for number, text in enumerate(texts, 1)
    )
    return Content(form=1, title=title, language=language, chunks=chunks)


class WordEmbedder:
    """
    A model for tests: each word has a direction, a text is the sum of its words'.

    Another *name* has other directions. Twins in *refused* cannot pay.
    """

    def __init__(self, name: str = "words", dimensions: int = 16) -> None:
        self.model = EmbeddingModel(name=name, version="1", dimensions=dimensions)
        self.refused: set[str] = set()
        self.embedded = 0
        self._words: dict[str, list[float]] = {}

    async def embed(self, texts):
        self.embedded += len(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        found = [self._direction(word) for word in WORD.findall(text.casefold())]
        total = [sum(column) for column in zip(*found, strict=True)] or [1.0] * 16
        length = sum(x * x for x in total) ** 0.5 or 1.0
        return [x / length for x in total]

    def _direction(self, word: str) -> list[float]:
        if word not in self._words:
            dice = random.Random(f"{self.model.name} {word}")
            self._words[word] = [dice.gauss(0, 1) for _ in range(self.model.dimensions)]
        return self._words[word]


class Refusing:
    def __init__(self, model) -> None:
        self.model = model

    async def embed(self, texts):
        raise IngestionProblem("not_authorised", "The twin is sleeping.")


class Models:
    """Embedders of a process; *wanted* is the last one."""

    def __init__(self, *embedders: WordEmbedder) -> None:
        self.embedders = list(embedders)

    @property
    def wanted(self) -> EmbeddingModel:
        return self.embedders[-1].model

    def of(self, model, tenant):
        for one in self.embedders:
            if one.model == model:
                return Refusing(model) if tenant in one.refused else one
        return None


class MemoryContents:
    """The store: what was put, by twin and hash."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Content] = {}
        self.forgotten: list[str] = []

    async def content(self, tenant, content_hash):
        if (tenant, content_hash) not in self.kept:
            raise ContentLost("it is not in the store")
        return self.kept[tenant, content_hash]

    async def forget(self, tenant):
        self.forgotten.append(tenant)


class World:
    """One shard. *owner* sees every row, *indexer* and *pool* have the rights of their roles."""

    def __init__(self, dsn: str, owner, projector, indexer, pool, models: Models) -> None:
        self.dsn, self.owner, self.models = dsn, owner, models
        self.projector, self.indexer, self.pool = projector, indexer, pool
        self.log, self.contents = MemoryLog(), MemoryContents()
        self.stories: dict[str, TwinStory] = {}
        self.commits: list[Commit] = []
        self.projected = 0
        self.lives = 0
        self.retrieval = Retrieval(pool, models)
        self.vectors = Vectors(as_role(dsn, "vito_knowledge"), models)
        self.index = self.new_index()

    def new_index(self) -> ShardIndex:
        """An index process that has just begun."""
        dsn = as_role(self.dsn, "vito_knowledge")
        return ShardIndex(0, dsn, self.log, self.log, self.contents, on_live=self._lived)

    def _lived(self) -> None:
        self.lives += 1

    # -- what people do -----------------------------------------------------------------

    def do(self, tenant: str, *commands) -> None:
        """Decide and log; a twin comes about with its first command."""
        story = self.stories.get(tenant)
        if story is None:
            story = self.stories[tenant] = TwinStory(tenant)
            self._append(story)
        for command in commands:
            story.do(command)
            self._append(story)

    def _append(self, story: TwinStory) -> None:
        events = story.commits[-1]
        seq = self.log.append(story.tenant, events)
        index = len(story.commits)
        self.commits.append(Commit(0, seq, story.tenant, index, events[-1].at_us, events))

    def source(self, tenant: str, name: str):
        return self.stories[tenant].state.knowledge.sources.get(name)

    def add(self, tenant: str, source: str, kind: str = "text", location: str = "t.txt") -> None:
        self.do(tenant)
        about = {"source": source, "kind": kind, "title": "T", "location": location}
        self.do(tenant, AddSource(command_id=self._id(tenant), **about))

    async def ingest(self, tenant: str, source: str, brought: Content) -> None:
        """Bring a draft, as the worker does: kept, indexed as a draft, reported."""
        self.contents.kept[tenant, brought.hash] = brought
        await put_draft(self.indexer, tenant, source, brought, self.models)
        self.do(tenant, BeginIngestion(command_id=self._id(tenant), source=source))
        self.do(tenant, ReportIngested(command_id=self._id(tenant), source=source, summary="s",
                                       ingestion=self.source(tenant, source).ingestion,
                                       content_hash=brought.hash,
                                       chunks=len(brought.chunks)))  # fmt: skip

    def approve(self, tenant: str, source: str, content_hash: str | None = None) -> None:
        content_hash = content_hash or self.source(tenant, source).draft_hash or "0" * 64
        self.do(
            tenant,
            ApproveSource(command_id=self._id(tenant), source=source, content_hash=content_hash),
        )

    def reject(self, tenant: str, source: str) -> None:
        content_hash = self.source(tenant, source).draft_hash or "0" * 64
        self.do(
            tenant,
            RejectSource(command_id=self._id(tenant), source=source, content_hash=content_hash),
        )

    def submit(self, tenant: str, source: str) -> None:
        self.do(tenant, SubmitSource(command_id=self._id(tenant), source=source))

    def retire(self, tenant: str, source: str) -> None:
        self.do(tenant, RetireSource(command_id=self._id(tenant), source=source))

    def erase(self, tenant: str) -> None:
        self.do(
            tenant, EraseTenant(command_id=self._id(tenant), confirm=tenant, reason="asked for")
        )

    async def approved(self, tenant: str, source: str, brought: Content) -> Content:
        """Add, ingest and approve."""
        self.add(tenant, source)
        await self.ingest(tenant, source, brought)
        self.approve(tenant, source)
        return brought

    def _id(self, tenant: str) -> str:
        return self.stories[tenant].command_id()

    # -- what processes do --------------------------------------------------------------

    async def project(self, commits: int | None = None) -> None:
        """Let the projector apply some more commits, or all."""
        until = len(self.commits) if commits is None else self.projected + commits
        if pending := self.commits[self.projected : until]:
            await project(self.projector, [pending], wanted=KNOWLEDGE)
            self.projected += len(pending)

    async def follow(self, commits: int | None = None) -> None:
        """Let the index apply some more commits, or all."""
        index = self.index
        index.applied_seq = await position(self.indexer, 0)
        until = None if commits is None else index.applied_seq + commits
        stored = self.log.streams[0][index.applied_seq : until]
        if stored:
            await index._take(self.indexer, stored, Chain(await heads(self.indexer, 0)))

    async def catch_up(self) -> None:
        await self.project()
        await self.follow()
        await self.vectors.fill(self.indexer)


def new_database(server: str) -> str:
    """A database that is ready for worlds; the server's superuser's address of it."""
    name = f"knowledge_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    dsn = make_url(server, name)
    asyncio.run(prepared(dsn))
    return dsn


def make_url(server: str, database: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


async def empty(owner) -> None:
    await wipe(owner)
    for table in ("chain_heads", "positions", "draft_chunks", "live_chunks", "live_sources",
                  "models"):  # fmt: skip
        await owner.execute(f"DELETE FROM knowledge.{table}")


@asynccontextmanager
async def world(database: str, *embedders: WordEmbedder):
    """A world in a prepared database, of which it empties what it uses."""
    reader = AsyncConnectionPool(
        as_role(database, "vito_api"), kwargs={"autocommit": True}, min_size=1, open=False
    )
    async with (
        connected(database) as owner,
        connected(as_role(database, "vito_projector")) as projector,
        connected(as_role(database, "vito_knowledge")) as indexer,
        reader as pool,
    ):
        await empty(owner)
        models = Models(*(embedders or (WordEmbedder(),)))
        yield World(database, owner, projector, indexer, pool, models)
