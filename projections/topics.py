"""
Prohibited topics: every version of the list, and each time that one came into force.

Rows are only added, as those of the prompts.
"""

from __future__ import annotations

from contracts.topics import TopicsRolledBack, TopicsSet
from projections.cells import (
    NUMBER,
    TEXT,
    copied,
    copied_json,
    copied_or_null,
    line_of,
    moment,
)
from projections.projection import Append, Commit, Write

NAME = "topics"
DEFINITION = 1
CHANGED: tuple[str, ...] = ()

TABLES = """
CREATE TABLE {schema}.twin_prohibited_topics (
    tenant       text        NOT NULL,
    version      integer     NOT NULL,
    base_version integer     NOT NULL,
    topics       jsonb       NOT NULL,
    note         text,
    actor        text        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    decision     bigint      NOT NULL,
    position     bigint      NOT NULL,
    PRIMARY KEY (tenant, version)
);
CREATE TABLE {schema}.twin_topics_rollbacks (
    tenant           text        NOT NULL,
    decision         bigint      NOT NULL,
    version          integer     NOT NULL,
    previous_version integer     NOT NULL,
    reason           text,
    actor            text        NOT NULL,
    occurred_at      timestamptz NOT NULL,
    position         bigint      NOT NULL,
    PRIMARY KEY (tenant, decision)
);
"""

# Setting a list puts it into force; so the one in force is what the last decision of both named.
VIEWS = {
    "twin_prohibited_topics": """
SELECT t.tenant, t.version, t.base_version, t.topics, t.note, t.actor, t.occurred_at, t.decision,
    t.tenant || '.' || t.decision AS decision_id, t.position,
    t.version = (
        SELECT c.version FROM (
            (SELECT s.decision, s.version FROM {schema}.twin_prohibited_topics s
             WHERE s.tenant = t.tenant ORDER BY s.version DESC LIMIT 1)
            UNION ALL
            (SELECT r.decision, r.version FROM {schema}.twin_topics_rollbacks r
             WHERE r.tenant = t.tenant ORDER BY r.decision DESC LIMIT 1)
        ) c ORDER BY c.decision DESC LIMIT 1) AS active
FROM {schema}.twin_prohibited_topics t
""",
    "twin_topics_rollbacks": """
SELECT tenant, decision, tenant || '.' || decision AS decision_id, version, previous_version,
    reason, actor, occurred_at, position
FROM {schema}.twin_topics_rollbacks
""",
}

_VERSION = {
    "tenant": TEXT,
    "version": NUMBER,
    "base_version": NUMBER,
    "topics": TEXT,
    "note": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "decision": NUMBER,
    "position": NUMBER,
}
_ROLLBACK = {
    "tenant": TEXT,
    "decision": NUMBER,
    "version": NUMBER,
    "previous_version": NUMBER,
    "reason": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "position": NUMBER,
}
_VERSION_LINE, _ROLLBACK_LINE = line_of(_VERSION), line_of(_ROLLBACK)


class Fold:
    """A row for each version, and for each rollback to one."""

    def __init__(self) -> None:
        self._versions: list[str] = []
        self._rollbacks: list[str] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            if isinstance(event, TopicsSet):
                self._versions.append(_version(commit, event))
            elif isinstance(event, TopicsRolledBack):
                self._rollbacks.append(_rollback(commit, event))

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Append("twin_prohibited_topics", tuple(_VERSION), self._versions),
            Append("twin_topics_rollbacks", tuple(_ROLLBACK), self._rollbacks),
        ]


def _version(commit: Commit, event: TopicsSet) -> str:
    return _VERSION_LINE % (
        commit.tenant,
        event.version,
        event.base_version,
        copied_json(event.topics),
        copied_or_null(event.note),
        copied(event.actor),
        moment(event.at_us),
        event.decision,
        commit.position,
    )


def _rollback(commit: Commit, event: TopicsRolledBack) -> str:
    return _ROLLBACK_LINE % (
        commit.tenant,
        event.decision,
        event.version,
        event.previous_version,
        copied_or_null(event.reason),
        copied(event.actor),
        moment(event.at_us),
        commit.position,
    )
