"""
Refusal counts: a flood of refusals is counted per minute and code instead of listed one by one.

The decisions list every refusal that was recorded alone; these are the others.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import Code, TimeRangeQuery


class RefusalCountsQuery(TimeRangeQuery):
    """Which counts."""

    code: Code | None = Field(
        default=None, description="Only this code.", examples=["rate_limited"]
    )


class RefusalCount(BaseModel):
    """How many refusals of one code were only counted in one minute."""

    minute: datetime = Field(description="the minute's first moment")
    code: str
    refusals: int
    changed_position: int = Field(description="the commit that last changed it")


class RefusalCountsPage(TenantPage):
    """Counts, newest minute first."""

    items: list[RefusalCount]


async def show(call: Call[RefusalCountsQuery]) -> RefusalCountsPage:
    """A page of a twin's refusal counts."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.refusal_counts(
            call.tenant, call.query.model_dump(), after, limit
        ),
        {"minute": datetime, "code": str},
    )
    assert call.position is not None
    return RefusalCountsPage(
        tenant=call.tenant,
        position=call.position,
        items=[RefusalCount.model_validate(row) for row in rows],
        next_cursor=cursor,
    )
