"""
Knowledge: what became of each source, and which content of it the twin may use.

    Invariant: *approved_hash* is empty, or was the *draft_hash* under review when a person said so.
"""

from __future__ import annotations

from typing import Final

import msgspec

from contracts.knowledge import (
    IngestionBegun,
    IngestionFailed,
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

    *ingestion* is the number of the current one, 0 before it has begun. The draft is what that one
    has brought; its hash is empty when there is nothing to review.
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
        case SourceSubmitted():
            _begin(found, "pending", 0)
        case IngestionBegun():
            _begin(found, "ingesting", event.decision)
        case SourceIngested():
            found.stage = "review" if event.is_new else "approved"
            if event.is_new:
                found.draft_hash, found.draft_chunks = event.content_hash, event.chunks
        case IngestionFailed():
            found.stage = "failed"
        case SourceApproved():
            found.stage = "approved"
            found.draft_hash, found.draft_chunks = "", 0
            found.approved_hash, found.approved_chunks = event.content_hash, event.chunks
            found.approved_by, found.approved_at_us = event.actor, event.at_us
        case SourceRejected():
            found.stage = "rejected"
            found.draft_hash, found.draft_chunks = "", 0
        case SourceRetired():
            _begin(found, "retired", 0)
            found.approved_hash, found.approved_chunks = "", 0
            found.approved_by, found.approved_at_us = "", 0


def _add(state: State, event: SourceAdded) -> None:
    if len(state.sources) >= SOURCES_MAX:
        forgotten = _oldest_retired(state)
        assert forgotten is not None, "a source is added only where there is room"
        del state.sources[forgotten]
    state.sources[event.source] = Source(event.kind, event.title)


def _begin(found: Source, stage: Stage, ingestion: int) -> None:
    """Begin anew: nothing of an earlier draft may be approved by mistake."""
    found.stage, found.ingestion = stage, ingestion
    found.draft_hash, found.draft_chunks = "", 0
