"""
Sessions: each one that was opened, how it went, what it cost by leg, and how it ended.

A leg is what a modality was paid for: text is the language model, voice and video are streams, data
is what was looked up. Costs and turns are those that were settled since the session was opened,
also after its end. Denials are the calls of it that were refused and listed; those of a flood are
only counted, of the twin as a whole. An id that comes back after it was forgotten goes on as the
same row, with a new beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.budget import CallAuthorized, CallRefused, CallSettled, HoldExtended
from contracts.session import (
    DisclosureShown,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsEnded,
    SessionStepped,
)
from projections.cells import moment, text
from projections.projection import Change, Commit, Write

NAME = "sessions"
DEFINITION = 2
CHANGED: tuple[str, ...] = ("twin_sessions",)

TABLES = """
CREATE TABLE {schema}.twin_sessions (
    tenant             text        NOT NULL,
    session_id         text        NOT NULL,
    decision           bigint      NOT NULL,
    deployment         text,
    wanted             text        NOT NULL,
    modality           text        NOT NULL CHECK (modality IN ('video', 'voice', 'text')),
    state              text        NOT NULL CHECK (state IN ('open', 'ended')),
    reason             text,
    note               text,
    began_at           timestamptz NOT NULL,
    opened_by          text        NOT NULL,
    beat_at            timestamptz NOT NULL,
    ended_at           timestamptz,
    ended_by           text,
    disclosure_version integer,
    disclosed_at       timestamptz,
    steps              integer     NOT NULL,
    grants             bigint      NOT NULL,
    denials            bigint      NOT NULL,
    settlements        bigint      NOT NULL,
    turns              bigint      NOT NULL,
    text_nanos         bigint      NOT NULL,
    voice_nanos        bigint      NOT NULL,
    video_nanos        bigint      NOT NULL,
    data_nanos         bigint      NOT NULL,
    bundle_revision    bigint      NOT NULL,
    bundle_hash        text        NOT NULL,
    identity_version   integer     NOT NULL,
    policy_version     integer     NOT NULL,
    price_version      integer     NOT NULL,
    knowledge_sources  integer     NOT NULL,
    knowledge_hash     text        NOT NULL,
    knowledge          jsonb       NOT NULL,
    position           bigint      NOT NULL,
    PRIMARY KEY (tenant, session_id)
) WITH (fillfactor = 70);
CREATE INDEX ON {schema}.twin_sessions (tenant, began_at, decision);
CREATE INDEX ON {schema}.twin_sessions (tenant, decision) WHERE state = 'open';
"""

VIEWS = {
    "twin_sessions": """
SELECT tenant, session_id, decision, tenant || '.' || decision AS decision_id, deployment, wanted,
    modality, state, reason, note, began_at, opened_by, beat_at, ended_at, ended_by,
    disclosure_version, disclosed_at, steps, grants, denials, settlements, turns,
    text_nanos, voice_nanos, video_nanos, data_nanos,
    text_nanos + voice_nanos + video_nanos + data_nanos AS cost_nanos,
    bundle_revision, bundle_hash, identity_version, policy_version, price_version,
    knowledge_sources, knowledge_hash, knowledge, position
FROM {schema}.twin_sessions
""",
}

# Whoever has *decision* has a beginning, and with it all that a session begins with.
_CHANGE = """
MERGE INTO {schema}.twin_sessions s
USING json_to_recordset(%s::json) AS c(
    tenant text, session_id text, decision bigint, deployment text, wanted text, modality text,
    state text, reason text, note text, began_at timestamptz, opened_by text, beat_at timestamptz,
    ended_at timestamptz, ended_by text, disclosure_version integer, disclosed_at timestamptz,
    steps integer, grants bigint, denials bigint, settlements bigint, turns bigint,
    text_nanos bigint, voice_nanos bigint, video_nanos bigint, data_nanos bigint,
    bundle_revision bigint, bundle_hash text, identity_version integer, policy_version integer,
    price_version integer, knowledge_sources integer, knowledge_hash text, knowledge jsonb,
    position bigint)
