"""Twin: who it is and what it is for, in every version, and what the Owner was shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from domain import twin as rules
from services.query_api.call import Call
from services.query_api.pages import Row, TenantPage, read_page
from services.query_api.parameters import PageQuery, PositionQuery
from services.query_api.problems import VERSION_UNKNOWN, HttpProblem

Part = Literal["identity", "purpose"]


class DnaVersion(BaseModel):
    """One version of the identity or of the purpose, as it was saved."""

    version: int
    document: dict[str, Any] = Field(
        description="the document; its schema, Identity or Purpose, is in the AsyncAPI file"
    )
    actor: str = Field(description="who saved it")
    note: str | None
    occurred_at: datetime
    decision_id: str
    changed_position: int = Field(description="the commit that saved it")


class IdentityVersion(DnaVersion):
    """A version of the identity. It has been live if somebody has signed it off."""

    pitch_permille: int
    speed_permille: int
    signed_off_by: str | None
    signed_off_at: datetime | None
    sign_off_id: str | None = Field(description="the decision that signed it off")
    sign_off_note: str | None


class Sample(BaseModel):
    """A calibration call that was put before the Owner."""

    reservation_id: str = Field(description="the call; its cost is in the audit log")
    calibration: int
    version: int = Field(description="the version of the identity that it shows")
    number: int = Field(description="1 to 3")
    reference: str | None
    actor: str
    occurred_at: datetime
    decision_id: str
    changed_position: int


class Calibration(BaseModel):
    """The round of samples that is under way."""

    number: int
    version: int
    modality: str
    provider_id: str
    sku: str
    samples: list[Sample]


class Step(BaseModel):
    """Something that is missing before the draft can go live."""

    command: str = Field(examples=["twin.sign_off"])
    why: str


class Twin(BaseModel):
    """A twin's DNA as it stands. What is null is not there."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    status: Literal["absent", "provisioned", "active", "suspended", "asleep", "retired", "erased"]
    live: IdentityVersion | None = Field(description="what agents play")
    draft: IdentityVersion | None = Field(description="what waits for its sign-off")
    purpose: DnaVersion | None
    calibration: Calibration | None
    missing: list[Step]
    activated_at: datetime | None
    retired_at: datetime | None


class IdentitiesPage(TenantPage):
    """Versions of the identity, newest first."""

    items: list[IdentityVersion]


class PurposesPage(TenantPage):
    """Versions of the purpose, newest first."""

    items: list[DnaVersion]


class SamplesPage(TenantPage):
    """Samples of all calibrations, newest first."""

    items: list[Sample]


async def show(call: Call[PositionQuery]) -> Twin:
    """A twin's DNA as it stands, and what its draft still needs."""
    row = await call.reader.twin(call.tenant)
    if row is None:
        raise HttpProblem(VERSION_UNKNOWN, "The twin is not provisioned yet.")
    versions = {
        name: await call.reader.dna(call.tenant, part, row[f"{name}_version"])
        for name, part in (("live", "identity"), ("draft", "identity"), ("purpose", "purpose"))
    }
    samples = await call.reader.samples_of(call.tenant, row["calibration"])
    return Twin.model_validate(
        {
            **row,
            **versions,
            "tenant": call.tenant,
            "position": call.position,
            "calibration": _calibration(row, samples),
            "missing": _missing(row),
        }
    )


async def identities(call: Call[PageQuery]) -> IdentitiesPage:
    """A page of the versions of the identity."""
    rows, rest = await _versions(call, "identity")
    items = [IdentityVersion.model_validate(row) for row in rows]
    return IdentitiesPage(items=items, **rest)


async def purposes(call: Call[PageQuery]) -> PurposesPage:
    """A page of the versions of the purpose."""
    rows, rest = await _versions(call, "purpose")
    return PurposesPage(items=[DnaVersion.model_validate(row) for row in rows], **rest)


async def samples(call: Call[PageQuery]) -> SamplesPage:
    """A page of the samples."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.samples(call.tenant, after, limit),
        {"reservation": int},
    )
    items = [Sample.model_validate(row) for row in rows]
    return SamplesPage(items=items, **_rest(call, cursor))


async def _versions(call: Call[PageQuery], part: Part) -> tuple[list[Row], dict[str, Any]]:
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.dna_versions(call.tenant, part, after, limit),
        {"version": int},
    )
    return rows, _rest(call, cursor)


def _rest(call: Call[PageQuery], cursor: str | None) -> dict[str, Any]:
    return {"tenant": call.tenant, "position": call.position, "next_cursor": cursor}


def _calibration(row: Row, found: list[Row]) -> dict[str, Any] | None:
    if not row["calibration"]:
        return None
    named = {name: row[name] for name in ("modality", "provider_id", "sku")}
    return {
        **named,
        "number": row["calibration"],
        "version": row["calibration_version"],
        "samples": found,
    }


def _missing(row: Row) -> list[dict[str, str]]:
    """The same steps as the gate's own view shows; see `domain.twin`."""
    progress = rules.Progress(
        is_live=row["activated_at"] is not None,
        has_draft=bool(row["draft_version"]),
        has_purpose=bool(row["purpose_version"]),
        is_calibrating=bool(row["calibration"]),
        samples=row["samples"],
    )
    steps = rules.steps(progress, row["status"])
    return [{"command": command, "why": why} for command, why in steps]
