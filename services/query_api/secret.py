"""
Secrets: what is in a twin's vault.

No path shows a value, nor anything sealed; of a long value the last four characters.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import PageQuery


class SecretVersion(BaseModel):
    """One version of a secret: when and by whom it was put, ended and opened."""

    name: str
    version: int
    state: Literal["current", "replaced", "revoked"]
    usable: bool = Field(description="whether it could be opened just now")
    key_version: int = Field(description="the version of the twin's data key that seals it")
    put_at: datetime
    put_by: str
    usable_until: datetime | None = Field(description="from when on it can be opened no more")
    ended_by: str | None
    reason: str | None
    openings: int = Field(description="how often it was opened; each is in the log")
    last_opened_at: datetime | None
    last_opened_by: str | None
    last_four: str = Field(
        description="the end of the value, as vendors show it; empty for one that is too short"
    )
    changed_position: int = Field(description="the commit that last changed it")


class SecretsPage(TenantPage):
    """Versions by name, the newest of each first."""

    items: list[SecretVersion]


async def show(call: Call[PageQuery]) -> SecretsPage:
    """A page of what is in a twin's vault."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.secrets(call.tenant, after, limit),
        {"name": str, "age": int},
    )
    assert call.position is not None
    return SecretsPage(
        tenant=call.tenant,
        position=call.position,
        items=[SecretVersion.model_validate(row) for row in rows],
        next_cursor=cursor,
    )
