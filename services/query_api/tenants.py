"""Tenants: the twins, what state they are in and how much of their logs is known."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import Page, read_page
from services.query_api.parameters import ListQuery, PositionQuery

SEARCH_CHARS_MAX: Final = 100
Status: TypeAlias = Literal[
    "absent", "provisioned", "active", "suspended", "asleep", "retired", "erased"
]


class TenantsQuery(ListQuery):
    """Which twins, of those that the caller may see."""

    search: Annotated[str, Field(min_length=1, max_length=SEARCH_CHARS_MAX)] | None = Field(
        default=None,
        description="Only twins whose name, display name or organisation has this text in it,"
        " however its letters are cased.",
        examples=["cantor"],
    )
    status: Status | None = Field(
        default=None, description="Only twins in this state.", examples=["active"]
    )


class Tenant(BaseModel):
    """One twin."""

    tenant: str
    position: int = Field(description="the position of the twin's log that the answer reflects")
    status: Status
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


async def show_all(call: Call[TenantsQuery]) -> TenantsPage:
    """A page of the twins that the caller may see."""
    filters = call.query.filters()
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.tenants(call.visible, filters, after, limit),
        {"tenant": str},
    )
    return TenantsPage(items=[Tenant.model_validate(row) for row in rows], next_cursor=cursor)