ON s.tenant = c.tenant AND s.session_id = c.session_id
WHEN MATCHED AND c.decision IS NULL THEN UPDATE SET
    modality = coalesce(c.modality, s.modality),
    state = coalesce(c.state, s.state),
    reason = coalesce(c.reason, s.reason),
    note = coalesce(c.note, s.note),
    beat_at = coalesce(c.beat_at, s.beat_at),
    ended_at = coalesce(c.ended_at, s.ended_at),
    ended_by = coalesce(c.ended_by, s.ended_by),
    disclosed_at = coalesce(c.disclosed_at, s.disclosed_at),
    steps = s.steps + c.steps,
    grants = s.grants + c.grants,
    denials = s.denials + c.denials,
    settlements = s.settlements + c.settlements,
    turns = s.turns + c.turns,
    text_nanos = s.text_nanos + c.text_nanos,
    voice_nanos = s.voice_nanos + c.voice_nanos,
    video_nanos = s.video_nanos + c.video_nanos,
    data_nanos = s.data_nanos + c.data_nanos,
    position = c.position
WHEN MATCHED THEN UPDATE SET
    decision = c.decision, deployment = c.deployment, wanted = c.wanted, modality = c.modality,
    state = c.state, reason = c.reason, note = c.note, began_at = c.began_at,
    opened_by = c.opened_by, beat_at = c.beat_at, ended_at = c.ended_at, ended_by = c.ended_by,
    disclosure_version = c.disclosure_version, disclosed_at = c.disclosed_at,
    steps = s.steps + c.steps,
    grants = s.grants + c.grants,
    denials = s.denials + c.denials,
    settlements = s.settlements + c.settlements,
    turns = s.turns + c.turns,
    text_nanos = s.text_nanos + c.text_nanos,
    voice_nanos = s.voice_nanos + c.voice_nanos,
    video_nanos = s.video_nanos + c.video_nanos,
    data_nanos = s.data_nanos + c.data_nanos,
    bundle_revision = c.bundle_revision, bundle_hash = c.bundle_hash,
    identity_version = c.identity_version, policy_version = c.policy_version,
    price_version = c.price_version, knowledge_sources = c.knowledge_sources,
    knowledge_hash = c.knowledge_hash, knowledge = c.knowledge, position = c.position
WHEN NOT MATCHED AND c.decision IS NOT NULL THEN INSERT
    (tenant, session_id, decision, deployment, wanted, modality, state, reason, note, began_at,
     opened_by, beat_at, ended_at, ended_by, disclosure_version, disclosed_at, steps, grants,
     denials, settlements, turns, text_nanos, voice_nanos, video_nanos, data_nanos,
     bundle_revision, bundle_hash, identity_version, policy_version, price_version,
     knowledge_sources, knowledge_hash, knowledge, position)
VALUES (c.tenant, c.session_id, c.decision, c.deployment, c.wanted, c.modality, c.state, c.reason,
    c.note, c.began_at, c.opened_by, c.beat_at, c.ended_at, c.ended_by, c.disclosure_version,
    c.disclosed_at, c.steps, c.grants, c.denials, c.settlements, c.turns, c.text_nanos,
    c.voice_nanos, c.video_nanos, c.data_nanos, c.bundle_revision, c.bundle_hash,
    c.identity_version, c.policy_version, c.price_version, c.knowledge_sources, c.knowledge_hash,
    c.knowledge, c.position)
