"""Policies: every version that ever decided, as it was set."""

from __future__ import annotations

from contracts.policy import PolicySet
from projections.cells import json_text, moment, text, text_or_null
from projections.projection import Append, Commit, Row, Write

NAME = "policies"
DEFINITION = 1

TABLES = """
CREATE TABLE {schema}.policies (
    tenant      text        NOT NULL,
    version     integer     NOT NULL,
    policy      jsonb       NOT NULL,
    note        text,
    actor       text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    decision    bigint      NOT NULL,
    position    bigint      NOT NULL,
    PRIMARY KEY (tenant, version)
);
"""

VIEWS = {
    "policies": """
SELECT tenant, version, policy, note, actor, occurred_at, decision,
    tenant || '.' || decision AS decision_id, position
FROM {schema}.policies
""",
}

_COLUMNS = (
    "tenant",
    "version",
    "policy",
    "note",
    "actor",
    "occurred_at",
    "decision",
    "position",
)


class Fold:
    """A row for each version."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            if isinstance(event, PolicySet):
                self._rows.append(_row(commit, event))

    def writes(self) -> list[Write]:
        """See Folding."""
        return [Append("policies", _COLUMNS, self._rows)]


def _row(commit: Commit, event: PolicySet) -> Row:
    return (
        commit.tenant,
        event.version,
        json_text(event.policy),
        text_or_null(event.note),
        text(event.actor),
        moment(event.at_us),
        event.decision,
        commit.position,
    )
