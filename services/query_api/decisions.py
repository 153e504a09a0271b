"""
Decisions: what the gate answered, on what grounds, and how it stood, newest first.

A settlement is a decision too; its row is the audit log's, so the path of a single decision looks
there as well, and shows with a grant what became of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from contracts.budget import Standing
from contracts.replies import Verdict
from domain.refusals import BY_CODE
from services.query_api.audit_log import AuditLogEntry
from services.query_api.call import Call
from services.query_api.holds import Hold
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import IS_DECISION, Code, PositionQuery, TimeRangeQuery
from services.query_api.problems import DECISION_UNKNOWN, HttpProblem
from services.query_api.rows import KEY_TYPES, newest_first


class DecisionsQuery(TimeRangeQuery):
    """Which decisions."""

    verdict: Verdict | None = Field(
        default=None,
        description="Only calls that were answered so; the others have no verdict.",
        examples=["DENY"],
    )
    code: Code | None = Field(
        default=None, description="Only this code.", examples=["monthly_hard_limit_reached"]
    )


class Decision(BaseModel):
    """One decision. Money as the gate saw it just after it; null where it is not about money."""

    decision_id: str
    position: int = Field(description="commit of the twin's log that holds it")
    occurred_at: datetime
    command_id: str
    noun: str = Field(examples=["budget"])
    verb: str = Field(examples=["authorize"])
    verdict: Verdict | None = Field(description="null if no call was asked for")
    status: int = Field(description="HTTP-like, as the caller got it", examples=[402])
    code: str = Field(examples=["monthly_hard_limit_reached"])
    message: str | None = Field(description="of a refusal: what is the case")
    remedy: str | None = Field(description="of a refusal: what to do")
    facts: dict[str, Any] = Field(description="what led to it: which limit, by how much")
    reservation_id: str | None
    requested: str | None = Field(description="the modality asked for")
    modality: Literal["video", "voice", "text", "data"] | None = Field(
        description="the modality granted"
    )
    provider_id: str | None
    sku: str | None
    amount_nanos: int
    credit_nanos: int
    delay_us: int
    retry_after_us: int
    expires_at: datetime | None
    session_id: str | None
    policy_version: int | None
    price_version: int | None
    committed_nanos: int | None
    held_nanos: int | None
    limit_nanos: int | None
    credits_nanos: int | None
    remaining_nanos: int | None
    resets_at: datetime | None
    actor: str | None


class DecisionsPage(TenantPage):
    """Decisions, newest first."""

    items: list[Decision]


class DecisionDetail(BaseModel):
    """One decision and what belongs to it."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    decision_id: str
    decision: Decision | None = Field(description="null if the id is a settlement's")
    hold: Hold | None = Field(description="the hold that it made, changed or closed")
    settlement: AuditLogEntry | None = Field(description="what the call cost in the end")


async def show_all(call: Call[DecisionsQuery]) -> DecisionsPage:
    """A page of a twin's decisions."""
    filters = call.query.model_dump()
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.decisions(call.tenant, filters, after, limit),
        {name: KEY_TYPES[name] for name in newest_first(filters)},
    )
    assert call.position is not None
    return DecisionsPage(
        tenant=call.tenant,
        position=call.position,
        items=[_decision(row) for row in rows],
        next_cursor=cursor,
    )


async def show(call: Call[PositionQuery]) -> DecisionDetail:
    """One decision, with its hold and its settlement."""
    decision_id = call.path["decision_id"]
    match = IS_DECISION.fullmatch(decision_id)
    if match is None or not decision_id.startswith(f"{call.tenant}."):
        raise _unknown()
    number = int(match[1])
    row = await call.reader.decision(call.tenant, number)
    if row is None:
        settlement = await call.reader.settlement(call.tenant, number)
        if settlement is None:
            raise _unknown()
        reservation = settlement["reservation"]
    else:
        reservation = row["reservation"]
        settlement = await call.reader.settlement_of(call.tenant, reservation)
    hold = await call.reader.hold(call.tenant, reservation)
    return DecisionDetail.model_validate(
        {
            "tenant": call.tenant,
            "position": call.position,
            "decision_id": decision_id,
            "decision": None if row is None else _decision(row),
            "hold": hold,
            "settlement": settlement,
        }
    )


def _decision(row: dict[str, Any]) -> Decision:
    refusal = BY_CODE.get(row["code"])
    return Decision.model_validate(
        {
            **row,
            "message": refusal.message if refusal else None,
            "remedy": refusal.remedy if refusal else None,
            "remaining_nanos": _remaining_nanos(row),
        }
    )


def _remaining_nanos(row: dict[str, Any]) -> int | None:
    if row["limit_nanos"] is None:
        return None
    standing = Standing(
        row["committed_nanos"], row["held_nanos"], row["limit_nanos"], row["credits_nanos"], 0
    )
    return standing.remaining_nanos


def _unknown() -> HttpProblem:
    return HttpProblem(DECISION_UNKNOWN, "The log of this twin holds no decision of this id.")
