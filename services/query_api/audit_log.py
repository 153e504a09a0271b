"""Audit log: one entry for the outcome of each vendor call, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.query_api.amounts import Amount
from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import DecisionId, ProviderId, TimeRangeQuery
from services.query_api.rows import KEY_TYPES, newest_first


class AuditLogQuery(TimeRangeQuery):
    """Which entries."""

    provider_id: ProviderId | None = Field(
        default=None, description="Only calls to this provider.", examples=["openai"]
    )
    decision_id: DecisionId | None = Field(
        default=None,
        description="Only the call that this decision granted, extended or settled.",
        examples=["cantor.42"],
    )


class AuditLogEntry(BaseModel):
    """What one vendor call cost. Nanos are 10^-9 of the currency."""

    decision_id: str = Field(description="the settlement")
    reservation_id: str = Field(description="the grant that allowed the call")
    position: int = Field(description="commit of the twin's log that holds the settlement")
    occurred_at: datetime
    provider_id: str
    sku: str
    modality: Literal["video", "voice", "text", "data"]
    outcome: Literal["completed", "cut_off", "failed"]
    period: str = Field(description="the month that it is booked in", examples=["2026-11"])
    input_tokens: int
    output_tokens: int
    stream_ms: int
    characters: int
    requests: int
    turns: int
    token_units: Amount = Field(description="weighed by the policy; 1,000 tokens")
    minute_units: Amount = Field(description="weighed by the policy; 60 s of stream")
    interaction_units: Amount = Field(description="weighed by the policy; successful turns")
    cost_amount: Amount = Field(description="in the currency, exact", examples=["0.012500000"])
    cost_nanos: int
    currency: str | None
    credit_nanos: int = Field(description="the part that was paid from credits")
    overrun_nanos: int = Field(description="the part that no hold backed")
    held_nanos: int = Field(description="what was held for the call")
    late: bool = Field(description="settled after its hold had expired")
    session_id: str | None
    vendor_ref: str | None
    policy_version: int
    price_version: int


class AuditLogPage(TenantPage):
    """Entries, newest first."""

    items: list[AuditLogEntry]


async def show(call: Call[AuditLogQuery]) -> AuditLogPage:
    """A page of a twin's audit log."""
    filters = call.query.model_dump()
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.audit_log(call.tenant, filters, after, limit),
        {name: KEY_TYPES[name] for name in newest_first(filters)},
    )
    assert call.position is not None
    return AuditLogPage(
        tenant=call.tenant,
        position=call.position,
        items=[AuditLogEntry.model_validate(row) for row in rows],
        next_cursor=cursor,
    )
