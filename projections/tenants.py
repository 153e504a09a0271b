"""
Tenants: what each twin is now, and how much of its log the tables show.

*position* is the last commit that is projected; a reader who waits for a position waits for it.
A twin that was erased shows as `erased`: its name, where its log is and how far it goes. Everything
else of the row is emptied, and its rows of all other tables go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.account import PlatformFounded
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.tenant import (
    PLATFORM_NAME,
    TenantErased,
    TenantProvisioned,
    TenantResumed,
    TenantSuspended,
)
from contracts.twin import TwinRetired, TwinSignedOff
from projections.cells import moment, text
from projections.projection import Change, Commit, Write

NAME = "tenants"
DEFINITION = 2
CHANGED: tuple[str, ...] = ("tenants",)

TABLES = """
CREATE TABLE {schema}.tenants (
    tenant         text        PRIMARY KEY,
    shard          integer     NOT NULL,
    status         text        NOT NULL
        CHECK (status IN ('absent', 'provisioned', 'active', 'suspended', 'asleep', 'retired',
            'erased')),
    reason         text        NOT NULL,
    display_name   text        NOT NULL,
    organisation   text        NOT NULL,
    currency       text        NOT NULL,
    time_zone      text        NOT NULL,
    policy_version integer     NOT NULL,
    price_version  integer     NOT NULL,
    provisioned_at timestamptz,
    position       bigint      NOT NULL,
    last_commit_at timestamptz NOT NULL
) WITH (fillfactor = 50);
"""

VIEWS = {
    "tenants": """
SELECT tenant, shard, status, reason, display_name, organisation, currency, time_zone,
    policy_version, price_version, provisioned_at, position, last_commit_at
FROM {schema}.tenants
""",
}

_CHANGE = """
MERGE INTO {schema}.tenants t
USING json_to_recordset(%s::json) AS c(
    tenant text, shard integer, status text, reason text, display_name text, organisation text,
    currency text, time_zone text, policy_version integer, price_version integer,
    provisioned_at timestamptz, position bigint, last_commit_at timestamptz)
ON t.tenant = c.tenant
WHEN MATCHED THEN UPDATE SET
    status = coalesce(c.status, t.status),
    reason = coalesce(c.reason, t.reason),
    display_name = coalesce(c.display_name, t.display_name),
    organisation = coalesce(c.organisation, t.organisation),
    currency = coalesce(c.currency, t.currency),
    time_zone = coalesce(c.time_zone, t.time_zone),
    policy_version = coalesce(c.policy_version, t.policy_version),
    price_version = coalesce(c.price_version, t.price_version),
    provisioned_at = CASE WHEN c.status = 'erased' THEN NULL
        ELSE coalesce(c.provisioned_at, t.provisioned_at) END,
    position = c.position,
    last_commit_at = c.last_commit_at
WHEN NOT MATCHED THEN INSERT
    (tenant, shard, status, reason, display_name, organisation, currency, time_zone,
     policy_version, price_version, provisioned_at, position, last_commit_at)
VALUES (c.tenant, c.shard, coalesce(c.status, 'absent'), coalesce(c.reason, ''),
    coalesce(c.display_name, ''), coalesce(c.organisation, ''), coalesce(c.currency, ''),
    coalesce(c.time_zone, ''), coalesce(c.policy_version, 0), coalesce(c.price_version, 0),
    c.provisioned_at, c.position, c.last_commit_at)
"""


class _Tenant(msgspec.Struct, gc=False):
    """What a batch changes of a twin; null leaves it as it is."""

    tenant: str
    shard: int
    status: str | None = None
    reason: str | None = None
    display_name: str | None = None
    organisation: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    policy_version: int | None = None
    price_version: int | None = None
    provisioned_at: str | None = None
    position: int = 0
    last_commit_at: str | None = None


class Fold:
    """What each twin of the batch is after it."""

    def __init__(self) -> None:
        self._twins: dict[str, _Tenant] = {}

    def add(self, commit: Commit) -> None:
        """See Folding."""
        twin = self._twins.get(commit.tenant)
        if twin is None:
            twin = self._twins[commit.tenant] = _Tenant(commit.tenant, commit.shard)
        twin.position, twin.last_commit_at = commit.position, moment(commit.at_us)
        if commit.erased:
            _empty(twin)
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(twin, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        return [Change(_CHANGE, list(self._twins.values()))]


def _provisioned(twin: _Tenant, event: TenantProvisioned) -> None:
    twin.status = "active" if event.activation == "immediate" else "provisioned"
    twin.reason = ""
    twin.display_name = text(event.display_name)
    twin.organisation = text(event.organisation)
    twin.provisioned_at = moment(event.at_us)


def _founded(twin: _Tenant, _event: PlatformFounded) -> None:
    twin.status, twin.display_name = "active", PLATFORM_NAME


def _empty(twin: _Tenant) -> None:
    twin.status, twin.reason = "erased", ""
    twin.display_name = twin.organisation = twin.currency = twin.time_zone = ""
    twin.policy_version = twin.price_version = 0
    twin.provisioned_at = None


def _erased(twin: _Tenant, _event: TenantErased) -> None:
    _empty(twin)


def _suspended(twin: _Tenant, event: TenantSuspended) -> None:
    twin.status, twin.reason = event.mode, text(event.reason)


def _resumed(twin: _Tenant, event: TenantResumed) -> None:
    twin.status, twin.reason = event.status, text(event.reason)


def _signed_off(twin: _Tenant, event: TwinSignedOff) -> None:
    # Of a suspended twin the reason stays, with the suspension.
    twin.status = event.status


def _retired(twin: _Tenant, event: TwinRetired) -> None:
    twin.status, twin.reason = "retired", text(event.reason)


def _policy_set(twin: _Tenant, event: PolicySet) -> None:
    twin.policy_version = event.version
    twin.currency = event.policy.currency
    twin.time_zone = text(event.policy.time_zone)


def _prices_set(twin: _Tenant, event: PriceBookSet) -> None:
    twin.price_version = event.version


# By type and not by `match`: most events are of none of these, and are asked about once.
_APPLY: Mapping[type, Callable[[_Tenant, Any], None]] = {
    PlatformFounded: _founded,
    PolicySet: _policy_set,
    PriceBookSet: _prices_set,
    TenantErased: _erased,
    TenantProvisioned: _provisioned,
    TenantResumed: _resumed,
    TenantSuspended: _suspended,
    TwinRetired: _retired,
    TwinSignedOff: _signed_off,
}
