"""
Reviewing: what is put before whoever approves, and whoever wants to know what was approved.

It is the very content that retrieval would use: opened from the store by the hash that an approval
pins, and shown chunk by chunk; nothing is summed up that cannot be read in full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from contracts.lookup import (
    FoundPassage,
    KnowledgeReviewed,
    ReviewChunk,
    ReviewFlag,
    ReviewKnowledge,
    Sample,
    Where,
)
from domain.refusals import CANNOT_VERIFY, SOURCE_NOT_AT_STAGE, SOURCE_UNKNOWN
from services.knowledge import sources
from services.knowledge.document import Chunk, Content, Place, content_of
from services.knowledge.embedding import Embedders
from services.knowledge.flagged import chunk_of
from services.knowledge.refusing import LookupRefused
from services.knowledge.retrieval import Passage, Pool, Retrieval, preview
from services.knowledge.sources import Source
from services.knowledge.store import KnowledgeStore, NotKept
from services.knowledge.summary import summary_of

GONE_MAX: Final = 50
PASSAGES: Final = 3
SAMPLES: Final = 3
# For how long the tables may be waited for.
WAIT_S: Final = 2.0
LOOK_S: Final = 0.02


class Reviewing:
    """
    Shows contents. *reader* connects as the reader, *indexing* as the indexing role: drafts are in
    tables that no reader may see.
    """

    def __init__(
        self,
        store: KnowledgeStore,
        reader: Pool,
        indexing: Pool,
        embedders: Embedders,
        retrieval: Retrieval,
    ) -> None:
        self._store = store
        self._reader = reader
        self._indexing = indexing
        self._embedders = embedders
        self._retrieval = retrieval

    async def review(self, tenant: str, asked: ReviewKnowledge) -> KnowledgeReviewed:
        """Answer; raises LookupRefused, and what store and database raise."""
        await self._reached(tenant, asked.min_position)
        found = await sources.one(self._reader, tenant, asked.source)
        if found is None:
            raise LookupRefused(SOURCE_UNKNOWN)
        content_hash = found.draft_hash if asked.version == "draft" else found.approved_hash
        if content_hash is None:
            needed = "review" if asked.version == "draft" else "approved"
            raise LookupRefused(SOURCE_NOT_AT_STAGE, {"stage": found.stage, "needed": needed})
        content = await self._content(tenant, content_hash)
        before = None
        if found.approved_hash not in (None, content_hash):
            before = await self._content(tenant, str(found.approved_hash))
        gone = _gone(content, before)
        return KnowledgeReviewed(
            tenant=tenant,
            source=found.source,
            kind=found.kind,
            title=found.title,
            location=found.location,
            stage=found.stage,
            content_hash=content_hash,
            approved_hash=found.approved_hash,
            summary=summary_of(content),
            language=content.language,
            pages=content.pages,
            flags=[
                ReviewFlag(
                    kind=flag.kind,
                    excerpt=flag.excerpt,
                    where=where(flag.place),
                    chunk=chunk_of(flag, content),
                )
                for flag in content.flags
            ],
            chunks_total=len(content.chunks),
            chunks=await self._chunks(found, asked, content, before),
            gone=gone[:GONE_MAX],
            gone_total=len(gone),
            samples=[
                await self._sample(found, content_hash, question)
                for question in asked.questions or _questions(content, asked)
            ],
        )

    async def _reached(self, tenant: str, wanted: int) -> None:
        looks = range(round(WAIT_S / LOOK_S)) if wanted else ()
        for _ in looks:
            if await sources.position(self._reader, tenant) >= wanted:
                return
            await asyncio.sleep(LOOK_S)
        if wanted:
            raise LookupRefused(CANNOT_VERIFY, {"min_position": wanted}, retry_after_ms=1_000)

    async def _content(self, tenant: str, content_hash: str) -> Content:
        try:
            return content_of(await self._store.get(tenant, "content", content_hash))
        except NotKept:
            raise LookupRefused(SOURCE_UNKNOWN, {"content_hash": content_hash}) from None

    async def _chunks(
        self, found: Source, asked: ReviewKnowledge, content: Content, before: Content | None
    ) -> list[ReviewChunk]:
        shown = [chunk for chunk in content.chunks if chunk.number >= asked.first][: asked.limit]
        known = {chunk.hash for chunk in before.chunks} if before is not None else set()
        is_approved = found.approved_hash == content.hash
        others = await sources.also_in(
            self._reader, found.tenant, found.source, [chunk.hash for chunk in shown]
        )
        return [
            ReviewChunk(
                number=chunk.number,
                text=chunk.text,
                where=where(chunk.first),
                until=where(chunk.last),
                is_new=not is_approved and chunk.hash not in known,
                also_in=others.get(chunk.hash, []),
            )
            for chunk in shown
        ]

    async def _sample(self, found: Source, content_hash: str, question: str) -> Sample:
        here: list[Passage] = []
        if content_hash == found.draft_hash:
            here = await preview(
                self._indexing,
                self._embedders,
                found.tenant,
                found.source,
                content_hash,
                question,
                limit=PASSAGES,
            )
        else:
            here = await self._retrieval.retrieve(
                found.tenant, question, limit=PASSAGES, pinned=[content_hash]
            )
        today = await self._retrieval.retrieve(found.tenant, question, limit=PASSAGES)
        return Sample(question=question, here=shown(here), today=shown(today))


def shown(passages: Sequence[Passage]) -> list[FoundPassage]:
    """Spell passages as the contract has them."""
    return [
        FoundPassage(
            source=one.source,
            title=one.title,
            text=one.text,
            where=where(one.first),
            content_hash=one.content_hash,
            chunk=one.chunk,
            score_permille=min(1_000, max(0, round(one.score * 1_000))),
            language=one.language,
        )
        for one in passages
    ]


def where(place: Place) -> Where:
    """Spell a place as the contract has it."""
    return Where(page=place.page, second=place.second, headings=list(place.headings))


def _gone(content: Content, before: Content | None) -> list[str]:
    if before is None:
        return []
    kept = {chunk.hash for chunk in content.chunks}
    return [chunk.text for chunk in before.chunks if chunk.hash not in kept]


def _questions(content: Content, asked: ReviewKnowledge) -> list[str]:
    """What somebody might ask, when nobody says: what the document itself announces."""
    if asked.first > 1:
        return []
    headings = dict.fromkeys(_last_heading(chunk) for chunk in content.chunks)
    return [heading[:200] for heading in headings if heading][:SAMPLES] or [content.title[:200]]


def _last_heading(chunk: Chunk) -> str:
    return chunk.first.headings[-1] if chunk.first.headings else ""
