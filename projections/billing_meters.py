"""
Billing meters: what each twin has committed and holds, per month and unit.

A meter is the sum of the differences that the events state, nothing is priced or weighed again,
so it equals the gate's own number at the same position:

    a grant or an extension   adds what it holds
    a settlement              moves what was held to what it cost; a late one held nothing any more
    a release or an expiry    takes back what was held

`money` is what counts against the month's limit; the part on credits is in `credits`, which has no
month (period `all`). The three units of consumption have no limit; the quotas per modality do.
Amounts are whole grains: *scale* of them are one unit. They are `numeric`, so that a number beyond
the gate's own bounds, should there ever be one, is shown and does not stop a whole shard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from contracts.budget import (
    CallAuthorized,
    CallSettled,
    CreditsAdded,
    ExpiredHold,
    HoldExtended,
    HoldReleased,
    HoldsExpired,
    MeterLimitsSet,
    PeriodOpened,
)
from contracts.usage import Units
from projections.cells import moment
from projections.projection import Change, Commit, Write

NAME = "billing_meters"
DEFINITION = 1
CHANGED: tuple[str, ...] = ("billing_meters",)

NANOS_PER_UNIT = 1_000_000_000
CREDITS = ("all", "credits")
SCALES = {
    "money": NANOS_PER_UNIT,
    "credits": NANOS_PER_UNIT,
    "token_unit": 1_000_000,
    "minute_unit": 60_000_000,
    "interaction_unit": 1_000,
    "video_minute_unit": 60_000_000,
    "voice_minute_unit": 60_000_000,
    "text_token_unit": 1_000_000,
    "data_request": 1_000,
}
UNITS_OF_A_MONTH = tuple(unit for unit in SCALES if unit != "credits")

TABLES = """
CREATE TABLE {schema}.billing_meters (
    tenant      text        NOT NULL,
    period      text        NOT NULL,
    unit        text        NOT NULL,
    committed   numeric     NOT NULL,
    held        numeric     NOT NULL,
    limit_value numeric,
    scale       bigint      NOT NULL,
    starts_at   timestamptz,
    ends_at     timestamptz,
    position    bigint      NOT NULL,
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant, period, unit)
) WITH (fillfactor = 50);
"""

VIEWS = {
    "billing_meters": """
SELECT tenant, period, unit, committed, held, limit_value, scale, starts_at, ends_at, position,
    updated_at
FROM {schema}.billing_meters
""",
}

_CHANGE = """
MERGE INTO {schema}.billing_meters m
USING json_to_recordset(%s::json) AS c(
    tenant text, period text, unit text, committed numeric, held numeric, sets_limit boolean,
    limit_value numeric, more_limit numeric, scale bigint, starts_at timestamptz,
    ends_at timestamptz, position bigint, updated_at timestamptz)
ON m.tenant = c.tenant AND m.period = c.period AND m.unit = c.unit
WHEN MATCHED THEN UPDATE SET
    committed = m.committed + c.committed,
    held = m.held + c.held,
    limit_value = CASE
        WHEN c.sets_limit THEN c.limit_value + c.more_limit
        WHEN c.more_limit <> 0 THEN coalesce(m.limit_value, 0) + c.more_limit
        ELSE m.limit_value END,
    starts_at = coalesce(c.starts_at, m.starts_at),
    ends_at = coalesce(c.ends_at, m.ends_at),
    position = c.position,
    updated_at = c.updated_at
WHEN NOT MATCHED THEN INSERT
    (tenant, period, unit, committed, held, limit_value, scale, starts_at, ends_at, position,
     updated_at)
VALUES (c.tenant, c.period, c.unit, c.committed, c.held,
    CASE
        WHEN c.sets_limit THEN c.limit_value + c.more_limit
        WHEN c.more_limit <> 0 THEN c.more_limit END,
    c.scale, c.starts_at, c.ends_at, c.position, c.updated_at)
