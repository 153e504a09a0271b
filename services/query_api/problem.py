"""The document that says why there is no answer (RFC 9457)."""

from __future__ import annotations

from pydantic import BaseModel, Field


class FieldError(BaseModel):
    """One parameter or field that cannot be used."""

    field: str = Field(description="name of the parameter, or path of the field in the body")
    rule: str = Field(description="the rule that it breaks")
    remedy: str = Field(description="what to send instead")


class Problem(BaseModel):
    """Why there is no answer, and what to do about it (RFC 9457)."""

    type: str = Field(description="names the kind of problem; the same for the same code")
    title: str = Field(description="the kind of problem in words; never varies")
    status: int = Field(description="the HTTP status, repeated")
    code: str = Field(description="branch on this", examples=["position_not_reached"])
    detail: str = Field(description="what is the case this time")
    remedy: str = Field(description="what to do")
    instance: str | None = Field(
        default=None,
        description="this request; the server's logs carry the same id. Left out of"
        " `caller_unknown`, which is the same for every twin, byte for byte",
    )
    errors: list[FieldError] | None = Field(
        default=None, description="parameters or fields at fault"
    )
    position: int | None = Field(
        default=None, description="the position that the read side has reached"
    )
    min_position: int | None = Field(default=None, description="the position that was asked for")
