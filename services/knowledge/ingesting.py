"""
Ingesting one source: its bytes, what they say, chunks, vectors; then a draft for a person.

    fetching    an upload is in the store already; everything else comes from somebody else
    reading     in a process that can do no harm
    cutting     blocks to chunks: the content, whose hash an approval will pin
    embedding   sealed in the store, and indexed as a draft

Each step is told to the gate once, with the hash of what is kept so far: whoever takes the source
up after a crash goes on there. The gate's number makes what an older ingestion reports void, so
that two can never both bring a draft.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from nats.errors import Error as NatsError

from contracts.commands import AnyCommand
from contracts.knowledge import (
    STEPS,
    UPLOADS,
    BeginIngestion,
    IngestionStep,
    ReportFailed,
    ReportIngested,
    ReportProgress,
    SourceKind,
)
from contracts.replies import Receipt
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify, Refused
from services.client.sender import new_id
from services.knowledge.chunking import content_of_reading
from services.knowledge.document import Content, content_of
from services.knowledge.drafts import put_draft
from services.knowledge.embedding import Embedders
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import media_type
from services.knowledge.reading.reader import Reader
from services.knowledge.sources import Pool, Source
from services.knowledge.store import BlobDamaged, KnowledgeStore, NotKept, StoreFull
from services.knowledge.summary import summary_of
from services.sealing.wrapped_keys import KeyErased, KeyMissing

# Everything that an ingestion may take, with its attempts.
DEADLINE_S: Final = 600.0
# Before each attempt at what may pass.
BACKOFF_S: Final = (2.0, 10.0, 30.0)
# So often a source is taken up without coming a step further; then it is what ends who reads it.
BEGINNINGS_MAX: Final = 8
_GRANTED: Final = 200
_REASON_MAX: Final = 1_900
_KINDS: Final[dict[SourceKind, str]] = {
    "pdf": media_type.PDF,
    "docx": media_type.WORD,
    "html": media_type.HTML,
    "markdown": media_type.MARKDOWN,
    "text": media_type.TEXT,
}

_NOT_KEPT: Final = "Its file is not kept any more. Upload it again."
_NEVER_ENDED: Final = (
    f"It was taken up {BEGINNINGS_MAX} times and came no further; why is in our log."
    " Submit it again later, or divide it."
)

# What passes by itself: the source waits, and is taken up again where it was.
PASSING: Final = (psycopg.OperationalError, NatsError, OSError)

Fetch: TypeAlias = Callable[[Source], Awaitable[Fetched]]


class Void(Exception):
    """Somebody asked for the source anew, or took it up: nothing of this ingestion counts."""


class Ingesting:
    """
    Ingests sources. *gate* is a client of any tenant, *fetch* brings what is no upload.

    *indexing* connects as the indexing role. *sleep* waits before another attempt.
    """

    def __init__(
        self,
        gate: GateClient,
        store: KnowledgeStore,
        indexing: Pool,
        embedders: Embedders,
        *,
        fetch: Fetch,
        reader: Reader,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._gate = gate
        self._store = store
        self._indexing = indexing
        self._embedders = embedders
        self._fetch = fetch
        self._reader = reader
        self._sleep = sleep
        self._deadline_s = deadline_s

    async def ingest(self, source: Source) -> None:
        """
        Take a source up, and bring a draft of it or say why not.

        Raises CannotVerify when the gate cannot be told; then it waits to be taken up again.
        """
        one = _Ingestion(self, source)
        try:
            await one.begin()
            await one.run()
        except Void:
            logs.get().info("ingestion_void", tenant=source.tenant, source=source.source)

    async def attempt(self, source: Source, work: Callable[[], Awaitable[Content]]) -> Content:
        """Do *work*, again while what goes wrong may pass; raises IngestionProblem."""
        try:
            async with asyncio.timeout(self._deadline_s):
                for pause_s in BACKOFF_S:
                    try:
                        return await _guarded(work, source)
                    except IngestionProblem as problem:
                        if not problem.may_pass:
                            raise
                        _tell("ingestion_retried", source, problem)
                        await self._sleep(pause_s)
                return await _guarded(work, source)
        except TimeoutError:
            raise IngestionProblem(
                "too_slow", f"It takes longer than {self._deadline_s:.0f} seconds. Split it."
            ) from None

    # -- what a step brings ------------------------------------------------------------

    async def fetched(self, source: Source) -> Fetched:
        """Bytes of a source; raises IngestionProblem."""
        if source.kind not in UPLOADS:
            return await self._fetch(source)
        if source.upload is None:
            raise IngestionProblem("not_found", "No file was uploaded for it. Upload one.")
        body = await self.kept(source, source.upload)
        return Fetched(
            body=body,
            media_type=_KINDS[source.kind],
            location=source.location,
            title=source.title,
        )

    async def kept(self, source: Source, content_hash: str) -> bytes:
        """Bytes that the store has; raises IngestionProblem."""
        try:
            return await self._store.get(source.tenant, "upload", content_hash)
        except (NotKept, BlobDamaged):
            raise IngestionProblem(
                "not_found", "Its file is not kept any more. Upload it again."
            ) from None

    async def keep_fetched(self, source: Source, fetched: Fetched) -> str:
        """Keep what was fetched, for whoever takes the source up after a crash; its hash."""
        return await self._put(source, "upload", msgspec.msgpack.encode(fetched))

    async def read(self, fetched: Fetched) -> Callable[[], Content]:
        """What *fetched* says, still to be cut; raises IngestionProblem."""
        reading = await self._reader.read(fetched)
        if not reading.title and fetched.title:
            reading = msgspec.structs.replace(reading, title=fetched.title)
        return lambda: content_of_reading(reading)

    async def keep_content(self, source: Source, content: Content) -> str:
        """Seal a content; its hash, which an approval pins. Raises IngestionProblem."""
        if not content.chunks:
            raise IngestionProblem("no_text", "There is no text in it.")
        return await self._put(source, "content", content.to_bytes())

    async def content(self, source: Source, content_hash: str) -> Content | None:
        """Return a content that was kept; None if it is not."""
        try:
            return content_of(await self._store.get(source.tenant, "content", content_hash))
        except (NotKept, BlobDamaged, msgspec.DecodeError):
            return None

    async def index_draft(self, source: Source, content: Content) -> None:
        """Let a review try questions on it; raises IngestionProblem."""
        async with self._indexing.connection() as connection:
            await put_draft(connection, source.tenant, source.source, content, self._embedders)

    async def tell(self, source: Source, command: AnyCommand) -> Receipt:
        """Tell the gate; raises Void when it says that this ingestion is none any more."""
        receipt = await self._gate.for_tenant(source.tenant).tell(command)
        if receipt.status != _GRANTED:
            logs.get().info("ingestion_refused", tenant=source.tenant, code=receipt.code)
            raise Void(receipt.code)
        return receipt

    async def _put(self, source: Source, kind: Any, data: bytes) -> str:
        try:
            return await self._store.put(source.tenant, kind, data)
        except StoreFull as problem:
            raise IngestionProblem("too_large", f"No more can be kept: {problem}.") from None


class _Ingestion:
    """One ingestion of one source. *number* is the gate's."""

    def __init__(self, parts: Ingesting, source: Source) -> None:
        self._parts = parts
        self._source = source
        self._step: IngestionStep | None = source.step
        self._kept = source.kept
        self._number = 0
        self._attempt = 1

    async def begin(self) -> None:
        command = BeginIngestion(command_id=new_id(), source=self._source.source)
        receipt = await self._parts.tell(self._source, command)
        self._number = int(receipt.facts["ingestion"])
        self._attempt = int(receipt.facts["attempt"])

    async def run(self) -> None:
        """Bring a draft, or the reason why there is none; raises Void."""
        try:
            content = await self._parts.attempt(self._source, self._brought)
            await self._told(content)
        except IngestionProblem as problem:
            _tell("ingestion_failed", self._source, problem)
            command = ReportFailed(
                command_id=new_id(),
                source=self._source.source,
                ingestion=self._number,
                reason=problem.what[:_REASON_MAX],
                code=problem.code,
            )
            await self._parts.tell(self._source, command)

    async def _told(self, content: Content) -> None:
        command = ReportIngested(
            command_id=new_id(),
            source=self._source.source,
            ingestion=self._number,
            content_hash=content.hash,
            chunks=len(content.chunks),
            summary=summary_of(content),
            language="" if content.language == "und" else content.language,
            pages=content.pages,
            flags=len(content.flags),
        )
        await self._parts.tell(self._source, command)

    async def _brought(self) -> Content:
        parts, source = self._parts, self._source
        if self._attempt > BEGINNINGS_MAX:
            raise IngestionProblem("stopped", _NEVER_ENDED)
        content = None
        if self._step == "embedding" and self._kept:
            content = await parts.content(source, self._kept)
        if content is None:
            cut = await parts.read(await self._fetched())
            await self._at("cutting")
            # It takes as long as the document is; others are served meanwhile.
            content = await asyncio.to_thread(cut)
            await self._at("embedding", await parts.keep_content(source, content))
        await parts.index_draft(source, content)
        return content

    async def _fetched(self) -> Fetched:
        parts, source = self._parts, self._source
        if self._step in ("reading", "cutting") and self._kept:
            return msgspec.msgpack.decode(await parts.kept(source, self._kept), type=Fetched)
        await self._at("fetching")
        fetched = await parts.fetched(source)
        is_upload = source.kind in UPLOADS
        await self._at("reading", None if is_upload else await parts.keep_fetched(source, fetched))
        return fetched

    async def _at(self, step: IngestionStep, kept: str | None = None) -> None:
        """Say how far it is, once; an attempt that begins anew says nothing twice."""
        if self._step is not None and STEPS.index(step) <= STEPS.index(self._step):
            return
        command = ReportProgress(
            command_id=new_id(),
            source=self._source.source,
            ingestion=self._number,
            step=step,
            kept=kept,
        )
        await self._parts.tell(self._source, command)
        self._step, self._kept = step, kept or self._kept


async def _guarded(work: Callable[[], Awaitable[Content]], source: Source) -> Content:
    try:
        return await work()
    except (IngestionProblem, Void, CannotVerify, Refused, KeyErased, KeyMissing, *PASSING):
        raise
    except Exception as fault:
        logs.get().error("ingestion_fault", tenant=source.tenant, exc_info=fault)
        raise IngestionProblem(
            "stopped", "A fault on our side stopped it, and is in our log. Submit it again later."
        ) from fault


def _tell(event: str, source: Source, problem: IngestionProblem) -> None:
    logs.get().info(event, tenant=source.tenant, source=source.source, code=problem.code)
