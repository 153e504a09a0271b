"""
Usage: what settled calls used and cost, added up by a quarter of an hour.

A day begins where its twin's clock says, and every clock of the world is a whole number of quarters
of an hour from UTC: so the days of any time zone are sums of these rows, and a month of a million
calls is a few thousand of them. By product of a provider's it is kept for the deployment whose
session it was, as that was when the call was settled; and by session, opened or not.

Sums are `numeric`, so that absurd amounts of one twin cannot stop the shard that others share.

    Invariant: the sums of a quarter are those over its rows in the audit log.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from contracts.budget import CallSettled
from contracts.price_book import PriceBookSet
from contracts.session import SessionBegun
from projections.cells import copied, moment, text
from projections.projection import Append, Change, Commit, Write

NAME = "usage"
DEFINITION = 1
CHANGED: tuple[str, ...] = ("usage_sums", "usage_sessions", "usage_places")
QUARTER_US: Final = 900_000_000

_SUMS: Final = (
    "calls",
    "cost_nanos",
    "tokens_milli",
    "stream_ms_milli",
    "turns_milli",
    "requests",
)

TABLES = """
CREATE TABLE {schema}.usage_sums (
    tenant          text        NOT NULL,
    quarter         timestamptz NOT NULL,
    provider_id     text        NOT NULL,
    modality        text        NOT NULL,
    deployment      text        NOT NULL,
    price_version   integer     NOT NULL,
    calls           bigint      NOT NULL,
    cost_nanos      numeric     NOT NULL,
    tokens_milli    numeric     NOT NULL,
    stream_ms_milli numeric     NOT NULL,
    turns_milli     numeric     NOT NULL,
    requests        numeric     NOT NULL,
    PRIMARY KEY (tenant, quarter, provider_id, modality, deployment, price_version)
) WITH (fillfactor = 70);
CREATE TABLE {schema}.usage_sessions (
    tenant          text        NOT NULL,
    quarter         timestamptz NOT NULL,
    session_id      text        NOT NULL,
    price_version   integer     NOT NULL,
    calls           bigint      NOT NULL,
    cost_nanos      numeric     NOT NULL,
    tokens_milli    numeric     NOT NULL,
    stream_ms_milli numeric     NOT NULL,
    turns_milli     numeric     NOT NULL,
    requests        numeric     NOT NULL,
    PRIMARY KEY (tenant, quarter, session_id, price_version)
) WITH (fillfactor = 70);
CREATE TABLE {schema}.usage_places (
    tenant     text NOT NULL,
    session_id text NOT NULL,
    deployment text NOT NULL,
    PRIMARY KEY (tenant, session_id)
);
CREATE TABLE {schema}.usage_currencies (
    tenant        text    NOT NULL,
    price_version integer NOT NULL,
    currency      text    NOT NULL,
    PRIMARY KEY (tenant, price_version)
);
"""

_SHOWN: Final = ", ".join(f"u.{one}" for one in _SUMS)
VIEWS = {
    "usage_sums": f"""
SELECT u.tenant, u.quarter, u.provider_id, u.modality, nullif(u.deployment, '') AS deployment,
    u.price_version, c.currency, {_SHOWN}
FROM {{schema}}.usage_sums u LEFT JOIN {{schema}}.usage_currencies c USING (tenant, price_version)
""",  # noqa: S608 - constants
    "usage_sessions": f"""
SELECT u.tenant, u.quarter, u.session_id, u.price_version, c.currency, {_SHOWN}
FROM {{schema}}.usage_sessions u
LEFT JOIN {{schema}}.usage_currencies c USING (tenant, price_version)
""",  # noqa: S608 - constants
}

_ADDED: Final = ", ".join(f"{one} = u.{one} + excluded.{one}" for one in _SUMS)
_SUMMED: Final = ", ".join(f"sum(c.{one})" for one in _SUMS)
_TYPED: Final = ", ".join(f"{one} numeric" for one in _SUMS)
_NAMES: Final = ", ".join(_SUMS)
# A session that began in this batch has said where; of an older one it is looked up.
_ADD_SUMS: Final = f"""
INSERT INTO {{schema}}.usage_sums AS u
    (tenant, quarter, provider_id, modality, deployment, price_version, {_NAMES})
SELECT c.tenant, c.quarter, c.provider_id, c.modality, coalesce(c.deployment, p.deployment, ''),
    c.price_version, {_SUMMED}
FROM json_to_recordset(%s::json) AS c(
    tenant text, quarter timestamptz, provider_id text, modality text, session_id text,
    deployment text, price_version integer, {_TYPED})
LEFT JOIN {{schema}}.usage_places p
    ON c.deployment IS NULL AND p.tenant = c.tenant AND p.session_id = c.session_id
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (tenant, quarter, provider_id, modality, deployment, price_version)
    DO UPDATE SET {_ADDED}
