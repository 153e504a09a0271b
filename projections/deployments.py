"""
Deployments: where each twin is shown now, and every text that had to be disclosed there.

The disclosures are kept in all their versions, because each admission in the log names the one that
its visitor was to be shown.
"""

from __future__ import annotations

from typing import get_args

import msgspec

from contracts.deployment import (
    DeploymentChanged,
    DeploymentCreated,
    DeploymentDisabled,
    DeploymentEnabled,
    DeploymentEvent,
    DeploymentTerms,
    DisclosureSet,
    VisitorAdmitted,
)
from projections.cells import (
    NUMBER,
    TEXT,
    copied,
    copied_name,
    copied_or_null,
    line_of,
    moment,
    text,
)
from projections.projection import Append, Change, Commit, Write

NAME = "deployments"
DEFINITION = 1
CHANGED: tuple[str, ...] = ("twin_deployments",)

TABLES = """
CREATE TABLE {schema}.twin_deployments (
    tenant             text        NOT NULL,
    deployment         text        NOT NULL,
    version            integer     NOT NULL,
    surface            text        NOT NULL,
    ceiling            text        NOT NULL CHECK (ceiling IN ('video', 'voice', 'text')),
    origins            jsonb       NOT NULL,
    mints_per_minute   integer     NOT NULL,
    expires_at         timestamptz,
    enabled            boolean     NOT NULL,
    disclosure_version integer     NOT NULL,
    disclosure         text        NOT NULL,
    language           text        NOT NULL,
    admitted           bigint      NOT NULL,
    last_admitted_at   timestamptz,
    created_at         timestamptz NOT NULL,
    changed_at         timestamptz NOT NULL,
    changed_by         text        NOT NULL,
    position           bigint      NOT NULL,
    PRIMARY KEY (tenant, deployment)
) WITH (fillfactor = 50);
CREATE TABLE {schema}.twin_disclosures (
    tenant      text        NOT NULL,
    deployment  text        NOT NULL,
    version     integer     NOT NULL,
    disclosure  text        NOT NULL,
    language    text        NOT NULL,
    note        text,
    actor       text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    decision    bigint      NOT NULL,
    position    bigint      NOT NULL,
    PRIMARY KEY (tenant, deployment, version)
);
"""

VIEWS = {
    "twin_deployments": """
SELECT tenant, deployment, version, surface, ceiling, origins, mints_per_minute, expires_at,
    enabled, disclosure_version, disclosure, language, admitted, last_admitted_at, created_at,
    changed_at, changed_by, position
FROM {schema}.twin_deployments
""",
    "twin_disclosures": """
SELECT tenant, deployment, version, disclosure, language, note, actor, occurred_at, decision,
    tenant || '.' || decision AS decision_id, position
FROM {schema}.twin_disclosures
""",
}

_CHANGE = """
MERGE INTO {schema}.twin_deployments d
USING json_to_recordset(%s::json) AS c(
    tenant text, deployment text, version integer, surface text, ceiling text, origins jsonb,
    mints_per_minute integer, expires_at timestamptz, enabled boolean, disclosure_version integer,
    disclosure text, language text, admitted bigint, last_admitted_at timestamptz,
    created_at timestamptz, changed_at timestamptz, changed_by text, position bigint)
ON d.tenant = c.tenant AND d.deployment = c.deployment
WHEN MATCHED THEN UPDATE SET
    version = coalesce(c.version, d.version),
    surface = coalesce(c.surface, d.surface),
    ceiling = coalesce(c.ceiling, d.ceiling),
    origins = coalesce(c.origins, d.origins),
    mints_per_minute = coalesce(c.mints_per_minute, d.mints_per_minute),
    -- A version of the terms says all of them, that there is no end included.
    expires_at = CASE WHEN c.version IS NULL THEN d.expires_at ELSE c.expires_at END,
    enabled = coalesce(c.enabled, d.enabled),
    disclosure_version = coalesce(c.disclosure_version, d.disclosure_version),
    disclosure = coalesce(c.disclosure, d.disclosure),
    language = coalesce(c.language, d.language),
    admitted = d.admitted + c.admitted,
    last_admitted_at = coalesce(c.last_admitted_at, d.last_admitted_at),
    changed_at = coalesce(c.changed_at, d.changed_at),
    changed_by = coalesce(c.changed_by, d.changed_by),
    position = c.position
WHEN NOT MATCHED THEN INSERT
    (tenant, deployment, version, surface, ceiling, origins, mints_per_minute, expires_at, enabled,
     disclosure_version, disclosure, language, admitted, last_admitted_at, created_at, changed_at,
     changed_by, position)
VALUES (c.tenant, c.deployment, c.version, c.surface, c.ceiling, c.origins, c.mints_per_minute,
    c.expires_at, c.enabled, c.disclosure_version, c.disclosure, c.language, c.admitted,
    c.last_admitted_at, c.created_at, c.changed_at, c.changed_by, c.position)
"""

