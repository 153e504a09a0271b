"""
Knowledge: what became of each source, and which content of it the twin may use.

    Invariant: *approved_hash* is empty, or was the *draft_hash* under review when a person said so.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from contracts.knowledge import (
    IngestionAdvanced,
    IngestionBegun,
    IngestionFailed,
    IngestionStep,
    KnowledgeEvent,
    SourceAdded,
    SourceApproved,
    SourceIngested,
    SourceKind,
    SourceRejected,
    SourceRetired,
    SourceSubmitted,
    Stage,
)

SOURCES_MAX: Final = 1_000


class Source(msgspec.Struct, array_like=True):
    """
    One source as it is now.

    *ingestion* is the number of the current one, 0 before it has begun; *step* is how far it is and
    *kept* the hash of what it has so far. The draft is what that one has brought; its hash is empty
    when there is nothing to review. *upload* is the hash of the file that was brought last.
    *attempts* counts the beginnings since an ingestion last came a step further.
    """

    kind: SourceKind
    title: str
    stage: Stage = "pending"
    ingestion: int = 0
    draft_hash: str = ""
    draft_chunks: int = 0
    approved_hash: str = ""
    approved_chunks: int = 0
    approved_by: str = ""
    approved_at_us: int = 0
    upload: str = ""
    step: IngestionStep | Literal[""] = ""
    kept: str = ""
    draft_flags: int = 0
    attempts: int = 0


class State(msgspec.Struct, array_like=True):
    """Sources by their id, in the order in which they were added."""

    sources: dict[str, Source] = {}


def has_room(state: State) -> bool:
    """Whether one more source can be kept, a retired one being forgotten for it if need be."""
    return len(state.sources) < SOURCES_MAX or _oldest_retired(state) is not None


def _oldest_retired(state: State) -> str | None:
    return next((name for name, one in state.sources.items() if one.stage == "retired"), None)


def evolve(state: State, event: KnowledgeEvent) -> None:
    """Apply one fact about a source."""
    if isinstance(event, SourceAdded):
        _add(state, event)
        return
    found = state.sources[event.source]
    match event:
        case SourceApproved():
            _approve(found, event)
        case SourceRejected():
            found.stage = "rejected"
            _no_draft(found)
        case SourceRetired():
            _begin(found, "retired", 0)
            _keeps_nothing(found)
            found.approved_hash, found.approved_chunks = "", 0
            found.approved_by, found.approved_at_us = "", 0
        case _:
            _ingest(found, event)


def _ingest(found: Source, event: KnowledgeEvent) -> None:
    match event:
        case SourceSubmitted():
            _begin(found, "pending", 0)
            _keeps_nothing(found)
            found.upload = event.upload or found.upload
        case IngestionBegun():
            # It goes on where one that has died was.
            _begin(found, "ingesting", event.decision)
            found.attempts = event.attempt
        case IngestionAdvanced():
            found.step, found.kept = event.step, event.kept or found.kept
            found.attempts = 0
        case SourceIngested():
            found.stage = "review" if event.is_new else "approved"
            _keeps_nothing(found)
            if event.is_new:
                found.draft_hash, found.draft_chunks = event.content_hash, event.chunks
                found.draft_flags = event.flags
        case IngestionFailed():
            found.stage = "failed"
            _keeps_nothing(found)


def _approve(found: Source, event: SourceApproved) -> None:
    found.stage = "approved"
    _no_draft(found)
    found.approved_hash, found.approved_chunks = event.content_hash, event.chunks
    found.approved_by, found.approved_at_us = event.actor, event.at_us


def _add(state: State, event: SourceAdded) -> None:
    if len(state.sources) >= SOURCES_MAX:
        forgotten = _oldest_retired(state)
        assert forgotten is not None, "a source is added only where there is room"
        del state.sources[forgotten]
    state.sources[event.source] = Source(event.kind, event.title, upload=event.upload)


def _begin(found: Source, stage: Stage, ingestion: int) -> None:
    """Begin anew: nothing of an earlier draft may be approved by mistake."""
    found.stage, found.ingestion = stage, ingestion
    _no_draft(found)


def _no_draft(found: Source) -> None:
    found.draft_hash, found.draft_chunks, found.draft_flags = "", 0, 0


def _keeps_nothing(found: Source) -> None:
    found.step, found.kept, found.attempts = "", "", 0
