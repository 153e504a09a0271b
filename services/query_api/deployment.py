"""Deployments: where a twin is shown, by what rules, and what had to be disclosed there when."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import IS_ID, PageQuery, PositionQuery
from services.query_api.problems import DEPLOYMENT_UNKNOWN, HttpProblem


class Deployment(BaseModel):
    """One deployment as it is now."""

    deployment: str
    enabled: bool = Field(description="whether visitors are let in")
    version: int = Field(description="of its terms")
    surface: Literal["web_widget", "kiosk", "app"]
    ceiling: Literal["video", "voice", "text"] = Field(description="the richest modality offered")
    origins: list[str] = Field(
        description="exactly these may embed it", examples=[["https://example.com"]]
    )
    mints_per_minute: int = Field(description="how many visitors are let in at most")
    expires_at: datetime | None
    disclosure_version: int
    disclosure: str = Field(description="what every visitor must be shown")
    language: str = Field(examples=["es-MX"])
    admitted: int = Field(description="visitors that were ever let in")
    last_admitted_at: datetime | None
    created_at: datetime
    changed_at: datetime
    changed_by: str
    changed_position: int = Field(description="the commit that last changed this row")


class OneDeployment(Deployment):
    """One deployment, and the position that it is known at."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")


class DeploymentsPage(TenantPage):
    """Deployments by their id."""

    items: list[Deployment]


class DisclosureVersion(BaseModel):
    """One version of what a deployment discloses."""

    version: int
    disclosure: str
    language: str
    note: str | None
    actor: str
    occurred_at: datetime = Field(description="since when it must be shown")
    decision_id: str
    changed_position: int = Field(description="the commit that set it")


class DisclosuresPage(TenantPage):
    """Versions, newest first."""

    items: list[DisclosureVersion]


async def show_all(call: Call[PageQuery]) -> DeploymentsPage:
    """A page of a twin's deployments."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.deployments(call.tenant, after, limit),
        {"deployment": str},
    )
    assert call.position is not None
    return DeploymentsPage(
        tenant=call.tenant,
        position=call.position,
        items=[Deployment.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


async def show(call: Call[PositionQuery]) -> OneDeployment:
    """The deployment that the path names."""
    name = call.path["deployment"]
    row = await call.reader.deployment(call.tenant, name) if IS_ID.fullmatch(name) else None
    if row is None:
        raise HttpProblem(DEPLOYMENT_UNKNOWN, "The twin has no deployment of this id.")
    return OneDeployment.model_validate({**row, "tenant": call.tenant, "position": call.position})


async def disclosures(call: Call[PageQuery]) -> DisclosuresPage:
    """A page of the versions of what the deployment that the path names discloses."""
    name = call.path["deployment"]
    if not IS_ID.fullmatch(name) or await call.reader.deployment(call.tenant, name) is None:
        raise HttpProblem(DEPLOYMENT_UNKNOWN, "The twin has no deployment of this id.")
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.disclosures(call.tenant, name, after, limit),
        {"version": int},
    )
    assert call.position is not None
    return DisclosuresPage(
        tenant=call.tenant,
        position=call.position,
        items=[DisclosureVersion.model_validate(row) for row in rows],
        next_cursor=cursor,
    )
