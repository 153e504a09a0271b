"""
Approvals: what commits say about which content of each source may be used. Pure.

The log is folded into the least that has to be done: of a source that was approved, changed and
retired within a batch only the last word counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from contracts.knowledge import (
    SourceApproved,
    SourceIngested,
    SourceRejected,
    SourceRetired,
    SourceSubmitted,
)
from projections.projection import Commit
from services.projector.erasing import is_end


class Approved(msgspec.Struct, frozen=True):
    """What the log says of a source: *content_hash* was approved by decision *decision*."""

    tenant: str
    source: str
    content_hash: str
    chunks: int
    decision: int


class Change(msgspec.Struct):
    """
    What commits change of one source.

    *approved* is to be live instead of what is; *is_removed*: nothing is. Of the drafts only
    *draft* stays, "" for none; null leaves them.
    """

    approved: Approved | None = None
    is_removed: bool = False
    draft: str | None = None


class Approvals:
    """
    What commits, in log order, change. *ended* are the twins of which nothing may be left.
    """

    def __init__(self) -> None:
        self.sources: dict[tuple[str, str], Change] = {}
        self.ended: set[str] = set()

    def add(self, commit: Commit) -> None:
        """Take the next commit of the log."""
        if is_end(commit):
            self.ended.add(commit.tenant)
            self.sources = {k: c for k, c in self.sources.items() if k[0] != commit.tenant}
            return
        for event in commit.events:
            # Most events are of another noun, and are asked about once.
            apply = _APPLY.get(type(event))
            if apply is not None:
                key = (commit.tenant, event.source)  # type: ignore[union-attr]
                apply(self.sources.setdefault(key, Change()), commit.tenant, event)


def _approved(change: Change, tenant: str, event: SourceApproved) -> None:
    change.approved = Approved(
        tenant, event.source, event.content_hash, event.chunks, event.decision
    )
    change.is_removed, change.draft = False, ""


def _retired(change: Change, _tenant: str, _event: SourceRetired) -> None:
    change.approved, change.is_removed, change.draft = None, True, ""


def _ingested(change: Change, _tenant: str, event: SourceIngested) -> None:
    change.draft = event.content_hash if event.is_new else ""


def _void(change: Change, _tenant: str, _event: SourceSubmitted | SourceRejected) -> None:
    change.draft = ""


_APPLY: Final[Mapping[type, Callable[[Change, str, Any], None]]] = {
    SourceApproved: _approved,
    SourceRetired: _retired,
    SourceIngested: _ingested,
    SourceSubmitted: _void,
    SourceRejected: _void,
}
