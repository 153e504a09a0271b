"""Access: the members of a twin, its invitations and its API keys. No hash of a secret is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from contracts.access import Role, Scope
from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import PageQuery


class Member(BaseModel):
    """Somebody who belongs to the twin."""

    person: str
    email: str = Field(description="where they were invited")
    role: Role
    joined_at: datetime
    changed_position: int = Field(description="the commit that last changed it")


class MembersPage(TenantPage):
    """The members of a twin, by person."""

    items: list[Member]


class Invitation(BaseModel):
    """An invitation. One that is `open` can be accepted until it expires."""

    invitation_id: str
    email: str
    role: Role
    state: Literal["open", "accepted", "withdrawn"]
    invited_by: str = Field(examples=["person_ana"])
    invited_at: datetime
    expires_at: datetime
    changed_position: int = Field(description="the commit that last changed it")


class InvitationsPage(TenantPage):
    """The invitations of a twin, by id."""

    items: list[Invitation]


class ApiKey(BaseModel):
    """An API key as it is known here: never the key itself."""

    key_id: str
    label: str = Field(examples=["livekit-agent"])
    scopes: list[Scope]
    issued_by: str = Field(examples=["person_ana"])
    issued_at: datetime
    expires_at: datetime | None = Field(description="null: when it is revoked")
    revoked_at: datetime | None
    replaced_by: str | None = Field(description="the key that it was rotated to")
    last_used_at: datetime | None = Field(description="to the minute")
    changed_position: int = Field(description="the commit that last changed it")


class ApiKeysPage(TenantPage):
    """The API keys of a twin, by id, those that are over included."""

    items: list[ApiKey]


async def members(call: Call[PageQuery]) -> MembersPage:
    """A page of a twin's members."""
    rows, cursor = await read_page(
        call, lambda after, limit: call.reader.members(call.tenant, after, limit), {"person": str}
    )
    assert call.position is not None
    items = [Member.model_validate(row) for row in rows]
    return MembersPage(tenant=call.tenant, position=call.position, items=items, next_cursor=cursor)


async def invitations(call: Call[PageQuery]) -> InvitationsPage:
    """A page of a twin's invitations."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.invitations(call.tenant, after, limit),
        {"invitation_id": str},
    )
    assert call.position is not None
    items = [Invitation.model_validate(row) for row in rows]
    return InvitationsPage(
        tenant=call.tenant, position=call.position, items=items, next_cursor=cursor
    )


async def api_keys(call: Call[PageQuery]) -> ApiKeysPage:
    """A page of a twin's API keys."""
    rows, cursor = await read_page(
        call, lambda after, limit: call.reader.api_keys(call.tenant, after, limit), {"key_id": str}
    )
    assert call.position is not None
    items = [ApiKey.model_validate(row) for row in rows]
    return ApiKeysPage(tenant=call.tenant, position=call.position, items=items, next_cursor=cursor)
