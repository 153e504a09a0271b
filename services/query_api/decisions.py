"""
Decisions: what the gate answered, on what grounds, and how it stood, newest first.

A settlement is a decision too; its row is the audit log's, so the path of a single decision looks
there as well, and shows with a grant what became of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from contracts.replies import Verdict
from domain.refusals import BY_CODE
from services.query_api.audit_log import AuditLogEntry
from services.query_api.call import Call
from services.query_api.holds import Hold
from services.query_api.log_words import remaining_nanos, sentence, settled_row
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


class Stood(BaseModel):
    """The money of the month as the gate saw it just before a decision."""

    committed_nanos: int
    held_nanos: int
    limit_nanos: int
    credits_nanos: int
    remaining_nanos: int = Field(description="what a new call could still hold")


class DecisionDetail(BaseModel):
    """One decision and what belongs to it."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    decision_id: str
    decision: Decision | None = Field(description="null if the id is a settlement's")
    words: str = Field(description="what happened, in English")
    pattern: str = Field(description="the sentence with `%(name)s` for each of its values")
    values: dict[str, str]
    said: str = Field(description="the note or reason that was given, else empty")
    before: Stood | None = Field(
        description="from what the decision says of itself; null where it is not about money"
    )
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
    told = sentence(row or settled_row(settlement), await call.reader.currency(call.tenant))
    return DecisionDetail.model_validate(
        {
            "tenant": call.tenant,
            "position": call.position,
            "decision_id": decision_id,
            "decision": None if row is None else _decision(row),
            "words": told.words,
            "pattern": told.pattern,
            "values": told.values,
            "said": told.said,
            "before": None if row is None else await _before(call, row),
            "hold": hold,
            "settlement": settlement,
        }
    )


async def _before(call: Call[PositionQuery], row: dict[str, Any]) -> Stood | None:
    """Take back what a decision did to the money of the month; see domain.budget."""
    if row["limit_nanos"] is None:
        return None
    amount, credit = int(row["amount_nanos"]), int(row["credit_nanos"])
    held = free = 0
    match row["code"]:
        case "granted" | "extended":
            held, free = amount - credit, -credit
        case "released":
            held, free = credit - amount, credit
        case "topped_up":
            free = amount
    if row["code"] in ("extended", "released"):
        grant = await call.reader.decision(call.tenant, row["reservation"])
        # A hold counts in the month that it was made in, which may be over.
        if grant is None or grant["resets_at"] != row["resets_at"]:
            held = 0
    stood = {
        "committed_nanos": row["committed_nanos"],
        "held_nanos": row["held_nanos"] - held,
        "limit_nanos": row["limit_nanos"],
        "credits_nanos": row["credits_nanos"] - free,
    }
    return Stood.model_validate({**stood, "remaining_nanos": remaining_nanos(stood)})


def _decision(row: dict[str, Any]) -> Decision:
    refusal = BY_CODE.get(row["code"])
    return Decision.model_validate(
        {
            **row,
            "message": refusal.message if refusal else None,
            "remedy": refusal.remedy if refusal else None,
            "remaining_nanos": remaining_nanos(row),
        }
    )


def _unknown() -> HttpProblem:
    return HttpProblem(DECISION_UNKNOWN, "The log of this twin holds no decision of this id.")
