"""
Knowledge: the sources of each twin, and everything that was ever put before a person for review.

What may be used of a source is the content *approved_hash* of the view, and nothing when it is
null. A row of *twin_knowledge_reviews* is one draft, with what became of it: null while it waits,
and for ever when another draft took its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.knowledge import (
    IngestionAdvanced,
    IngestionBegun,
    IngestionFailed,
    KnowledgeEvent,
    SourceAdded,
    SourceApproved,
    SourceIngested,
    SourceRejected,
    SourceRetired,
    SourceSubmitted,
)
from projections.cells import NUMBER, TEXT, copied, copied_name, line_of, moment, text
from projections.projection import Append, Change, Commit, Write

NAME = "knowledge"
DEFINITION = 2
CHANGED: tuple[str, ...] = ("twin_knowledge_sources", "twin_knowledge_reviews")

TABLES = """
CREATE TABLE {schema}.twin_knowledge_sources (
    tenant     text        NOT NULL,
    source     text        NOT NULL,
    kind       text        NOT NULL,
    title      text        NOT NULL,
    location   text        NOT NULL,
    stage      text        NOT NULL CHECK (stage IN ('pending', 'ingesting', 'review', 'approved',
                                                     'rejected', 'failed', 'retired')),
    reason     text        NOT NULL,
    ingestion  bigint      NOT NULL,
    draft      bigint      NOT NULL,
    approved   bigint      NOT NULL,
    added_by   text        NOT NULL,
    added_at   timestamptz NOT NULL,
    changed_by text        NOT NULL,
    changed_at timestamptz NOT NULL,
    upload     text        NOT NULL,
    step       text        NOT NULL,
    kept       text        NOT NULL,
    code       text        NOT NULL,
    position   bigint      NOT NULL,
    PRIMARY KEY (tenant, source)
) WITH (fillfactor = 50);
CREATE INDEX ON {schema}.twin_knowledge_sources (changed_at)
    WHERE stage IN ('pending', 'ingesting');
CREATE TABLE {schema}.twin_knowledge_reviews (
    tenant       text        NOT NULL,
    source       text        NOT NULL,
    ingestion    bigint      NOT NULL,
    content_hash text        NOT NULL,
    chunks       integer     NOT NULL,
    summary      text        NOT NULL,
    language     text        NOT NULL,
    pages        integer     NOT NULL,
    flags        integer     NOT NULL,
    ingested_by  text        NOT NULL,
    ingested_at  timestamptz NOT NULL,
    outcome      text CHECK (outcome IN ('approved', 'rejected')),
    note         text,
    decided_by   text,
    decided_at   timestamptz,
    decision     bigint,
    position     bigint      NOT NULL,
    PRIMARY KEY (tenant, source, ingestion)
) WITH (fillfactor = 70);
"""

VIEWS = {
    "twin_knowledge_sources": """
SELECT s.tenant, s.source, s.kind, s.title, s.location, s.stage, nullif(s.reason, '') AS reason,
    nullif(s.ingestion, 0) AS ingestion,
    nullif(s.upload, '') AS upload, nullif(s.step, '') AS step, nullif(s.kept, '') AS kept,
    nullif(s.code, '') AS code,
    d.content_hash AS draft_hash, d.chunks AS draft_chunks, d.summary AS draft_summary,
    nullif(d.language, '') AS draft_language, d.pages AS draft_pages, d.flags AS draft_flags,
    a.content_hash AS approved_hash, a.chunks AS approved_chunks, a.summary AS approved_summary,
    a.decided_by AS approved_by, a.decided_at AS approved_at,
    s.added_by, s.added_at, s.changed_by, s.changed_at, s.position
FROM {schema}.twin_knowledge_sources s
LEFT JOIN {schema}.twin_knowledge_reviews d
    ON d.tenant = s.tenant AND d.source = s.source AND d.ingestion = s.draft
LEFT JOIN {schema}.twin_knowledge_reviews a
    ON a.tenant = s.tenant AND a.source = s.source AND a.ingestion = s.approved
""",
    "twin_knowledge_reviews": """
