"""
Holds: money set aside for calls, and what became of it.

*amount_nanos* is everything that was ever held for the call, extensions included; it stays as it
was when the hold closes, and *state* says why nothing of it is held any more. A settlement that
comes after the expiry turns `expired` into `settled`, with *late* set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from contracts.budget import (
    CallAuthorized,
    CallSettled,
    HoldExtended,
    HoldReleased,
    HoldsExpired,
)
from projections.cells import (
    NULL,
    NUMBER,
    TEXT,
    copied_name,
    line_of,
    moment,
    name_or_null,
)
from projections.projection import Append, Change, Commit, Write

NAME = "holds"
DEFINITION = 1
CHANGED: tuple[str, ...] = ("holds",)

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


class _Opened(msgspec.Struct, gc=False):
    """A hold that the batch opens; the fields are the columns."""

    tenant: str
    reservation: int
    state: str
    period: str
    modality: str
    provider_id: str
    sku: str
    session_id: str
    amount_nanos: int
    credit_nanos: int
    tokens_milli: int
    stream_ms_milli: int
    turns_milli: int
    requests_milli: int
    extensions: int
    granted_at: str
    expires_at: str
    closed_at: str
    settlement: int | str
    late: bool
    position: int


_NUMBERS = {field for field, kind in _Opened.__annotations__.items() if kind == "int"}
_LINE = line_of({f: NUMBER if f in _NUMBERS else TEXT for f in _Opened.__struct_fields__})


class _Changed(msgspec.Struct, gc=False):
    """A hold that was open before the batch; numbers are what is added, null changes nothing."""

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
    expires_at: str | None = None
    closed_at: str | None = None
    settlement: int | None = None
    late: bool = False
    position: int = 0


class _Twin:
    """The holds of one twin that a batch touches, by reservation."""

    __slots__ = ("changed", "opened", "tenant")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.opened: dict[int, _Opened] = {}
        self.changed: dict[int, _Changed] = {}

    def touch(self, position: int, reservation: int) -> _Opened | _Changed:
        """Return what is noted of a hold that changes at *position*."""
        hold = self.opened.get(reservation) or self.changed.get(reservation)
        if hold is None:
            hold = self.changed[reservation] = _Changed(self.tenant, reservation)
        hold.position = position
        return hold


class Fold:
    """The holds that opened, and the changes of those that were open before."""

    def __init__(self) -> None:
        self._twins: dict[str, _Twin] = {}

    def add(self, commit: Commit) -> None:
        """See Folding."""
        twin = self._twins.get(commit.tenant)
        if twin is None:
            twin = self._twins[commit.tenant] = _Twin(commit.tenant)
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(twin, commit.position, event)

    def writes(self) -> list[Write]:
        """See Folding."""
        as_tuple = msgspec.structs.astuple
        twins = self._twins.values()
        lines = [_LINE % as_tuple(hold) for twin in twins for hold in twin.opened.values()]
        changed = [hold for twin in twins for hold in twin.changed.values()]
        return [
            Append("holds", _Opened.__struct_fields__, lines),
            Change(_CHANGE, changed, all_match=True),
        ]


def _granted(twin: _Twin, position: int, event: CallAuthorized) -> None:
    number, units = event.decision, event.units
    twin.opened[number] = _Opened(
        twin.tenant,
        number,
        "open",
        copied_name(event.period),
        event.modality,
        copied_name(event.provider_id),
        copied_name(event.sku),
        name_or_null(event.session_id),
        event.amount_nanos,
        event.credit_nanos,
        units.tokens_milli,
        units.stream_ms_milli,
        units.turns_milli,
        units.requests_milli,
        0,
        moment(event.at_us),
        moment(event.expires_at_us),
        NULL,
        NULL,
        False,  # noqa: FBT003 - in the order of the columns
        position,
    )


def _extended(twin: _Twin, position: int, event: HoldExtended) -> None:
    hold = twin.touch(position, event.reservation)
    hold.amount_nanos += event.amount_nanos
    hold.credit_nanos += event.credit_nanos
    hold.tokens_milli += event.units.tokens_milli
    hold.stream_ms_milli += event.units.stream_ms_milli
    hold.turns_milli += event.units.turns_milli
    hold.requests_milli += event.units.requests_milli
    hold.expires_at = moment(event.expires_at_us)
    hold.extensions += 1


def _settled(twin: _Twin, position: int, event: CallSettled) -> None:
    hold = twin.touch(position, event.reservation)
    hold.state, hold.closed_at = "settled", moment(event.at_us)
    hold.settlement, hold.late = event.decision, event.late


def _released(twin: _Twin, position: int, event: HoldReleased) -> None:
    hold = twin.touch(position, event.reservation)
    hold.state, hold.closed_at = "released", moment(event.at_us)


def _expired(twin: _Twin, position: int, event: HoldsExpired) -> None:
    for gone in event.holds:
        hold = twin.touch(position, gone.reservation)
        hold.state, hold.closed_at = "expired", moment(event.at_us)


_APPLY: Mapping[type, Callable[[_Twin, int, Any], None]] = {
    CallAuthorized: _granted,
    CallSettled: _settled,
    HoldExtended: _extended,
    HoldReleased: _released,
    HoldsExpired: _expired,
}
