"""
What a twin may know: sources, and the content of each that a person has approved.

    pending -> ingesting -> review -> approved | rejected      retired, from anywhere
                         -> failed

A source is ingested because a person asked for it, and what came out is only a draft, pinned by its
hash. A person approves exactly that hash. While a later draft is made and reviewed, the content
that was approved before stays the approved one; no other content may ever be used.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from contracts.message import (
    ID_PATTERN,
    Command,
    Event,
    NotedCommand,
    Prose,
    UnixUs,
    check_lines,
    check_prose,
    line,
    whole,
)

SourceKind: TypeAlias = Literal["pdf", "youtube", "web", "api", "text"]
Stage: TypeAlias = Literal[
    "pending", "ingesting", "review", "approved", "rejected", "failed", "retired"
]
SourceId: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=whole(ID_PATTERN), description="chosen when it is added")
]
ContentHash: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=whole("[0-9a-f]{64}"), description="SHA-256 of the content, lower-case hexadecimal"
    ),
]
Location: TypeAlias = Annotated[
    str,
    line(2_000),
    msgspec.Meta(description="address of a youtube, web or api source; file name of a pdf or text"),
]
IngestionNumber: TypeAlias = Annotated[
    int,
    msgspec.Meta(
        ge=1, le=1_000_000_000_000_000, description="of the answer to knowledge.begin_ingestion"
    ),
]
Chunks: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]

# -- Commands ----------------------------------------------------------------


class AddSource(NotedCommand, frozen=True, kw_only=True):
    """Name a source and ask for its ingestion."""

    source: SourceId
    kind: SourceKind
    title: Annotated[str, line(200)]
    location: Location

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lines(title=self.title, location=self.location)


class SubmitSource(NotedCommand, frozen=True, kw_only=True):
    """Ask for a new ingestion, because the source has changed or the last one came to nothing."""

    source: SourceId


class BeginIngestion(Command, frozen=True, kw_only=True):
    """The ingesting service takes the source up. What an earlier beginning reports is void."""

    source: SourceId


class ReportIngested(Command, frozen=True, kw_only=True):
    """The content is here, as a draft: its hash, its chunks, and a summary for who reviews it."""

    source: SourceId
    ingestion: IngestionNumber
    content_hash: ContentHash
    chunks: Chunks
    summary: Prose

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(summary=self.summary)


class ReportFailed(Command, frozen=True, kw_only=True):
    """The content could not be had."""

    source: SourceId
    ingestion: IngestionNumber
    reason: Prose

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class ApproveSource(NotedCommand, frozen=True, kw_only=True):
    """A person has reviewed the draft with this hash: the twin may use exactly that."""

    source: SourceId
    content_hash: ContentHash


class RejectSource(NotedCommand, frozen=True, kw_only=True):
    """A person has reviewed the draft with this hash: the twin may not use it."""

    source: SourceId
    content_hash: ContentHash


class RetireSource(NotedCommand, frozen=True, kw_only=True):
    """The twin may use nothing of this source any more; it cannot be approved again."""

    source: SourceId


KnowledgeCommand: TypeAlias = (
    AddSource
    | SubmitSource
    | BeginIngestion
    | ReportIngested
    | ReportFailed
    | ApproveSource
    | RejectSource
    | RetireSource
)


# -- Events ------------------------------------------------------------------


class SourceAdded(Event, frozen=True):
    """A source is known and waits for its ingestion."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    kind: SourceKind
    title: str
    location: str
    note: str
    actor: str


class SourceSubmitted(Event, frozen=True):
    """A new ingestion was asked for. The draft before it is void; what is approved stays."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    note: str
    actor: str


class IngestionBegun(Event, frozen=True):
    """An ingestion is under way; its number is that of this decision."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    actor: str


class SourceIngested(Event, frozen=True):
    """
    Ingestion *ingestion* has brought content with this hash.

    When *is_new* it waits for a person's review; otherwise it is what is approved already.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    ingestion: int
    content_hash: str
    chunks: int
    summary: str
    is_new: bool
    actor: str


class IngestionFailed(Event, frozen=True):
    """Ingestion *ingestion* has brought nothing."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    ingestion: int
    reason: str
    actor: str


class SourceApproved(Event, frozen=True):
    """The content with this hash, of this ingestion, is what the twin may use of the source."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    ingestion: int
    content_hash: str
    chunks: int
    note: str
    actor: str


class SourceRejected(Event, frozen=True):
    """The draft with this hash may not be used. What was approved before stays."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    ingestion: int
    content_hash: str
    note: str
    actor: str


class SourceRetired(Event, frozen=True):
    """Nothing of the source may be used any more."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    note: str
    actor: str


KnowledgeEvent: TypeAlias = (
    SourceAdded
    | SourceSubmitted
    | IngestionBegun
    | SourceIngested
    | IngestionFailed
    | SourceApproved
    | SourceRejected
    | SourceRetired
)