SELECT tenant, source, ingestion, content_hash, chunks, summary,
    language, pages, flags, ingested_by, ingested_at, outcome,
    note, decided_by, decided_at, decision, tenant || '.' || decision AS decision_id, position
FROM {schema}.twin_knowledge_reviews
""",
}

_CHANGE = """
MERGE INTO {schema}.twin_knowledge_sources s
USING json_to_recordset(%s::json) AS c(
    tenant text, source text, kind text, title text, location text, stage text, reason text,
    ingestion bigint, draft bigint, approved bigint, added_by text, added_at timestamptz,
    changed_by text, changed_at timestamptz, upload text, step text, kept text, code text,
    position bigint)
ON s.tenant = c.tenant AND s.source = c.source
WHEN MATCHED THEN UPDATE SET
    kind = coalesce(c.kind, s.kind),
    title = coalesce(c.title, s.title),
    location = coalesce(c.location, s.location),
    stage = c.stage,
    reason = c.reason,
    ingestion = coalesce(c.ingestion, s.ingestion),
    draft = coalesce(c.draft, s.draft),
    approved = coalesce(c.approved, s.approved),
    added_by = coalesce(c.added_by, s.added_by),
    added_at = coalesce(c.added_at, s.added_at),
    changed_by = c.changed_by,
    changed_at = c.changed_at,
    upload = coalesce(c.upload, s.upload),
    step = coalesce(c.step, s.step),
    kept = coalesce(c.kept, s.kept),
    code = c.code,
    position = c.position
WHEN NOT MATCHED THEN INSERT
    (tenant, source, kind, title, location, stage, reason, ingestion, draft, approved, added_by,
     added_at, changed_by, changed_at, upload, step, kept, code, position)
VALUES (c.tenant, c.source, c.kind, c.title, c.location, c.stage, c.reason, c.ingestion, c.draft,
    c.approved, c.added_by, c.added_at, c.changed_by, c.changed_at, c.upload, c.step, c.kept,
    c.code, c.position)
"""

_DECIDE = """
UPDATE {schema}.twin_knowledge_reviews r SET
    outcome = c.outcome,
    note = c.note,
    decided_by = c.decided_by,
    decided_at = c.decided_at,
    decision = c.decision,
    position = c.position
FROM json_to_recordset(%s::json) AS c(
    tenant text, source text, ingestion bigint, outcome text, note text, decided_by text,
    decided_at timestamptz, decision bigint, position bigint)
