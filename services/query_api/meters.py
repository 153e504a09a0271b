"""
Meters: what a twin has committed and holds, against its limits, in one month.

The rows are the fold of the same log that the gate decides on, and the position says up to where;
nothing is added up here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.parameters import Period, PositionQuery

CREDITS_PERIOD = "all"


class MetersQuery(PositionQuery):
    """Which month."""

    period: Period | None = Field(
        default=None,
        description="A month of the twin's calendar. Without it: the latest that its log has"
        " opened.",
        examples=["2026-11"],
    )


class Meter(BaseModel):
    """
    One meter. Amounts are whole grains; *scale* grains are one unit.

    `money` and `credits` count nanos (10^-9 of the currency). Credits belong to no month.
    """

    unit: Literal[
        "money",
        "credits",
        "token_unit",
        "minute_unit",
        "interaction_unit",
        "video_minute_unit",
        "voice_minute_unit",
        "text_token_unit",
        "data_request",
    ]
    committed: int = Field(description="what calls have cost")
    held: int = Field(description="what is set aside for calls that go on")
    limit: int | None = Field(description="committed and held together never pass it; null: none")
    remaining: int | None = Field(description="what a new call could still hold; null: no limit")
    scale: int = Field(description="grains in a unit", examples=[1_000_000_000])
    updated_at: datetime = Field(description="when an event last changed it")
    changed_position: int = Field(description="the commit that last changed it")


class Meters(BaseModel):
    """All meters of a twin in one month, and its credits."""

    tenant: str
    position: int = Field(description="the position of the twin's log that the meters reflect")
    period: str | None = Field(description="null: the log has not opened a month yet")
    starts_at: datetime | None = Field(description="first moment of the month")
    ends_at: datetime | None = Field(description="first moment after the month")
    currency: str | None = Field(description="of money and credits")
    meters: list[Meter]


async def show(call: Call[MetersQuery]) -> Meters:
    """A twin's meters."""
    rows = await call.reader.meters(call.tenant, call.query.period)
    month = next((row for row in rows if row["period"] != CREDITS_PERIOD), None)
    assert call.position is not None
    return Meters(
        tenant=call.tenant,
        position=call.position,
        period=month["period"] if month else call.query.period,
        starts_at=month["starts_at"] if month else None,
        ends_at=month["ends_at"] if month else None,
        currency=rows[0]["currency"] if rows else None,
        meters=[_meter(row) for row in rows],
    )


def _meter(row: dict[str, object]) -> Meter:
    meter = Meter.model_validate({**row, "remaining": None})
    if meter.limit is not None:
        meter.remaining = max(0, meter.limit - meter.committed - meter.held)
    return meter