_DISCLOSURE = {
    "tenant": TEXT,
    "deployment": TEXT,
    "version": NUMBER,
    "disclosure": TEXT,
    "language": TEXT,
    "note": TEXT,
    "actor": TEXT,
    "occurred_at": TEXT,
    "decision": NUMBER,
    "position": NUMBER,
}
_LINE = line_of(_DISCLOSURE)


_OURS = frozenset(get_args(DeploymentEvent))


class _Deployment(msgspec.Struct, gc=False):
    """What a batch changes of a deployment; null leaves it as it is, *admitted* is added."""

    tenant: str
    deployment: str
    version: int | None = None
    surface: str | None = None
    ceiling: str | None = None
    origins: list[str] | None = None
    mints_per_minute: int | None = None
    expires_at: str | None = None
    enabled: bool | None = None
    disclosure_version: int | None = None
    disclosure: str | None = None
    language: str | None = None
    admitted: int = 0
    last_admitted_at: str | None = None
    created_at: str | None = None
    changed_at: str | None = None
    changed_by: str | None = None
    position: int = 0


class Fold:
    """What each deployment of the batch is after it, and the disclosures that are new."""

    def __init__(self) -> None:
        self._deployments: dict[tuple[str, str], _Deployment] = {}
        self._disclosures: list[str] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            # Most events are of another noun, and are asked about once.
            if type(event) not in _OURS:
                continue
            match event:
                case VisitorAdmitted():
                    row = self._row(commit, event.deployment)
                    row.admitted += 1
                    row.last_admitted_at = moment(event.at_us)
                case DeploymentCreated():
                    row = self._changed(commit, event)
                    row.created_at, row.enabled = row.changed_at, False
                    _terms(row, event.version, event.terms)
                    self._disclose(commit, event, 1)
                case DeploymentChanged():
                    _terms(self._changed(commit, event), event.version, event.terms)
                case DisclosureSet():
                    self._changed(commit, event)
                    self._disclose(commit, event, event.version)
                case DeploymentEnabled() | DeploymentDisabled():
                    row = self._changed(commit, event)
                    row.enabled = isinstance(event, DeploymentEnabled)
                case _:
                    pass

    def writes(self) -> list[Write]:
        """See Folding."""
        return [
            Change(_CHANGE, list(self._deployments.values())),
            Append("twin_disclosures", tuple(_DISCLOSURE), self._disclosures),
        ]

    def _row(self, commit: Commit, deployment: str) -> _Deployment:
        key = (commit.tenant, deployment)
        row = self._deployments.get(key)
        if row is None:
            row = self._deployments[key] = _Deployment(*key)
        row.position = commit.position
        return row

    def _changed(
        self,
        commit: Commit,
        event: DeploymentCreated
        | DeploymentChanged
        | DisclosureSet
        | DeploymentEnabled
        | DeploymentDisabled,
    ) -> _Deployment:
        row = self._row(commit, event.deployment)
        row.changed_at, row.changed_by = moment(event.at_us), text(event.actor)
        return row

    def _disclose(
        self, commit: Commit, event: DeploymentCreated | DisclosureSet, version: int
    ) -> None:
        row = self._row(commit, event.deployment)
        row.disclosure_version = version
        row.disclosure, row.language = text(event.text), event.language
        self._disclosures.append(
            _LINE
            % (
                commit.tenant,
                copied_name(event.deployment),
                version,
                copied(event.text),
                copied_name(event.language),
                copied_or_null(event.note),
                copied(event.actor),
                moment(event.at_us),
                event.decision,
                commit.position,
            )
        )


def _terms(row: _Deployment, version: int, terms: DeploymentTerms) -> None:
    row.version, row.surface, row.ceiling = version, terms.surface, terms.ceiling
    row.origins = list(terms.origins)
    row.mints_per_minute = terms.mints_per_minute
    row.expires_at = None if terms.expires_at_us is None else moment(terms.expires_at_us)
