"""Tenants: the twins, what state they are in and how much of their logs is known."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import Page, read_page
from services.query_api.parameters import ListQuery, PositionQuery


class Tenant(BaseModel):
    """One twin."""

    tenant: str
    position: int = Field(description="the position of the twin's log that the answer reflects")
    status: Literal["absent", "provisioned", "active", "suspended", "asleep", "retired", "erased"]
    reason: str = Field(description="why it is in this state; may be empty")
    display_name: str
    organisation: str
    currency: str = Field(examples=["USD"])
    time_zone: str = Field(examples=["America/New_York"])
    shard: int
    policy_version: int
    price_version: int
    provisioned_at: datetime | None
    last_commit_at: datetime


class TenantsPage(Page):
    """Twins, by name. Each has a position of its own."""

    items: list[Tenant]


async def show(call: Call[PositionQuery]) -> Tenant:
    """One twin."""
    return Tenant.model_validate(await call.reader.tenant(call.tenant))


async def show_all(call: Call[ListQuery]) -> TenantsPage:
    """A page of the twins that the caller may see."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.tenants(call.visible, after, limit),
        {"tenant": str},
    )
    return TenantsPage(items=[Tenant.model_validate(row) for row in rows], next_cursor=cursor)