"""  # noqa: S608 - constants
_ADD_SESSIONS: Final = f"""
INSERT INTO {{schema}}.usage_sessions AS u (tenant, quarter, session_id, price_version, {_NAMES})
SELECT c.tenant, c.quarter, c.session_id, c.price_version, {_SUMMED}
FROM json_to_recordset(%s::json) AS c(
    tenant text, quarter timestamptz, session_id text, price_version integer, {_TYPED})
WHERE c.session_id <> ''
GROUP BY 1, 2, 3, 4
ON CONFLICT (tenant, quarter, session_id, price_version) DO UPDATE SET {_ADDED}
"""  # noqa: S608 - constants
_SET_PLACES: Final = """
INSERT INTO {schema}.usage_places (tenant, session_id, deployment)
SELECT c.tenant, c.session_id, c.deployment
FROM json_to_recordset(%s::json) AS c(tenant text, session_id text, deployment text)
ON CONFLICT (tenant, session_id) DO UPDATE SET deployment = excluded.deployment
"""


class _Sums(msgspec.Struct, gc=False):
    """
    What a batch adds for one session and product in one quarter.

    *deployment* None: the session was begun before this batch, or there is none.
    """

    tenant: str
    quarter: str
    provider_id: str
    modality: str
    session_id: str
    deployment: str | None
    price_version: int
    calls: int = 0
    cost_nanos: int = 0
    tokens_milli: int = 0
    stream_ms_milli: int = 0
    turns_milli: int = 0
    requests: int = 0

    def add(self, event: CallSettled) -> None:
        """Count one more call."""
        units = event.units
        self.calls += 1
        self.cost_nanos += event.cost_nanos
        self.tokens_milli += units.tokens_milli
        self.stream_ms_milli += units.stream_ms_milli
        self.turns_milli += units.turns_milli
        self.requests += event.usage.requests


class _Row(msgspec.Struct, frozen=True, gc=False):
    """The same as the statements read it; sums are text, they may pass 64 bits."""

    tenant: str
    quarter: str
    provider_id: str
    modality: str
    session_id: str
    deployment: str | None
    price_version: int
    calls: int
    cost_nanos: str
    tokens_milli: str
    stream_ms_milli: str
    turns_milli: str
    requests: str


def _row(sums: _Sums) -> _Row:
    return _Row(
        sums.tenant,
        sums.quarter,
        text(sums.provider_id),
        sums.modality,
        text(sums.session_id),
        sums.deployment,
        sums.price_version,
        sums.calls,
        str(sums.cost_nanos),
        str(sums.tokens_milli),
        str(sums.stream_ms_milli),
        str(sums.turns_milli),
        str(sums.requests),
    )


class _Place(msgspec.Struct, frozen=True, gc=False):
    """Where a session is; empty: nowhere that has a name."""

    tenant: str
    session_id: str
    deployment: str


_Key: TypeAlias = tuple[str, int, str, str, str, str | None, int]


class Fold:
    """The sums of a batch, and where the sessions are that began in it."""

    def __init__(self) -> None:
        self._sums: dict[_Key, _Sums] = {}
        self._places: dict[tuple[str, str], _Place] = {}
        self._currencies: list[str] = []

    def add(self, commit: Commit) -> None:
        """See Folding."""
        for event in commit.events:
            if isinstance(event, CallSettled):
                self._settled(commit.tenant, event)
            elif isinstance(event, SessionBegun):
                key = (commit.tenant, event.session_id)
                self._places[key] = _Place(*key, event.deployment)
            elif isinstance(event, PriceBookSet):
                currency = copied(event.price_book.currency)
                self._currencies.append(f"{commit.tenant}\t{event.version}\t{currency}\n")

    def _settled(self, tenant: str, event: CallSettled) -> None:
        session_id = event.session_id or ""
        place = self._places.get((tenant, session_id))
        deployment = None if place is None else place.deployment
        quarter = event.at_us // QUARTER_US
        key = (
            tenant,
            quarter,
            event.provider_id,
            event.modality,
            session_id,
            deployment,
            event.price_version,
        )
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sums(tenant, moment(quarter * QUARTER_US), *key[2:])
        found.add(event)

    def writes(self) -> list[Write]:
        """See Folding."""
        sums = [_row(one) for one in self._sums.values()]
        return [
            Append("usage_currencies", ("tenant", "price_version", "currency"), self._currencies),
            # What is looked up is what was said before this batch.
            Change(_ADD_SUMS, sums),
            Change(_ADD_SESSIONS, sums),
            Change(_SET_PLACES, list(self._places.values())),
        ]
