"""
What may stand in a query string, and how a wrong one is explained.

Values are refused, never repaired: a parameter that is unknown, given twice or out of bounds is an
answer of 400 that names the field, the rule and the remedy. The patterns of names are those of
`contracts/`, so that what the gate accepts can be asked for, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from multidict import MultiMapping
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from contracts.message import ID_PATTERN, NAME_PATTERN, TENANT_PATTERN
from services.query_api.cursors import CURSOR_CHARS_MAX
from services.query_api.problems import INVALID_PARAMETER, FieldError, HttpProblem

POSITION_MAX = 2**53 - 1
LIMIT_MAX = 500
LIMIT_DEFAULT = 50
_NAME_SHOWN_CHARS = 64
_DIGITS = re.compile(r"[0-9]{1,16}", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The core counts microseconds up to 9e15, which is in 2255.
_LAST = datetime(2255, 1, 1, tzinfo=UTC)


def number(value: object) -> object:
    """Read a whole number; for a BeforeValidator."""
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise ValueError("must be a whole number of at most 16 digits")
        return int(value)
    return value


def _instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _INSTANT.fullmatch(value):
        raise ValueError(
            "must be a time with its offset, like 2026-11-22T09:00:00Z; write a plus sign as %2B"
        )
    moment = datetime.fromisoformat(value)
    # Compared before it is converted: at the edges of the calendar the conversion overflows.
    if not _EPOCH <= moment < _LAST:
        raise ValueError("must be between 1970-01-01 and 2255-01-01, UTC")
    return moment.astimezone(UTC)


Instant: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
ProviderId: TypeAlias = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$", max_length=64)]
Code: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", max_length=64)]
Period: TypeAlias = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", max_length=7)]
DeploymentId: TypeAlias = Annotated[str, Field(pattern=f"^{ID_PATTERN}$", max_length=64)]
DecisionId: TypeAlias = Annotated[
    str, Field(pattern=rf"^{TENANT_PATTERN}\.[1-9][0-9]{{0,17}}$", max_length=82)
]

IS_TENANT: Final = re.compile(TENANT_PATTERN, re.ASCII)
IS_DECISION: Final = re.compile(rf"{TENANT_PATTERN}\.([1-9][0-9]{{0,17}})", re.ASCII)
IS_ID: Final = re.compile(ID_PATTERN, re.ASCII)
IS_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Query(BaseModel):
    """The parameters of one route; a route without any uses this class itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListQuery(Query):
    """What may be said to every route that answers in pages."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX), BeforeValidator(number)] = Field(
        default=LIMIT_DEFAULT, description="Rows in a page.", examples=[100]
    )
    cursor: (
        Annotated[str, Field(max_length=CURSOR_CHARS_MAX, pattern=r"^[A-Za-z0-9_-]+$")] | None
    ) = Field(
        default=None,
        description="`next_cursor` of the page before; every other parameter must stay the same.",
    )

    def filters(self) -> dict[str, Any]:
        """The question without the place in it."""
        return self.model_dump(mode="json", exclude={"limit", "cursor", "min_position"})


class PositionQuery(Query):
    """What may be said to every route of a twin."""

    min_position: Annotated[int, Field(ge=0, le=POSITION_MAX), BeforeValidator(number)] | None = (
        Field(
            default=None,
            description="Answer only from this position of the twin's log on, wait a little for it"
            " and then answer 503. The header Vito-Min-Position says the same.",
            examples=[42],
        )
    )


class PageQuery(ListQuery, PositionQuery):
    """What may be said to every route of a twin that answers in pages."""


class TimeRangeQuery(PageQuery):
    """A page of what happened in [from, to)."""

    since: Instant | None = Field(
        default=None,
        alias="from",
        description="Only what happened at this time or later. RFC 3339, with its offset.",
        examples=["2026-11-01T00:00:00Z"],
    )
    until: Instant | None = Field(
        default=None,
        alias="to",
        description="Only what happened before this time. RFC 3339, with its offset.",
        examples=["2026-12-01T00:00:00Z"],
    )


Q = TypeVar("Q", bound=Query)


def parse(model: type[Q], values: MultiMapping[str]) -> Q:
    """Read a query string as *model*; raises HttpProblem (400) that explains every fault."""
    twice = sorted({name for name in values if len(values.getall(name)) > 1})
    if twice:
        raise _refused(
            [
                FieldError(field=_shown(n), rule="must be given once", remedy="Say it once.")
                for n in twice[:10]
            ]
        )
    try:
        return model.model_validate(dict(values.items()))
    except ValidationError as invalid:
        raise _refused(
            [_explain(model, error) for error in invalid.errors(include_url=False)[:10]]
        ) from None


def parse_min_position(header: str) -> int:
    """Read the header Vito-Min-Position."""
    if not _DIGITS.fullmatch(header) or int(header) > POSITION_MAX:
        raise _refused(
            [
                FieldError(
                    field="Vito-Min-Position",
                    rule=f"must be a whole number from 0 to {POSITION_MAX}",
                    remedy="Send the position of the reply that you want to see reflected.",
                )
            ]
        )
    return int(header)


def _explain(model: type[Query], error: Mapping[str, Any]) -> FieldError:
    name = str(error["loc"][0]) if error["loc"] else "query"
    known = {field.alias or key: field for key, field in model.model_fields.items()}
    if error["type"] == "extra_forbidden":
        return FieldError(
            field=_shown(name),
            rule="is not a parameter of this path",
            remedy=f"Remove it. Parameters: {', '.join(sorted(known)) or 'none'}.",
        )
    field = known.get(name)
    example = f" Example: {field.examples[0]}" if field and field.examples else ""
    meaning = (field.description or "") if field else ""
    rule = str(error["msg"]).removeprefix("Value error, ")
    return FieldError(field=_shown(name), rule=rule, remedy=f"{meaning}{example}".strip())


def _shown(name: str) -> str:
    printable = "".join(char if char.isprintable() else "?" for char in name)
    return printable[:_NAME_SHOWN_CHARS].encode("utf-8", "replace").decode()


def _refused(errors: list[FieldError]) -> HttpProblem:
    detail = "; ".join(f"{error.field}: {error.rule}" for error in errors)
    return HttpProblem(INVALID_PARAMETER, detail, errors=errors)
