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

from collections.abc import Iterator, Sequence
from datetime import datetime

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


class _Meter(msgspec.Struct, gc=False):
    """What a batch does to one meter; *limit* None is no limit, and counts if *sets_limit*."""

    committed: int = 0
    held: int = 0
    sets_limit: bool = False
    limit: int | None = None
    more_limit: int = 0
    starts_us: int | None = None
    ends_us: int | None = None
    position: int = 0
    at_us: int = 0


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
    starts_at: datetime | None
    ends_at: datetime | None
    position: int
    updated_at: datetime


class _Batch:
    """The meters that a batch of commits touches."""

    def __init__(self) -> None:
        self.meters: dict[tuple[str, str, str], _Meter] = {}
        self._commit: Commit | None = None
        self._at_us = 0

    def at(self, commit: Commit, at_us: int) -> None:
        self._commit, self._at_us = commit, at_us

    def touch(self, period: str, unit: str) -> _Meter:
        assert self._commit is not None
        key = (self._commit.tenant, period, unit)
        meter = self.meters.get(key)
        if meter is None:
            meter = self.meters[key] = _Meter()
        meter.position, meter.at_us = self._commit.position, self._at_us
        return meter

    def hold(self, period: str, modality: str, nanos: int, credit_nanos: int, units: Units) -> None:
        """Add to what is held; negative numbers take back."""
        self.touch(period, "money").held += nanos - credit_nanos
        if credit_nanos:
            self.touch(*CREDITS).held += credit_nanos
        for unit, milli in _counted(modality, units):
            self.touch(period, unit).held += milli

    def commit(
        self, period: str, modality: str, nanos: int, credit_nanos: int, units: Units
    ) -> None:
        """Add to what is committed."""
        self.touch(period, "money").committed += nanos - credit_nanos
        if credit_nanos:
            self.touch(*CREDITS).committed += credit_nanos
        for unit, milli in _counted(modality, units):
            self.touch(period, unit).committed += milli

    def limit(self, period: str, unit: str, value: int) -> None:
        meter = self.touch(period, unit)
        meter.sets_limit, meter.limit, meter.more_limit = True, None if value < 0 else value, 0

    def rows(self) -> list[_Row]:
        return [_row(key, meter) for key, meter in self.meters.items()]


def writes(commits: Sequence[Commit]) -> list[Write]:
    """Return by how much each meter changes."""
    batch = _Batch()
    for commit in commits:
        for event in commit.events:
            batch.at(commit, event.at_us)
            _apply(batch, event)
    return [Change(_CHANGE, batch.rows())]


def _apply(batch: _Batch, event: object) -> None:
    match event:
        case CallAuthorized() | HoldExtended():
            batch.hold(
                event.period, event.modality, event.amount_nanos, event.credit_nanos, event.units
            )
        case CallSettled():
            _release(batch, event)
            batch.commit(
                event.period, event.modality, event.cost_nanos, event.credit_nanos, event.units
            )
        case HoldReleased():
            _release(batch, event)
        case HoldsExpired():
            for gone in event.holds:
                _release(batch, gone)
        case PeriodOpened():
            for unit in UNITS_OF_A_MONTH:
                meter = batch.touch(event.period, unit)
                meter.starts_us, meter.ends_us = event.starts_us, event.ends_us
        case MeterLimitsSet():
            _set_limits(batch, event)
        case CreditsAdded():
            batch.touch(*CREDITS).more_limit += event.amount_nanos
        case _:
            pass


def _release(batch: _Batch, hold: CallSettled | HoldReleased | ExpiredHold) -> None:
    units = hold.held_units
    batch.hold(
        hold.period,
        hold.modality,
        -hold.held_nanos,
        -hold.held_credit_nanos,
        Units(
            -units.tokens_milli,
            -units.stream_ms_milli,
            -units.turns_milli,
            -units.requests_milli,
        ),
    )


def _set_limits(batch: _Batch, event: MeterLimitsSet) -> None:
    batch.limit(event.period, "money", event.money_nanos)
    batch.limit(event.period, "video_minute_unit", event.video_stream_ms_milli)
    batch.limit(event.period, "voice_minute_unit", event.voice_stream_ms_milli)
    batch.limit(event.period, "text_token_unit", event.text_tokens_milli)
    batch.limit(event.period, "data_request", event.data_requests_milli)
    batch.limit(*CREDITS, event.credits_nanos)


def _counted(modality: str, units: Units) -> Iterator[tuple[str, int]]:
    """Every meter that counts some of *units*, and how much. Zeros touch no meter."""
    tokens, stream_ms = units.tokens_milli, units.stream_ms_milli
    if tokens:
        yield "token_unit", tokens
        if modality == "text":
            yield "text_token_unit", tokens
    if stream_ms:
        yield "minute_unit", stream_ms
        if modality in ("video", "voice"):
            yield f"{modality}_minute_unit", stream_ms
    if units.turns_milli:
        yield "interaction_unit", units.turns_milli
    if units.requests_milli and modality == "data":
        yield "data_request", units.requests_milli


def _row(key: tuple[str, str, str], meter: _Meter) -> _Row:
    tenant, period, unit = key
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
        meter.position,
        moment(meter.at_us),
    )
