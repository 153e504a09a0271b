"""
Tenant secrets: which names and versions there are in each vault, who put and who opened them.

No value is here and no box: neither leaves the gate; *last_four* is the end of a long value.
*usable_until* is the time from which a version can be opened no more; null says that no end is
known. Every opening is counted, also one whose answer was lost and given again; the decisions list
them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.secret import (
    SecretOpened,
    SecretPut,
    SecretReopened,
    SecretRevoked,
    SecretRotated,
)
from projections.cells import moment, text
from projections.projection import Change, Commit, Write

NAME = "tenant_secrets"
DEFINITION = 2
CHANGED: tuple[str, ...] = ("tenant_secrets",)

TABLES = """
CREATE TABLE {schema}.tenant_secrets (
    tenant         text        NOT NULL,
    name           text        NOT NULL,
    version        integer     NOT NULL,
    state          text        NOT NULL CHECK (state IN ('current', 'replaced', 'revoked')),
    key_version    integer     NOT NULL,
    put_at         timestamptz NOT NULL,
    put_by         text        NOT NULL,
    usable_until   timestamptz,
    ended_by       text,
    reason         text,
    openings       bigint      NOT NULL,
    last_opened_at timestamptz,
    last_opened_by text,
    last_four      text        NOT NULL,
    position       bigint      NOT NULL,
    PRIMARY KEY (tenant, name, version)
) WITH (fillfactor = 80);
"""

VIEWS = {
    "tenant_secrets": """
SELECT tenant, name, version, state, key_version, put_at, put_by, usable_until, ended_by, reason,
    openings, last_opened_at, last_opened_by, last_four, position
FROM {schema}.tenant_secrets
""",
}

_CHANGE = """
MERGE INTO {schema}.tenant_secrets t
USING json_to_recordset(%s::json) AS c(
    tenant text, name text, version integer, state text, key_version integer, put_at timestamptz,
    put_by text, usable_until timestamptz, ended_by text, reason text, openings bigint,
    last_opened_at timestamptz, last_opened_by text, last_four text, position bigint)
ON t.tenant = c.tenant AND t.name = c.name AND t.version = c.version
WHEN MATCHED THEN UPDATE SET
    state = coalesce(c.state, t.state),
    usable_until = coalesce(c.usable_until, t.usable_until),
    ended_by = coalesce(c.ended_by, t.ended_by),
    reason = coalesce(c.reason, t.reason),
    openings = t.openings + c.openings,
    last_opened_at = coalesce(c.last_opened_at, t.last_opened_at),
    last_opened_by = coalesce(c.last_opened_by, t.last_opened_by),
    last_four = coalesce(c.last_four, t.last_four),
    position = c.position
WHEN NOT MATCHED THEN INSERT
    (tenant, name, version, state, key_version, put_at, put_by, usable_until, ended_by, reason,
     openings, last_opened_at, last_opened_by, last_four, position)
VALUES (c.tenant, c.name, c.version, c.state, c.key_version, c.put_at, c.put_by, c.usable_until,
    c.ended_by, c.reason, c.openings, c.last_opened_at, c.last_opened_by,
    coalesce(c.last_four, ''), c.position)
"""


class _Version(msgspec.Struct, gc=False):
    """What a batch changes of a version; null leaves it as it is."""

    tenant: str
    name: str
    version: int
    state: str | None = None
    key_version: int | None = None
    put_at: str | None = None
    put_by: str | None = None
    usable_until: str | None = None
    ended_by: str | None = None
    reason: str | None = None
    openings: int = 0
    last_opened_at: str | None = None
    last_opened_by: str | None = None
    last_four: str | None = None
    position: int = 0


class Fold:
    """What each version that the batch touches is after it."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str, int], _Version] = {}

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(self, commit, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [Change(_CHANGE, list(self._versions.values()))]

    def _version(self, commit: Commit, name: str, version: int) -> _Version:
        key = (commit.tenant, name, version)
        found = self._versions.get(key)
        if found is None:
            found = self._versions[key] = _Version(*key)
        found.position = commit.position
        return found

    def _stored(self, commit: Commit, event: SecretPut | SecretRotated) -> None:
        found = self._version(commit, event.name, event.version)
        found.state, found.key_version = "current", event.key_version
        found.put_at, found.put_by = moment(event.at_us), text(event.actor)
        found.last_four = text(event.last_four)
        if isinstance(event, SecretPut):
            for version in event.ended:
                self._end(commit, event, version, "replaced", event.at_us)
        else:
            self._end(commit, event, event.replaced, "replaced", event.replaced_until_us)

    def _revoked(self, commit: Commit, event: SecretRevoked) -> None:
        for version in event.versions:
            found = self._end(commit, event, version, "revoked", event.at_us)
            found.reason = text(event.reason)

    def _end(self, commit: Commit, event: Any, version: int, state: str, until_us: int) -> _Version:
        found = self._version(commit, event.name, version)
        found.state, found.usable_until = state, moment(until_us)
        found.ended_by = text(event.actor)
        return found

    def _opened(self, commit: Commit, event: SecretOpened | SecretReopened) -> None:
        found = self._version(commit, event.name, event.version)
        found.openings += 1
        found.last_opened_at, found.last_opened_by = moment(event.at_us), text(event.actor)


_APPLY: Mapping[type, Callable[[Fold, Commit, Any], None]] = {
    SecretPut: Fold._stored,  # noqa: SLF001 - the table of the class above
    SecretRotated: Fold._stored,  # noqa: SLF001
    SecretRevoked: Fold._revoked,  # noqa: SLF001
    SecretOpened: Fold._opened,  # noqa: SLF001
    SecretReopened: Fold._opened,  # noqa: SLF001
}
