"""What happens to a twin's sources, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from contracts.commit import AnyEvent
from contracts.knowledge import (
    IngestionAdvanced,
    IngestionBegun,
    IngestionFailed,
    SourceAdded,
    SourceApproved,
    SourceIngested,
    SourceRejected,
    SourceRetired,
    SourceSubmitted,
)
from services.audit.teller import Teller, because


def _added(event: SourceAdded, _tell: Teller) -> str:
    return (
        f"added source {event.source}: {event.kind} {event.title!r} at {event.location}"
        f"{because(event.note)}"
    )


def _submitted(event: SourceSubmitted, _tell: Teller) -> str:
    return f"asked to ingest source {event.source} again{because(event.note)}"


def _begun(event: IngestionBegun, _tell: Teller) -> str:
    return f"began ingestion {event.decision} of source {event.source}"


def _advanced(event: IngestionAdvanced, _tell: Teller) -> str:
    return f"ingestion {event.ingestion} of source {event.source} is {event.step}"


def _ingested(event: SourceIngested, _tell: Teller) -> str:
    what = "waits for review" if event.is_new else "is what is approved already"
    return (
        f"ingested source {event.source}: {event.chunks:,} chunks"
        f"{f', {event.flags} flags' if event.flags else ''}, content {event.content_hash}, {what}"
    )


def _failed(event: IngestionFailed, _tell: Teller) -> str:
    return f"could not ingest source {event.source}{because(event.reason)}"


def _approved(event: SourceApproved, _tell: Teller) -> str:
    return (
        f"{event.actor} approved source {event.source}, content {event.content_hash}"
        f"{f', having seen its {event.flags} flags' if event.flags else ''}"
        f"{because(event.note)}"
    )


def _rejected(event: SourceRejected, _tell: Teller) -> str:
    return (
        f"{event.actor} rejected source {event.source}, content {event.content_hash}"
        f"{because(event.note)}"
    )


def _retired(event: SourceRetired, _tell: Teller) -> str:
    return f"retired source {event.source}{because(event.note)}"


WORDS: Final[dict[type[AnyEvent], Callable[[Any, Teller], str]]] = {
    SourceAdded: _added,
    SourceSubmitted: _submitted,
    IngestionBegun: _begun,
    IngestionAdvanced: _advanced,
    SourceIngested: _ingested,
    IngestionFailed: _failed,
    SourceApproved: _approved,
    SourceRejected: _rejected,
    SourceRetired: _retired,
}