"""


_At: TypeAlias = tuple[int, int]  # position and time of the event that last touched a meter
_NEVER: _At = (0, 0)


class _Meter(msgspec.Struct, gc=False):
    """What a batch does to one meter; *limit* None is no limit, and counts if *sets_limit*."""

    committed: int = 0
    held: int = 0
    sets_limit: bool = False
    limit: int | None = None
    more_limit: int = 0
    starts_us: int | None = None
    ends_us: int | None = None
    at: _At = _NEVER

    def add(self, committed: int, held: int, at: _At) -> None:
        self.committed += committed
        self.held += held
        self.at = max(self.at, at)


class _Use(msgspec.Struct, gc=False):
    """What a batch commits and holds in one modality of one month."""

    money_at: _At = _NEVER
    committed_nanos: int = 0
    held_nanos: int = 0
    tokens_at: _At = _NEVER
    committed_tokens: int = 0
    held_tokens: int = 0
    stream_at: _At = _NEVER
    committed_stream: int = 0
    held_stream: int = 0
    turns_at: _At = _NEVER
    committed_turns: int = 0
    held_turns: int = 0
    requests_at: _At = _NEVER
    committed_requests: int = 0
    held_requests: int = 0

    def hold(self, nanos: int, units: Units, at: _At) -> None:
        """Add to what is held."""
        self.held_nanos += nanos
        self.money_at = at
        # Most units of most calls are zero, and zeros touch no meter.
        if units.tokens_milli:
            self.held_tokens += units.tokens_milli
            self.tokens_at = at
        if units.stream_ms_milli:
            self.held_stream += units.stream_ms_milli
            self.stream_at = at
        if units.turns_milli:
            self.held_turns += units.turns_milli
            self.turns_at = at
        if units.requests_milli:
            self.held_requests += units.requests_milli
            self.requests_at = at

    def free(self, nanos: int, units: Units, at: _At) -> None:
        """Take back what was held."""
        self.held_nanos -= nanos
        self.money_at = at
        if units.tokens_milli:
            self.held_tokens -= units.tokens_milli
            self.tokens_at = at
        if units.stream_ms_milli:
            self.held_stream -= units.stream_ms_milli
            self.stream_at = at
        if units.turns_milli:
            self.held_turns -= units.turns_milli
            self.turns_at = at
        if units.requests_milli:
            self.held_requests -= units.requests_milli
            self.requests_at = at

    def commit(self, nanos: int, units: Units, at: _At) -> None:
        """Add to what is committed."""
        self.committed_nanos += nanos
        self.money_at = at
        if units.tokens_milli:
            self.committed_tokens += units.tokens_milli
            self.tokens_at = at
        if units.stream_ms_milli:
            self.committed_stream += units.stream_ms_milli
            self.stream_at = at
        if units.turns_milli:
            self.committed_turns += units.turns_milli
            self.turns_at = at
        if units.requests_milli:
            self.committed_requests += units.requests_milli
            self.requests_at = at

    def add_to(self, meters: Mapping[str, _Meter], modality: str) -> None:
        """Count it in the meters of its month."""
        meters["money"].add(self.committed_nanos, self.held_nanos, self.money_at)
        tokens, stream, turns, requests = _COUNTED[modality]
        for units, committed, held, at in (
            (tokens, self.committed_tokens, self.held_tokens, self.tokens_at),
            (stream, self.committed_stream, self.held_stream, self.stream_at),
            (turns, self.committed_turns, self.held_turns, self.turns_at),
            (requests, self.committed_requests, self.held_requests, self.requests_at),
        ):
            for unit in units:
                meters[unit].add(committed, held, at)


class _Twin:
    """The meters of one twin that a batch touches: by unit, and what each modality adds to them."""

    __slots__ = ("credits", "meters", "uses")

    def __init__(self) -> None:
        self.meters: dict[str, dict[str, _Meter]] = {}
        self.uses: dict[tuple[str, str], _Use] = {}
        self.credits = _Meter()

    def month(self, period: str) -> dict[str, _Meter]:
        found = self.meters.get(period)
        if found is None:
            found = self.meters[period] = {unit: _Meter() for unit in UNITS_OF_A_MONTH}
        return found

    def use(self, period: str, modality: str) -> _Use:
        key = (period, modality)
        found = self.uses.get(key)
        if found is None:
            found = self.uses[key] = _Use()
        return found

    def rows(self, tenant: str) -> list[_Row]:
        """Say what changes. Call it once."""
        for (period, modality), use in self.uses.items():
            use.add_to(self.month(period), modality)
        rows = [
            _row(tenant, period, unit, meter)
            for period, month in self.meters.items()
            for unit, meter in month.items()
            if meter.at is not _NEVER
        ]
        if self.credits.at is not _NEVER:
            rows.append(_row(tenant, *CREDITS, self.credits))
        return rows


class Fold:
    """By how much each meter changes."""

    def __init__(self) -> None:
        self._twins: dict[str, _Twin] = {}

    def add(self, commit: Commit) -> None:
        """See Folding."""
        twin = self._twins.get(commit.tenant)
        if twin is None:
            twin = self._twins[commit.tenant] = _Twin()
        for event in commit.events:
            apply = _APPLY.get(type(event))
            if apply is not None:
                apply(twin, (commit.position, event.at_us), event)

    def writes(self) -> list[Write]:
        """See Folding."""
        rows: list[_Row] = []
        for tenant, twin in self._twins.items():
            rows += twin.rows(tenant)
        return [Change(_CHANGE, rows)]


def _granted(twin: _Twin, at: _At, event: CallAuthorized | HoldExtended) -> None:
    credit = event.credit_nanos
    twin.use(event.period, event.modality).hold(event.amount_nanos - credit, event.units, at)
    if credit:
        twin.credits.add(0, credit, at)


def _settled(twin: _Twin, at: _At, event: CallSettled) -> None:
    credit = event.credit_nanos
    # A late settlement held nothing any more: its held_* are 0 and take nothing back.
    _freed(twin, at, event)
    twin.use(event.period, event.modality).commit(event.cost_nanos - credit, event.units, at)
    if credit:
        twin.credits.add(credit, 0, at)


def _expired(twin: _Twin, at: _At, event: HoldsExpired) -> None:
    for gone in event.holds:
        _freed(twin, at, gone)


def _freed(twin: _Twin, at: _At, hold: CallSettled | HoldReleased | ExpiredHold) -> None:
    credit = hold.held_credit_nanos
    twin.use(hold.period, hold.modality).free(hold.held_nanos - credit, hold.held_units, at)
    if credit:
        twin.credits.add(0, -credit, at)


def _period_opened(twin: _Twin, at: _At, event: PeriodOpened) -> None:
    for meter in twin.month(event.period).values():
        meter.starts_us, meter.ends_us = event.starts_us, event.ends_us
        meter.add(0, 0, at)


def _limits_set(twin: _Twin, at: _At, event: MeterLimitsSet) -> None:
    meters = twin.month(event.period)
    for meter, value in (
        (meters["money"], event.money_nanos),
        (meters["video_minute_unit"], event.video_stream_ms_milli),
        (meters["voice_minute_unit"], event.voice_stream_ms_milli),
        (meters["text_token_unit"], event.text_tokens_milli),
        (meters["data_request"], event.data_requests_milli),
        (twin.credits, event.credits_nanos),
    ):
        meter.sets_limit, meter.limit, meter.more_limit = True, None if value < 0 else value, 0
        meter.add(0, 0, at)


def _credits_added(twin: _Twin, at: _At, event: CreditsAdded) -> None:
    twin.credits.more_limit += event.amount_nanos
    twin.credits.add(0, 0, at)


# Which units count a modality's tokens, stream, turns and requests.
_COUNTED: dict[str, tuple[tuple[str, ...], ...]] = {
    "video": (("token_unit",), ("minute_unit", "video_minute_unit"), ("interaction_unit",), ()),
    "voice": (("token_unit",), ("minute_unit", "voice_minute_unit"), ("interaction_unit",), ()),
    "text": (("token_unit", "text_token_unit"), ("minute_unit",), ("interaction_unit",), ()),
    "data": (("token_unit",), ("minute_unit",), ("interaction_unit",), ("data_request",)),
}
_APPLY: Mapping[type, Callable[[_Twin, _At, Any], None]] = {
    CallAuthorized: _granted,
    CallSettled: _settled,
    CreditsAdded: _credits_added,
    HoldExtended: _granted,
    HoldReleased: _freed,
    HoldsExpired: _expired,
    MeterLimitsSet: _limits_set,
    PeriodOpened: _period_opened,
}


class _Row(msgspec.Struct, frozen=True, gc=False):
    """A meter's changes as the statement reads them; sums are text, they may pass 64 bits."""

    tenant: str
    period: str
    unit: str
    committed: str
    held: str
    sets_limit: bool
    limit_value: str | None
    more_limit: str
    scale: int
    starts_at: str | None
    ends_at: str | None
    position: int
    updated_at: str


def _row(tenant: str, period: str, unit: str, meter: _Meter) -> _Row:
    return _Row(
        tenant,
        period,
        unit,
        str(meter.committed),
        str(meter.held),
        meter.sets_limit,
        None if meter.limit is None else str(meter.limit),
        str(meter.more_limit),
        SCALES[unit],
        None if meter.starts_us is None else moment(meter.starts_us),
        None if meter.ends_us is None else moment(meter.ends_us),
        meter.at[0],
        moment(meter.at[1]),
    )
