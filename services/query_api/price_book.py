"""Price book: what vendors charge, in the version that prices new calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.parameters import PositionQuery
from services.query_api.problems import VERSION_UNKNOWN, HttpProblem


class PriceBookVersion(BaseModel):
    """The current version, with the provenance of every price."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    version: int
    actor: str
    note: str | None
    occurred_at: datetime
    decision_id: str
    changed_position: int = Field(description="the commit that set it")
    price_book: dict[str, Any] = Field(
        description="the document; its schema is in the AsyncAPI file"
    )


async def show(call: Call[PositionQuery]) -> PriceBookVersion:
    """The price book that prices new calls."""
    row = await call.reader.price_book(call.tenant)
    if row is None:
        raise HttpProblem(VERSION_UNKNOWN, "The twin has no price book yet.")
    return PriceBookVersion.model_validate(
        {**row, "tenant": call.tenant, "position": call.position}
    )
