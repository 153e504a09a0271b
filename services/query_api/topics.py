"""Prohibited topics: the list in force, every other version, and who put them in force."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import PageQuery, PositionQuery
from services.query_api.versions import PutInForce, SavedChange, number_in, unknown


class ProhibitedTopic(BaseModel):
    """A topic and the words that give it away."""

    name: str
    phrases: list[str]


class TopicsVersion(SavedChange):
    """One version, whole. It was in force from when it was saved."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    topics: list[ProhibitedTopic]


class TopicsVersionsPage(TenantPage):
    """Versions without their lists, newest first."""

    items: list[SavedChange]


class TopicsRollbacksPage(TenantPage):
    """Each time that an earlier version was put in force again, newest first."""

    items: list[PutInForce]


async def show(call: Call[PositionQuery]) -> TopicsVersion:
    """The version in force, or the one that the path names."""
    version = number_in(call.path)
    row = await call.reader.topics(call.tenant, version)
    if row is None:
        raise unknown(version)
    return TopicsVersion.model_validate({**row, "tenant": call.tenant, "position": call.position})


async def versions(call: Call[PageQuery]) -> TopicsVersionsPage:
    """A page of the versions of a twin's topics."""
    rows, cursor = await _page(call, call.reader.topics_versions, {"version": int})
    assert call.position is not None
    return TopicsVersionsPage(
        tenant=call.tenant,
        position=call.position,
        items=[SavedChange.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


async def rollbacks(call: Call[PageQuery]) -> TopicsRollbacksPage:
    """A page of what was rolled back when."""
    rows, cursor = await _page(call, call.reader.topics_rollbacks, {"decision": int})
    assert call.position is not None
    return TopicsRollbacksPage(
        tenant=call.tenant,
        position=call.position,
        items=[PutInForce.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


async def _page(
    call: Call[PageQuery], fetch: Any, keys: dict[str, type]
) -> tuple[list[dict[str, Any]], str | None]:
    return await read_page(call, lambda after, limit: fetch(call.tenant, after, limit), keys)
