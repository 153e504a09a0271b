"""Holds: money set aside for calls, and what became of it, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import PageQuery

State: TypeAlias = Literal["open", "settled", "released", "expired"]


class HoldsQuery(PageQuery):
    """Which holds."""

    state: State | None = Field(
        default=None, description="Only holds in this state.", examples=["open"]
    )


class Hold(BaseModel):
    """One hold. Its amounts stay when it closes; *state* says that nothing is held any more."""

    reservation_id: str
    state: State
    period: str = Field(description="the month that it counts in")
    modality: Literal["video", "voice", "text", "data"]
    provider_id: str
    sku: str
    session_id: str | None
    amount_nanos: int = Field(description="everything ever held for the call, extensions included")
    credit_nanos: int = Field(description="the part of it that was held on credits")
    tokens_milli: int
    stream_ms_milli: int
    turns_milli: int
    requests_milli: int
    extensions: int = Field(description="how often it was extended")
    granted_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    settlement_id: str | None = Field(description="the decision that settled it")
    late: bool = Field(description="settled after it had expired")
    changed_position: int = Field(description="the commit that last changed it")


class HoldsPage(TenantPage):
    """Holds, newest first."""

    items: list[Hold]


async def show(call: Call[HoldsQuery]) -> HoldsPage:
    """A page of a twin's holds."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.holds(call.tenant, call.query.state, after, limit),
        {"reservation": int},
    )
    assert call.position is not None
    return HoldsPage(
        tenant=call.tenant,
        position=call.position,
        items=[Hold.model_validate(row) for row in rows],
        next_cursor=cursor,
    )
