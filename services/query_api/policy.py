"""Policy: the document that the gate decides by, and every version of it that ever did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import IS_VERSION, PageQuery, PositionQuery
from services.query_api.problems import VERSION_UNKNOWN, HttpProblem


class PolicyChange(BaseModel):
    """That a version was set, by whom and why."""

    version: int
    actor: str
    note: str | None
    occurred_at: datetime
    decision_id: str
    changed_position: int = Field(description="the commit that set it")


class PolicyVersion(PolicyChange):
    """One version, whole."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    policy: dict[str, Any] = Field(description="the document; its schema is in the AsyncAPI file")


class PolicyVersionsPage(TenantPage):
    """Versions without their documents, newest first."""

    items: list[PolicyChange]


async def show(call: Call[PositionQuery]) -> PolicyVersion:
    """The version that decides, or the one that the path names."""
    number = call.path.get("version")
    if number is not None and not IS_VERSION.fullmatch(number):
        raise _unknown()
    row = await call.reader.policy(call.tenant, None if number is None else int(number))
    if row is None:
        raise _unknown()
    return PolicyVersion.model_validate({**row, "tenant": call.tenant, "position": call.position})


async def versions(call: Call[PageQuery]) -> PolicyVersionsPage:
    """A page of the versions of a twin's policy."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.policies(call.tenant, after, limit),
        {"version": int},
    )
    assert call.position is not None
    return PolicyVersionsPage(
        tenant=call.tenant,
        position=call.position,
        items=[PolicyChange.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


def _unknown() -> HttpProblem:
    return HttpProblem(VERSION_UNKNOWN, "The twin's policy has no such version.")
