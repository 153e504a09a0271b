"""System prompt: the live version, every other one, how they differ and who made them live."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from contracts.prompt import Variable
from contracts.questions import Values
from domain.rendering import render
from services.query_api.call import Call
from services.query_api.pages import TenantPage, read_page
from services.query_api.parameters import PageQuery, PositionQuery
from services.query_api.versions import (
    PutInForce,
    SavedChange,
    VersionQuery,
    difference,
    number_in,
    unknown,
)

VALUES_CHARS_MAX = 3_000


def _values(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > VALUES_CHARS_MAX:
        raise ValueError(f"must have at most {VALUES_CHARS_MAX} characters")
    try:
        return msgspec.json.decode(value, type=Values)
    except (msgspec.DecodeError, UnicodeError) as problem:
        raise ValueError(f"must be a JSON object of variables: {problem}") from None


class PreviewQuery(PositionQuery):
    """What to put in place of the variables."""

    values: Annotated[
        dict[str, Any],
        BeforeValidator(_values),
        WithJsonSchema({"type": "string", "maxLength": VALUES_CHARS_MAX}),
    ] = Field(
        default_factory=dict,
        description="The variables' values, as a JSON object. It stands in the address: use"
        " `qry.<tenant>.prompt.preview` for what must not be in anybody's log.",
        examples=['{"user_name": "Ana"}'],
    )


class PromptVersion(SavedChange):
    """One version, whole, and how it differs from the one that it was made from."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    text: str
    variables: list[dict[str, Any]] = Field(
        description="what may stand in braces; the schema is in the AsyncAPI file"
    )
    compared_with: int | None = Field(description="the version that `diff` begins with; null: none")
    diff: list[str] | None = Field(description="line by line, as `diff -u` says it")


class PromptVersionsPage(TenantPage):
    """Versions without their texts, newest first."""

    items: list[SavedChange]


class PromptActivation(PutInForce):
    """That a version went live."""

    rolled_back: bool = Field(description="said to be a rollback by who did it")


class PromptActivationsPage(TenantPage):
    """Each time that a version went live, newest first."""

    items: list[PromptActivation]


class PromptFault(BaseModel):
    """What keeps the prompt from being rendered."""

    field: str
    rule: str


class PromptRendered(BaseModel):
    """A version with values in place of its variables; no text, and why, when they do not fit."""

    tenant: str
    position: int = Field(description="the position of the twin's log that this answer reflects")
    version: int
    text: str | None
    faults: list[PromptFault]


async def show(call: Call[VersionQuery]) -> PromptVersion:
    """The live version, or the one that the path names."""
    row = await _version(call, number_in(call.path))
    against = call.query.against or row["base_version"]
    base = None if against == 0 else await _version(call, against)
    names = (f"version {against}", f"version {row['version']}")
    return PromptVersion.model_validate(
        {
            **row,
            "tenant": call.tenant,
            "position": call.position,
            "compared_with": against or None,
            "diff": None if base is None else difference(base["text"], row["text"], names),
        }
    )


async def preview(call: Call[PreviewQuery]) -> PromptRendered:
    """A version with values in place of its variables."""
    row = await _version(call, number_in(call.path))
    variables = msgspec.convert(row["variables"], list[Variable])
    rendered = render(row["text"], variables, call.query.values)
    return PromptRendered.model_validate(
        {
            "tenant": call.tenant,
            "position": call.position,
            "version": row["version"],
            **msgspec.to_builtins(rendered),
        }
    )


async def versions(call: Call[PageQuery]) -> PromptVersionsPage:
    """A page of the versions of a twin's prompt."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.prompts(call.tenant, after, limit),
        {"version": int},
    )
    assert call.position is not None
    return PromptVersionsPage(
        tenant=call.tenant,
        position=call.position,
        items=[SavedChange.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


async def activations(call: Call[PageQuery]) -> PromptActivationsPage:
    """A page of what was live when."""
    rows, cursor = await read_page(
        call,
        lambda after, limit: call.reader.prompt_activations(call.tenant, after, limit),
        {"decision": int},
    )
    assert call.position is not None
    return PromptActivationsPage(
        tenant=call.tenant,
        position=call.position,
        items=[PromptActivation.model_validate(row) for row in rows],
        next_cursor=cursor,
    )


async def _version(call: Call[Any], version: int | None) -> dict[str, Any]:
    row = await call.reader.prompt(call.tenant, version)
    if row is None:
        raise unknown(version)
    return row
