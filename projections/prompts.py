"""
System prompts: every version as it was saved, and each time that one went live.

Rows are only added. Which version is live is the last activation, so the view says it.
"""

from __future__ import annotations

from contracts.prompt import PromptActivated, PromptRolledBack, PromptSaved
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

NAME = "prompts"
DEFINITION = 1
CHANGED: tuple[str, ...] = ()

TABLES = """
CREATE TABLE {schema}.twin_system_prompts (
    tenant       text        NOT NULL,
    version      integer     NOT NULL,
    base_version integer     NOT NULL,
    text         text        NOT NULL,
    variables    jsonb       NOT NULL,
    note         text,
    actor        text        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    decision     bigint      NOT NULL,
    position     bigint      NOT NULL,
    PRIMARY KEY (tenant, version)
);
CREATE TABLE {schema}.twin_prompt_activations (
    tenant           text        NOT NULL,
    decision         bigint      NOT NULL,
    version          integer     NOT NULL,
    previous_version integer     NOT NULL,
    rolled_back      boolean     NOT NULL,
    reason           text,
    actor            text        NOT NULL,
    occurred_at      timestamptz NOT NULL,
    position         bigint      NOT NULL,
    PRIMARY KEY (tenant, decision)
);
"""

VIEWS = {
    "twin_system_prompts": """
SELECT p.tenant, p.version, p.base_version, p.text, p.variables, p.note, p.actor, p.occurred_at,
    p.decision, p.tenant || '.' || p.decision AS decision_id, p.position,
    p.version = coalesce((
        SELECT a.version FROM {schema}.twin_prompt_activations a WHERE a.tenant = p.tenant
        ORDER BY a.decision DESC LIMIT 1), 0) AS active
FROM {schema}.twin_system_prompts p
""",
    "twin_prompt_activations": """
SELECT tenant, decision, tenant || '.' || decision AS decision_id, version, previous_version,
    rolled_back, reason, actor, occurred_at, position
FROM {schema}.twin_prompt_activations
""",
}

_VERSION = {
    "tenant": TEXT,
    "version": NUMBER,
    "base_version": NUMBER,
    "text": TEXT,
    "variables": TEXT,
    "note": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "decision": NUMBER,
    "position": NUMBER,
}
_ACTIVATION = {
    "tenant": TEXT,
    "decision": NUMBER,
    "version": NUMBER,
    "previous_version": NUMBER,
    "rolled_back": TEXT,
    "reason": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "position": NUMBER,
}
_VERSION_LINE, _ACTIVATION_LINE = line_of(_VERSION), line_of(_ACTIVATION)


class Fold:
    """A row for each version, and for each time that one went live."""

    def __init__(self) -> None:
        self._versions: list[str] = []
        self._activations: list[str] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            if isinstance(event, PromptSaved):
                self._versions.append(_version(commit, event))
            elif isinstance(event, PromptActivated | PromptRolledBack):
                self._activations.append(_activation(commit, event))

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Append("twin_system_prompts", tuple(_VERSION), self._versions),
            Append("twin_prompt_activations", tuple(_ACTIVATION), self._activations),
        ]


def _version(commit: Commit, event: PromptSaved) -> str:
    return _VERSION_LINE % (
        commit.tenant,
        event.version,
        event.base_version,
        copied(event.text),
        copied_json(event.variables),
        copied_or_null(event.note),
        copied(event.actor),
        moment(event.at_us),
        event.decision,
        commit.position,
    )


def _activation(commit: Commit, event: PromptActivated | PromptRolledBack) -> str:
    return _ACTIVATION_LINE % (
        commit.tenant,
        event.decision,
        event.version,
        event.previous_version,
        "t" if isinstance(event, PromptRolledBack) else "f",
        copied_or_null(event.reason),
        copied(event.actor),
        moment(event.at_us),
        commit.position,
    )
