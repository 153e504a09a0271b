"""Policies: every version that ever decided, as it was set."""

from __future__ import annotations

from contracts.policy import PolicySet
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

NAME = "policies"
DEFINITION = 1
CHANGED: tuple[str, ...] = ()

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

_COLUMNS = {
    "tenant": TEXT,
    "version": NUMBER,
    "policy": TEXT,
    "note": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "decision": NUMBER,
    "position": NUMBER,
}
_LINE = line_of(_COLUMNS)


class Fold:
    """A row for each version."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            if isinstance(event, PolicySet):
                self._lines.append(_line(commit, event))

    def writes(self) -> list[Write]:
        """See Folding."""
        return [Append("policies", tuple(_COLUMNS), self._lines)]


def _line(commit: Commit, event: PolicySet) -> str:
    return _LINE % (
        commit.tenant,
        event.version,
        copied_json(event.policy),
        copied_or_null(event.note),
        copied(event.actor),
        moment(event.at_us),
        event.decision,
        commit.position,
    )
