"""The SQL about what a twin may know."""

from __future__ import annotations

from typing import Final

from services.query_api.statements import Keys, Page, Row, Snapshot

_SOURCE: Final = (
    "source, kind, title, location, stage, reason, ingestion, draft_hash, draft_chunks,"
    " draft_summary, draft_language, draft_pages, draft_flags, upload, step, code, approved_hash,"
    " approved_chunks, approved_summary, approved_by, approved_at,"
    " added_by, added_at, changed_by, changed_at, position AS changed_position, live_problem"
)
# What the index says of it; the database shows it of one twin at a time.
_INDEXED: Final = (
    "(SELECT s.*, l.problem AS live_problem FROM twin_knowledge_sources s"
    " LEFT JOIN knowledge.live_sources l ON l.tenant = s.tenant AND l.source = s.source"
    " AND l.content_hash = s.approved_hash) AS indexed"
)
_REVIEW: Final = (
    "ingestion, content_hash, chunks, summary, language, pages, flags, ingested_by, ingested_at,"
    " outcome, note, decided_by, decided_at, decision_id, position AS changed_position"
)


class KnowledgeRows(Snapshot):
    """Sources and the reviews of what they brought."""

    async def source(self, tenant: str, source: str) -> Row | None:
        """A source."""
        await self._see(tenant)
        return await self._one(
            _SOURCE,
            _INDEXED + " WHERE tenant = %(tenant)s AND source = %(name)s",
            tenant,
            name=source,
        )

    async def sources(
        self, tenant: str, stage: str | None, after: Keys | None, limit: int
    ) -> list[Row]:
        """Sources by their id."""
        await self._see(tenant)
        page = Page(_SOURCE, _INDEXED, ("source",), "ASC").of(tenant)
        if stage is not None:
            page.also("stage = %(stage)s", stage=stage)
        return await self._page(page, after, limit)

    async def _see(self, tenant: str) -> None:
        await self._connection.execute("SELECT set_config('vito.tenant', %s, true)", (tenant,))

    async def reviews(self, tenant: str, source: str, after: Keys | None, limit: int) -> list[Row]:
        """Reviews of a source's drafts, newest first."""
        page = Page(_REVIEW, "twin_knowledge_reviews", ("ingestion",)).of(tenant)
        page.also("source = %(source)s", source=source)
        return await self._page(page, after, limit)
