"""
Holds: money set aside for calls, and what became of it.

*amount_nanos* is everything that was ever held for the call, extensions included; it stays as it
was when the hold closes, and *state* says why nothing of it is held any more. A settlement that
comes after the expiry turns `expired` into `settled`, with *late* set.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from contracts.budget import (
    CallAuthorized,
    CallSettled,
    HoldExtended,
    HoldReleased,
    HoldsExpired,
)
from projections.cells import moment, text_or_null
from projections.projection import Append, Change, Commit, Row, Write

NAME = "holds"
DEFINITION = 1

TABLES = """
CREATE TABLE {schema}.holds (
    tenant          text        NOT NULL,
    reservation     bigint      NOT NULL,
    state           text        NOT NULL
        CHECK (state IN ('open', 'settled', 'released', 'expired')),
    period          text        NOT NULL,
    modality        text        NOT NULL,
    provider_id     text        NOT NULL,
    sku             text        NOT NULL,
    session_id      text,
    amount_nanos    bigint      NOT NULL,
    credit_nanos    bigint      NOT NULL,
    tokens_milli    bigint      NOT NULL,
    stream_ms_milli bigint      NOT NULL,
    turns_milli     bigint      NOT NULL,
    requests_milli  bigint      NOT NULL,
    extensions      integer     NOT NULL,
    granted_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    closed_at       timestamptz,
    settlement      bigint,
    late            boolean     NOT NULL,
    position        bigint      NOT NULL,
    PRIMARY KEY (tenant, reservation)
) WITH (fillfactor = 80);
CREATE INDEX ON {schema}.holds (tenant, expires_at) WHERE state = 'open';
"""

VIEWS = {
    "holds": """
SELECT tenant, reservation, tenant || '.' || reservation AS reservation_id, state, period,
    modality, provider_id, sku, session_id, amount_nanos, credit_nanos, tokens_milli,
    stream_ms_milli, turns_milli, requests_milli, extensions, granted_at, expires_at, closed_at,
    settlement, tenant || '.' || settlement AS settlement_id, late, position
FROM {schema}.holds
""",
}

_COLUMNS = (
    "tenant",
    "reservation",
    "state",
    "period",
    "modality",
    "provider_id",
    "sku",
    "session_id",
    "amount_nanos",
    "credit_nanos",
    "tokens_milli",
    "stream_ms_milli",
    "turns_milli",
    "requests_milli",
    "extensions",
    "granted_at",
    "expires_at",
    "closed_at",
    "settlement",
    "late",
    "position",
)

_CHANGE = """
UPDATE {schema}.holds h SET
    state = coalesce(c.state, h.state),
    amount_nanos = h.amount_nanos + c.amount_nanos,
    credit_nanos = h.credit_nanos + c.credit_nanos,
    tokens_milli = h.tokens_milli + c.tokens_milli,
    stream_ms_milli = h.stream_ms_milli + c.stream_ms_milli,
    turns_milli = h.turns_milli + c.turns_milli,
    requests_milli = h.requests_milli + c.requests_milli,
    extensions = h.extensions + c.extensions,
    expires_at = coalesce(c.expires_at, h.expires_at),
    closed_at = coalesce(c.closed_at, h.closed_at),
    settlement = coalesce(c.settlement, h.settlement),
    late = h.late OR c.late,
    position = c.position
FROM json_to_recordset(%s::json) AS c(
    tenant text, reservation bigint, state text, amount_nanos bigint, credit_nanos bigint,
    tokens_milli bigint, stream_ms_milli bigint, turns_milli bigint, requests_milli bigint,
    extensions integer, expires_at timestamptz, closed_at timestamptz, settlement bigint,
    late boolean, position bigint)
WHERE h.tenant = c.tenant AND h.reservation = c.reservation
"""


class _Hold(msgspec.Struct, gc=False):
    """
    What a batch does to one hold.

    *grant* is set when the batch also opens it; otherwise the numbers are what is added.
    """

    tenant: str
    reservation: int
    state: str | None = None
    amount_nanos: int = 0
    credit_nanos: int = 0
    tokens_milli: int = 0
    stream_ms_milli: int = 0
    turns_milli: int = 0
    requests_milli: int = 0
    extensions: int = 0
    expires_at: datetime | None = None
    closed_at: datetime | None = None
    settlement: int | None = None
    late: bool = False
    position: int = 0


class _Batch:
    """The holds that a batch of commits touches, in the order in which it first touches them."""

    def __init__(self) -> None:
        self.holds: dict[tuple[str, int], _Hold] = {}
        self.grants: dict[tuple[str, int], CallAuthorized] = {}

    def touch(self, commit: Commit, reservation: int) -> _Hold:
        key = (commit.tenant, reservation)
        hold = self.holds.get(key)
        if hold is None:
            hold = self.holds[key] = _Hold(commit.tenant, reservation)
        hold.position = commit.position
        return hold

    def rows(self) -> list[Row]:
        return [_row(self.holds[key], grant) for key, grant in self.grants.items()]

    def changes(self) -> list[_Hold]:
        return [hold for key, hold in self.holds.items() if key not in self.grants]


def writes(commits: Sequence[Commit]) -> list[Write]:
    """Return the holds that opened, and the changes of those that were open before."""
    batch = _Batch()
    for commit in commits:
        for event in commit.events:
            _apply(batch, commit, event)
    return [
        Append("holds", _COLUMNS, batch.rows()),
        Change(_CHANGE, batch.changes(), all_match=True),
    ]


def _apply(batch: _Batch, commit: Commit, event: object) -> None:
    match event:
        case CallAuthorized():
            _more(batch.touch(commit, event.decision), event)
            batch.grants[commit.tenant, event.decision] = event
        case CallSettled():
            hold = batch.touch(commit, event.reservation)
            _close(hold, "settled", event.at_us)
            hold.settlement, hold.late = event.decision, event.late
        case HoldExtended():
            hold = batch.touch(commit, event.reservation)
            _more(hold, event)
            hold.extensions += 1
        case HoldReleased():
            _close(batch.touch(commit, event.reservation), "released", event.at_us)
        case HoldsExpired():
            for gone in event.holds:
                _close(batch.touch(commit, gone.reservation), "expired", event.at_us)
        case _:
            pass


def _more(hold: _Hold, event: CallAuthorized | HoldExtended) -> None:
    hold.amount_nanos += event.amount_nanos
    hold.credit_nanos += event.credit_nanos
    hold.tokens_milli += event.units.tokens_milli
    hold.stream_ms_milli += event.units.stream_ms_milli
    hold.turns_milli += event.units.turns_milli
    hold.requests_milli += event.units.requests_milli
    hold.expires_at = moment(event.expires_at_us)


def _close(hold: _Hold, state: str, at_us: int) -> None:
    hold.state, hold.closed_at = state, moment(at_us)


def _row(hold: _Hold, grant: CallAuthorized) -> Row:
    return (
        hold.tenant,
        hold.reservation,
        hold.state or "open",
        grant.period,
        grant.modality,
        grant.provider_id,
        grant.sku,
        text_or_null(grant.session_id),
        hold.amount_nanos,
        hold.credit_nanos,
        hold.tokens_milli,
        hold.stream_ms_milli,
        hold.turns_milli,
        hold.requests_milli,
        hold.extensions,
        moment(grant.at_us),
        hold.expires_at,
        hold.closed_at,
        hold.settlement,
        hold.late,
        hold.position,
    )