WHERE r.tenant = c.tenant AND r.source = c.source AND r.ingestion = c.ingestion
"""

_REVIEW = {
    "tenant": TEXT,
    "source": TEXT,
    "ingestion": NUMBER,
    "content_hash": TEXT,
    "chunks": NUMBER,
    "summary": TEXT,
    "language": TEXT,
    "pages": NUMBER,
    "flags": NUMBER,
    "ingested_by": TEXT,
    "ingested_at": TEXT,
    "position": NUMBER,
}
_LINE = line_of(_REVIEW)


class _Source(msgspec.Struct, gc=False):
    """
    What a batch changes of a source; null leaves it as it is.

    *ingestion*, *draft* and *approved* are the numbers of ingestions, 0 for none. *step* and *kept*
    say how far one is, for who takes it up after a crash.
    """

    tenant: str
    source: str
    kind: str | None = None
    title: str | None = None
    location: str | None = None
    stage: str = ""
    reason: str = ""
    ingestion: int | None = None
    draft: int | None = None
    approved: int | None = None
    added_by: str | None = None
    added_at: str | None = None
    changed_by: str = ""
    changed_at: str = ""
    upload: str | None = None
    step: str | None = None
    kept: str | None = None
    code: str = ""
    position: int = 0


class _Outcome(msgspec.Struct, gc=False):
    """What a person said to a draft."""

    tenant: str
    source: str
    ingestion: int
    outcome: str
    note: str | None
    decided_by: str
    decided_at: str
    decision: int
    position: int


class Fold:
    """What each source of the batch is after it, the new drafts, and what was said to drafts."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, str], _Source] = {}
        self._drafts: list[str] = []
        self._outcomes: list[_Outcome] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            # Most events are of another noun, and are asked about once.
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(self, commit, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Change(_CHANGE, list(self._sources.values())),
            Append("twin_knowledge_reviews", tuple(_REVIEW), self._drafts),
            Change(_DECIDE, self._outcomes, all_match=True),
        ]

    def added(self, commit: Commit, event: SourceAdded) -> None:
        row = self._at(commit, event, "pending")
        row.kind, row.title = event.kind, text(event.title)
        row.location = text(event.location)
        row.added_by, row.added_at = row.changed_by, row.changed_at
        row.ingestion = row.draft = row.approved = 0
        row.upload, row.step, row.kept = event.upload, "", ""

    def submitted(self, commit: Commit, event: SourceSubmitted) -> None:
        row = self._at(commit, event, "pending")
        row.ingestion = row.draft = 0
        row.step = row.kept = ""
        row.upload = event.upload or row.upload

    def begun(self, commit: Commit, event: IngestionBegun) -> None:
        self._at(commit, event, "ingesting").ingestion = event.decision

    def advanced(self, commit: Commit, event: IngestionAdvanced) -> None:
        row = self._at(commit, event, "ingesting")
        row.step, row.kept = event.step, event.kept or row.kept

    def ingested(self, commit: Commit, event: SourceIngested) -> None:
        row = self._at(commit, event, "review" if event.is_new else "approved")
        row.step = row.kept = ""
        if not event.is_new:
            return
        row.draft = event.ingestion
        self._drafts.append(
            _LINE
            % (
                commit.tenant,
                copied_name(event.source),
                event.ingestion,
                copied(event.content_hash),
                event.chunks,
                copied(event.summary),
                copied(event.language),
                event.pages,
                event.flags,
                copied(event.actor),
                moment(event.at_us),
                commit.position,
            )
        )

    def failed(self, commit: Commit, event: IngestionFailed) -> None:
        row = self._at(commit, event, "failed")
        row.reason, row.code = text(event.reason), event.code
        row.step = row.kept = ""

    def approved(self, commit: Commit, event: SourceApproved) -> None:
        row = self._at(commit, event, "approved")
        row.draft, row.approved = 0, event.ingestion
        self._decided(commit, event, "approved")

    def rejected(self, commit: Commit, event: SourceRejected) -> None:
        row = self._at(commit, event, "rejected")
        row.draft, row.reason = 0, text(event.note)
        self._decided(commit, event, "rejected")

    def retired(self, commit: Commit, event: SourceRetired) -> None:
        row = self._at(commit, event, "retired")
        row.ingestion = row.draft = row.approved = 0
        row.step = row.kept = ""
        row.reason = text(event.note)

    def _at(self, commit: Commit, event: KnowledgeEvent, stage: str) -> _Source:
        """The row of the source that an event brings to *stage*."""
        key = (commit.tenant, event.source)
        row = self._sources.get(key)
        if row is None:
            row = self._sources[key] = _Source(*key)
        row.stage, row.reason, row.code, row.position = stage, "", "", commit.position
        row.changed_by, row.changed_at = text(event.actor), moment(event.at_us)
        return row

    def _decided(
        self, commit: Commit, event: SourceApproved | SourceRejected, outcome: str
    ) -> None:
        self._outcomes.append(
            _Outcome(
                commit.tenant,
                event.source,
                event.ingestion,
                outcome,
                text(event.note) or None,
                text(event.actor),
                moment(event.at_us),
                event.decision,
                commit.position,
            )
        )


_APPLY: Mapping[type, Callable[[Fold, Commit, Any], None]] = {
    SourceAdded: Fold.added,
    SourceSubmitted: Fold.submitted,
    IngestionBegun: Fold.begun,
    IngestionAdvanced: Fold.advanced,
    SourceIngested: Fold.ingested,
    IngestionFailed: Fold.failed,
    SourceApproved: Fold.approved,
    SourceRejected: Fold.rejected,
    SourceRetired: Fold.retired,
}
