"""
What a twin may know: sources, and the content of each that a person has approved.

    pending -> ingesting -> review -> approved | rejected      retired, from anywhere
               |  fetching, reading, cutting, embedding
               +-----> failed

A source is ingested because a person asked for it, and what came out is only a draft, pinned by its
hash. A person approves exactly that hash. While a later draft is made and reviewed, the content
that was approved before stays the approved one; no other content may ever be used.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

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

SourceKind: TypeAlias = Literal["pdf", "youtube", "web", "api", "text", "docx", "html", "markdown"]
# What is brought as a file, rather than fetched from an address.
UPLOADS: Final[frozenset[SourceKind]] = frozenset(("pdf", "docx", "html", "markdown", "text"))
# What an ingestion does, in this order; each is told once.
IngestionStep: TypeAlias = Literal["fetching", "reading", "cutting", "embedding"]
STEPS: Final[tuple[IngestionStep, ...]] = ("fetching", "reading", "cutting", "embedding")
FailureCode: TypeAlias = Literal[
    # of the address, and of what answers there
    "address_refused",
    "not_found",
    "unreachable",
    "blocked",
    "too_slow",
    "transcripts_disabled",
    "video_unavailable",
    # of what came
    "too_large",
    "wrong_type",
    "encrypted",
    "damaged",
    "no_text",
    "too_many_pages",
    "too_deep",
    "too_much_memory",
    # of money and of us
    "not_authorised",
    "stopped",
]
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
    msgspec.Meta(
        description="address of a youtube, web or api source; file name of any other kind"
    ),
]
IngestionNumber: TypeAlias = Annotated[
    int,
    msgspec.Meta(
        ge=1, le=1_000_000_000_000_000, description="of the answer to knowledge.begin_ingestion"
    ),
]
Chunks: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Counted: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
LanguageTag: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=whole("([a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?"))
]

# -- Commands ----------------------------------------------------------------


class AddSource(NotedCommand, frozen=True, kw_only=True):
    """
    Name a source and ask for its ingestion.

    *upload* is the SHA-256 of the file that was brought for it; only what is no address has one.
    """

    source: SourceId
    kind: SourceKind
    title: Annotated[str, line(200)]
    location: Location
    upload: ContentHash | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lines(title=self.title, location=self.location)


class SubmitSource(NotedCommand, frozen=True, kw_only=True):
    """
    Ask for a new ingestion, because the source has changed or the last one came to nothing.

    *upload* is the SHA-256 of the new file of a source that is one; without it, the last is read
    again.
    """

    source: SourceId
    upload: ContentHash | None = None


class BeginIngestion(Command, frozen=True, kw_only=True):
    """
    The ingesting service takes the source up. What an earlier beginning reports is void.

    Taken up where an earlier one has died, it goes on with what that one had kept.
    """

    source: SourceId


class ReportProgress(Command, frozen=True, kw_only=True):
    """
    The ingestion has come to *step*; each step is told once, and none after a later one.

    *kept* is the SHA-256 of what the steps before it brought, where that is kept: who takes the
    source up after a crash goes on from there.
    """

    source: SourceId
    ingestion: IngestionNumber
    step: IngestionStep
    kept: ContentHash | None = None


class ReportIngested(Command, frozen=True, kw_only=True):
    """
    The content is here, as a draft: its hash, its chunks, and a summary for who reviews it.

    *flags* counts what whoever approves must have seen: hidden text, instructions to the model.
    """

    source: SourceId
    ingestion: IngestionNumber
    content_hash: ContentHash
    chunks: Chunks
    summary: Prose
    language: LanguageTag = ""
    pages: Counted = 0
    flags: Counted = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(summary=self.summary)


class ReportFailed(Command, frozen=True, kw_only=True):
    """The content could not be had: *code* for programs, *reason* for people."""

    source: SourceId
    ingestion: IngestionNumber
    reason: Prose
    code: FailureCode | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_prose(reason=self.reason)


class ApproveSource(NotedCommand, frozen=True, kw_only=True):
    """
    A person has reviewed the draft with this hash: the twin may use exactly that.

    *flags_seen* says how many flags of it they have seen: all of them, or it is refused.
    """

    source: SourceId
    content_hash: ContentHash
    flags_seen: Counted = 0


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
    | ReportProgress
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
    upload: str = ""


class SourceSubmitted(Event, frozen=True):
    """
    A new ingestion was asked for. The draft before it is void; what is approved stays.

    *upload* is the new file, if one was brought.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    note: str
    actor: str
    upload: str = ""


class IngestionBegun(Event, frozen=True):
    """
    An ingestion is under way; its number is that of this decision.

    *attempt* counts the beginnings since it last came a step further: who was taken up again and
    again, and never ended, has something in it that nobody survives.
    """

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    actor: str
    attempt: int = 1


class IngestionAdvanced(Event, frozen=True):
    """Ingestion *ingestion* is at *step*; *kept* is the hash of what it has so far, or empty."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    ingestion: int
    step: IngestionStep
    kept: str
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
    language: str = ""
    pages: int = 0
    flags: int = 0


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
    code: str = ""


class SourceApproved(Event, frozen=True):
    """
    The content with this hash, of this ingestion, is what the twin may use of the source.

    It has *flags* flags, and who approved it has said that they were seen. *changes_bundle*: agents
    get it with their bundle; what was approved before knowledge was in the bundle has it not.
    """

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
    flags: int = 0
    changes_bundle: bool = False


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
    """Nothing of the source may be used any more. *changes_bundle*: agents had it."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    source: str
    note: str
    actor: str
    changes_bundle: bool = False


KnowledgeEvent: TypeAlias = (
    SourceAdded
    | SourceSubmitted
    | IngestionBegun
    | IngestionAdvanced
    | SourceIngested
    | IngestionFailed
    | SourceApproved
    | SourceRejected
    | SourceRetired
)
