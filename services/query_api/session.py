"""Sessions: each conversation that was opened, what it cost by leg, and how it went."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from contracts.message import Modality
from contracts.replies import Verdict
from contracts.session import EndReason, Rung
from domain.refusals import BY_CODE
from services.query_api.call import Call
from services.query_api.holds import State as HoldState
from services.query_api.log_words import sentence
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import (
    IS_ID,
    DeploymentId,
    PageQuery,
    PositionQuery,
    TimeRangeQuery,
)
from services.query_api.problems import SESSION_UNKNOWN, HttpProblem

State: TypeAlias = Literal["open", "ended"]


class SessionsQuery(TimeRangeQuery):
    """Which sessions; the time is when they began."""

    state: State | None = Field(
        default=None, description="Only sessions in this state.", examples=["open"]
    )
    deployment: DeploymentId | None = Field(
        default=None, description="Only sessions of this deployment.", examples=["web"]
    )


class Session(BaseModel):
    """One session. Money is what was settled since it was opened, also after its end."""

    session_id: str
    decision_id: str = Field(description="the decision that opened it")
    deployment: str | None
    wanted: Rung = Field(description="the rung that it was opened on")
    modality: Rung = Field(description="the rung that it was last on")
    state: State
    reason: EndReason | None = Field(description="why it ended")
    note: str | None
    began_at: datetime
    opened_by: str
    beat_at: datetime = Field(description="when it last was known to go on")
    ended_at: datetime | None
    ended_by: str | None = Field(description="null where time or a change of the twin ended it")
    disclosure_version: int | None = Field(description="what had to be shown; null: nothing")
    disclosed_at: datetime | None
    steps: int = Field(description="how often it changed its rung")
    grants: int
    denials: int = Field(description="calls that were refused and listed")
    settlements: int
    turns: int
    text_nanos: int = Field(description="the language model")
    voice_nanos: int
    video_nanos: int
    data_nanos: int = Field(description="what was looked up")
    cost_nanos: int = Field(description="the sum of the four")
    bundle_revision: int = Field(description="pinned when it began, like what follows")
    bundle_hash: str
    identity_version: int
    policy_version: int
    price_version: int
    knowledge_sources: int = Field(description="how many sources were approved")
    knowledge_hash: str = Field(description="over all of them")
    changed_position: int = Field(description="the commit that last changed this row")


class PinnedSource(BaseModel):
    """A source and the hash of its content that was approved when the session began."""

    source: str
    content_hash: str


class OneSession(Session):
    """One session, and the position that it is known at."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    knowledge: list[PinnedSource] = Field(description="the first 64 of the approved sources")


class SessionsPage(TenantPage):
    """Sessions, the one that began last first."""

    items: list[Session]


class Moment(BaseModel):
    """
    One decision about the session or a call of it.

    Of a grant *hold* says what became of it, of a settlement *cost_nanos* what it cost.
    """

    decision_id: str
    position: int = Field(description="commit of the twin's log that holds it")
    occurred_at: datetime
    noun: str = Field(examples=["budget"])
    verb: str = Field(examples=["authorize"])
    verdict: Verdict | None
    status: int
    code: str = Field(examples=["granted"])
    message: str | None = Field(description="of a refusal: what is the case")
    requested: str | None = Field(description="the modality asked for")
    modality: Modality | None = Field(description="the modality granted, or the rung of a step")
    provider_id: str | None
    sku: str | None
    reservation_id: str | None
    amount_nanos: int = Field(description="held, or of a refusal: asked for")
    delay_us: int
    cost_nanos: int | None
    turns: int | None
    outcome: str | None = Field(description="of a settled call")
    late: bool | None = Field(description="settled after its hold had expired")
    hold: HoldState | None
    hold_closed_at: datetime | None
    facts: dict[str, Any]
    actor: str | None
    words: str = Field(description="what happened, in English")
    pattern: str = Field(description="the sentence with `%(name)s` for each of its values")
    values: dict[str, str]
    said: str = Field(description="the note or reason that was given, else empty")


class SessionStory(TenantPage):
    """What happened in a session, from its beginning; how it ended is said by the session."""

    items: list[Moment]


async def show_all(call: Call[SessionsQuery]) -> SessionsPage:
    """A page of a twin's sessions."""
    filters = call.query.model_dump()
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.sessions(call.tenant, filters, after, limit),
        {"began_at": datetime, "decision": int},
    )
    assert call.position is not None
    return SessionsPage(
        tenant=call.tenant,
        position=call.position,
        items=[Session.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


async def show(call: Call[PositionQuery]) -> OneSession:
    """The session that the path names."""
    row = await _found(call)
    return OneSession.model_validate({**row, "tenant": call.tenant, "position": call.position})


async def story(call: Call[PageQuery]) -> SessionStory:
    """A page of what happened in the session that the path names."""
    session_id = (await _found(call))["session_id"]
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.story(call.tenant, session_id, after, limit),
        {"decision": int},
    )
    currency = await call.reader.currency(call.tenant)
    assert call.position is not None
    return SessionStory(
        tenant=call.tenant,
        position=call.position,
        items=[_moment(row, currency) for row in rows],
        next_cursor=cursor,
    )


async def _found(call: Call[PageQuery] | Call[PositionQuery]) -> dict[str, Any]:
    name = call.path["session"]
    row = await call.reader.session(call.tenant, name) if IS_ID.fullmatch(name) else None
    if row is None:
        raise HttpProblem(SESSION_UNKNOWN, "The twin has had no session of this id.")
    return row


def _moment(row: dict[str, Any], currency: str | None) -> Moment:
    refusal = BY_CODE.get(row["code"])
    told = sentence(row, currency)
    return Moment.model_validate(
        {
            **row,
            "message": refusal.message if refusal else None,
            "words": told.words,
            "pattern": told.pattern,
            "values": told.values,
            "said": told.said,
        }
    )
