"""
Usage: what the calls of a twin used and cost, added up by day, provider, modality and place.

A call counts on the day, by the twin's own clock, on which it was settled, and for the deployment
whose session it was. A range is bounded, so that what has to be added up is; money that is only
held is not in it.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from contracts.message import Modality
from services.query_api.amounts import Amount
from services.query_api.call import Call
from services.query_api.parameters import Instant, PositionQuery, number
from services.query_api.problems import INVALID_PARAMETER, FieldError, HttpProblem
from services.query_api.rows import Reader

DAYS_MAX: Final = 92
ROWS_MAX: Final = 10_000
SESSIONS_MAX: Final = 100
SESSIONS_DEFAULT: Final = 20


class UsageQuery(PositionQuery):
    """Which calls: those that were settled in [from, to), at most 92 days."""

    since: Instant = Field(
        alias="from",
        description="Only what was settled at this time or later. RFC 3339, with its offset.",
        examples=["2026-11-01T00:00:00Z"],
    )
    until: Instant = Field(
        alias="to",
        description="Only what was settled before this time. RFC 3339, with its offset.",
        examples=["2026-12-01T00:00:00Z"],
    )

    @field_validator("until")
    @classmethod
    def _is_bounded(cls, until: Instant, found: ValidationInfo) -> Instant:
        since = found.data.get("since")
        if since and not dt.timedelta(0) < until - since <= dt.timedelta(days=DAYS_MAX):
            raise ValueError(f"must come after `from`, by at most {DAYS_MAX} days")
        return until


class SessionUsageQuery(UsageQuery):
    """How many sessions."""

    limit: Annotated[int, Field(ge=1, le=SESSIONS_MAX), BeforeValidator(number)] = Field(
        default=SESSIONS_DEFAULT, description="How many, the dearest first.", examples=[20]
    )


class Sums(BaseModel):
    """What so many calls used and cost. Units are weighed by the policy of each call's time."""

    currency: str | None
    calls: int
    cost_nanos: int
    token_units: Amount = Field(description="1,000 tokens")
    minute_units: Amount = Field(description="60 s of stream")
    interaction_units: Amount = Field(description="successful turns")
    requests: int = Field(description="requests that were billed")


class DayUsage(Sums):
    """Those of one day, provider, modality and deployment."""

    day: dt.date = Field(description="by the twin's own clock")
    provider_id: str
    modality: Modality
    deployment: str | None = Field(description="null: calls of no deployment's session")


class SessionUsage(Sums):
    """Those of one session."""

    session_id: str
    deployment: str | None
    began_at: dt.datetime | None = Field(description="null: nobody has opened it")
    state: str | None


class Usage(BaseModel):
    """Sums, the first day first."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    time_zone: str = Field(description="where a day begins")
    items: list[DayUsage]


class SessionsUsage(BaseModel):
    """Sessions, the dearest first."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    items: list[SessionUsage]


async def show(call: Call[UsageQuery]) -> Usage:
    """What a twin's calls used, by day, provider, modality and deployment."""
    zone, items = await read(call.reader, call.tenant, call.query.model_dump())
    assert call.position is not None
    return Usage(tenant=call.tenant, position=call.position, time_zone=zone, items=items)


async def sessions(call: Call[SessionUsageQuery]) -> SessionsUsage:
    """What a twin's dearest sessions used."""
    query = call.query
    rows = await call.reader.usage_of_sessions(call.tenant, query.model_dump(), query.limit)
    assert call.position is not None
    return SessionsUsage(
        tenant=call.tenant,
        position=call.position,
        items=[SessionUsage.model_validate(row) for row in rows],
    )


async def read(reader: Reader, tenant: str, during: dict[str, Any]) -> tuple[str, list[DayUsage]]:
    """Return the time zone of the days, and the sums; raises HttpProblem if they are too many."""
    twin = await reader.tenant(tenant)
    zone = (twin or {}).get("time_zone") or "UTC"
    rows = await reader.usage(tenant, zone, during, ROWS_MAX + 1)
    if len(rows) > ROWS_MAX:
        raise _too_much()
    return zone, [DayUsage.model_validate(row) for row in rows]


def _too_much() -> HttpProblem:
    rule = f"must come so soon after `from` that there are at most {ROWS_MAX} rows"
    error = FieldError(field="to", rule=rule, remedy="Ask for a shorter time.")
    return HttpProblem(INVALID_PARAMETER, f"to: {rule}", errors=[error])
