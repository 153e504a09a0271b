"""Knowledge: the sources of a twin, what waits for review, and who approved what."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, Field

from contracts.knowledge import FailureCode, IngestionStep, SourceKind
from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import IS_ID, PageQuery, PositionQuery
from services.query_api.problems import SOURCE_UNKNOWN, HttpProblem

Stage: TypeAlias = Literal[
    "pending", "ingesting", "review", "approved", "rejected", "failed", "retired"
]


class SourcesQuery(PageQuery):
    """Which sources."""

    stage: Stage | None = Field(
        default=None, description="Only sources at this stage.", examples=["review"]
    )


class KnowledgeSource(BaseModel):
    """One source. Only the content *approved_hash* may be used, and nothing when it is null."""

    source: str
    kind: SourceKind
    title: str
    location: str = Field(description="its address, or the name of the file")
    stage: Stage
    reason: str | None = Field(description="why it failed, was rejected or retired")
    code: FailureCode | None = Field(description="of a failure, for programs")
    ingestion: int | None = Field(description="the number of its current ingestion")
    step: IngestionStep | None = Field(description="how far it is; null when none is under way")
    upload: str | None = Field(description="SHA-256 of the file that was brought last")
    draft_hash: str | None = Field(description="SHA-256 of what waits for a review")
    draft_chunks: int | None
    draft_summary: str | None
    draft_language: str | None = Field(description="BCP 47")
    draft_pages: int | None
    draft_flags: int | None = Field(description="what whoever approves must have seen")
    approved_hash: str | None = Field(description="SHA-256 of what the twin may use")
    approved_chunks: int | None
    approved_summary: str | None
    approved_by: str | None
    approved_at: datetime | None
    added_by: str
    added_at: datetime
    changed_by: str
    changed_at: datetime
    changed_position: int = Field(description="the commit that last changed it")
    live_problem: str | None = Field(
        description="why what is approved cannot be found all the same; null when nothing is wrong"
    )


class OneKnowledgeSource(KnowledgeSource):
    """One source, and the position that it is known at."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")


class KnowledgePage(TenantPage):
    """Sources by their id."""

    items: list[KnowledgeSource]


class KnowledgeReview(BaseModel):
    """One draft that was put up for review, and what a person said to it."""

    ingestion: int
    content_hash: str
    chunks: int
    summary: str
    language: str = Field(description="BCP 47; empty or `und` where it is not known")
    pages: int = Field(description="0 where there are none")
    flags: int = Field(description="what whoever approves must have seen")
    ingested_by: str
    ingested_at: datetime
    outcome: Literal["approved", "rejected"] | None = Field(
        description="null while it waits, and for ever when another draft took its place"
    )
    note: str | None
    decided_by: str | None
    decided_at: datetime | None
    decision_id: str | None
    changed_position: int = Field(description="the commit that last changed it")


class KnowledgeReviewsPage(TenantPage):
    """Reviews, newest first."""

    items: list[KnowledgeReview]


async def show_all(call: Call[SourcesQuery]) -> KnowledgePage:
    """A page of a twin's sources."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.sources(call.tenant, call.query.stage, after, limit),
        {"source": str},
    )
    assert call.position is not None
    return KnowledgePage(
        tenant=call.tenant,
        position=call.position,
        items=[KnowledgeSource.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


async def show(call: Call[PositionQuery]) -> OneKnowledgeSource:
    """The source that the path names."""
    name = call.path["source"]
    row = await call.reader.source(call.tenant, name) if IS_ID.fullmatch(name) else None
    if row is None:
        raise HttpProblem(SOURCE_UNKNOWN, "The twin has no source of this id.")
    return OneKnowledgeSource.model_validate(
        {**row, "tenant": call.tenant, "position": call.position}
    )


async def reviews(call: Call[PageQuery]) -> KnowledgeReviewsPage:
    """A page of the reviews of the source that the path names."""
    name = call.path["source"]
    if not IS_ID.fullmatch(name) or await call.reader.source(call.tenant, name) is None:
        raise HttpProblem(SOURCE_UNKNOWN, "The twin has no source of this id.")
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.reviews(call.tenant, name, after, limit),
        {"ingestion": int},
    )
    assert call.position is not None
    return KnowledgeReviewsPage(
        tenant=call.tenant,
        position=call.position,
        items=[KnowledgeReview.model_validate(row) for row in rows],
        next_cursor=cursor,
    )