"""


class _Session(msgspec.Struct, gc=False):
    """What a batch changes of a session; null leaves it as it is, numbers are added."""

    tenant: str
    session_id: str
    decision: int | None = None
    deployment: str | None = None
    wanted: str | None = None
    modality: str | None = None
    state: str | None = None
    reason: str | None = None
    note: str | None = None
    began_at: str | None = None
    opened_by: str | None = None
    beat_at: str | None = None
    ended_at: str | None = None
    ended_by: str | None = None
    disclosure_version: int | None = None
    disclosed_at: str | None = None
    steps: int = 0
    grants: int = 0
    denials: int = 0
    settlements: int = 0
    turns: int = 0
    text_nanos: int = 0
    voice_nanos: int = 0
    video_nanos: int = 0
    data_nanos: int = 0
    bundle_revision: int | None = None
    bundle_hash: str | None = None
    identity_version: int | None = None
    policy_version: int | None = None
    price_version: int | None = None
    knowledge_sources: int | None = None
    knowledge_hash: str | None = None
    knowledge: list[dict[str, str]] | None = None
    position: int = 0


class Fold:
    """What each session of the batch is after it."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], _Session] = {}
        # What came before a session began in this batch is its own only if there is a row already.
        self._before: dict[tuple[str, str], _Session] = {}

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(self, commit, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [Change(_CHANGE, list(rows.values())) for rows in (self._before, self._sessions)]

    def begin(self, commit: Commit, session_id: str) -> _Session:
        """Return the row of a session that begins here."""
        key = (commit.tenant, session_id)
        if key in self._sessions and self._sessions[key].decision is None:
            self._before[key] = self._sessions.pop(key)
        return self.row(commit, session_id)

    def row(self, commit: Commit, session_id: str) -> _Session:
        """Return what is noted of a session that this commit changes."""
        key = (commit.tenant, session_id)
        row = self._sessions.get(key)
        if row is None:
            row = self._sessions[key] = _Session(*key)
        row.position = commit.position
        return row


# -- calls of a session, opened or not; of one that was not, nothing is written -------


def _granted(fold: Fold, commit: Commit, event: CallAuthorized) -> None:
    if event.session_id:
        row = fold.row(commit, event.session_id)
        row.grants += 1
        row.beat_at = moment(event.at_us)


def _extended(fold: Fold, commit: Commit, event: HoldExtended) -> None:
    if event.session_id:
        fold.row(commit, event.session_id).beat_at = moment(event.at_us)


def _refused(fold: Fold, commit: Commit, event: CallRefused) -> None:
    if event.session_id:
        fold.row(commit, event.session_id).denials += 1


def _settled(fold: Fold, commit: Commit, event: CallSettled) -> None:
    if not event.session_id:
        return
    row = fold.row(commit, event.session_id)
    row.settlements += 1
    row.turns += event.usage.turns
    match event.modality:
        case "text":
            row.text_nanos += event.cost_nanos
        case "voice":
            row.voice_nanos += event.cost_nanos
        case "video":
            row.video_nanos += event.cost_nanos
        case "data":
            row.data_nanos += event.cost_nanos


# -- the session itself ------------------------------------------------------------


def _begun(fold: Fold, commit: Commit, event: SessionBegun) -> None:
    row = fold.begin(commit, event.session_id)
    row.decision, row.began_at = event.decision, moment(event.at_us)
    row.beat_at, row.opened_by = row.began_at, text(event.actor)
    row.wanted = row.modality = event.modality
    row.deployment = event.deployment or None
    row.state = "open"
    row.reason = row.note = row.ended_at = row.ended_by = row.disclosed_at = None
    row.disclosure_version = event.disclosure_version or None
    row.bundle_revision, row.bundle_hash = event.bundle_revision, event.bundle_hash
    row.identity_version = event.identity_version
    row.policy_version, row.price_version = event.policy_version, event.price_version
    row.knowledge_sources, row.knowledge_hash = event.knowledge_sources, event.knowledge_hash
    row.knowledge = [
        {"source": pinned.source, "content_hash": pinned.content_hash} for pinned in event.knowledge
    ]


def _disclosed(fold: Fold, commit: Commit, event: DisclosureShown) -> None:
    fold.row(commit, event.session_id).disclosed_at = moment(event.at_us)


def _renewed(fold: Fold, commit: Commit, event: SessionRenewed) -> None:
    fold.row(commit, event.session_id).beat_at = moment(event.at_us)


def _stepped(fold: Fold, commit: Commit, event: SessionStepped) -> None:
    row = fold.row(commit, event.session_id)
    row.modality = event.modality
    row.steps += 1


def _ended(fold: Fold, commit: Commit, event: SessionEnded) -> None:
    row = fold.row(commit, event.session_id)
    row.state, row.reason, row.ended_at = "ended", event.reason, moment(event.at_us)
    row.note, row.ended_by = text(event.note) or None, text(event.actor)


def _killed(fold: Fold, commit: Commit, event: SessionKilled) -> None:
    row = fold.row(commit, event.session_id)
    row.state, row.reason, row.ended_at = "ended", "killed", moment(event.at_us)
    row.note, row.ended_by = text(event.note) or None, text(event.actor)


def _many_ended(fold: Fold, commit: Commit, event: SessionsEnded) -> None:
    for gone in event.sessions:
        row = fold.row(commit, gone.session_id)
        row.state, row.reason, row.ended_at = "ended", gone.reason, moment(event.at_us)


_APPLY: Mapping[type, Callable[[Fold, Commit, Any], None]] = {
    CallAuthorized: _granted,
    HoldExtended: _extended,
    CallRefused: _refused,
    CallSettled: _settled,
    SessionBegun: _begun,
    DisclosureShown: _disclosed,
    SessionRenewed: _renewed,
    SessionStepped: _stepped,
    SessionEnded: _ended,
    SessionKilled: _killed,
    SessionsEnded: _many_ended,
}
