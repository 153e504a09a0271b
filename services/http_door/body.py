"""The body of a request: JSON of a bounded size, checked against a type of the contracts."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from contracts.spelling import in_words
from services.query_api.problems import (
    BODY_TOO_LARGE,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    FieldError,
    HttpProblem,
)

BYTES_MAX: Final = 1 << 20
_SHOWN_CHARS: Final = 200
_AT: Final = re.compile(r" - at `\$(?P<path>[^`]*)`$")
# What a message's own checks say begins with the field's path, see contracts/message.py.
_FIELD: Final = re.compile(r"^`(?P<path>[\w.\[\]]+)`|field `(?P<name>[^`]*)`")
_ODD_CHARACTER: Final = re.compile(r"^`[^`]+` has U\+")

T = TypeVar("T")


async def raw(request: web.Request) -> bytes:
    """Read the bytes as they came; raises HttpProblem (413)."""
    if (request.content_length or 0) > BYTES_MAX:
        raise HttpProblem(BODY_TOO_LARGE, f"The body is larger than {BYTES_MAX} bytes.")
    try:
        return await request.read()
    except web.HTTPException as error:
        if error.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise
        raise HttpProblem(BODY_TOO_LARGE, f"The body is larger than {BYTES_MAX} bytes.") from None


async def read(request: web.Request) -> dict[str, Any]:
    """Read a JSON object; raises HttpProblem (400, 413, 415)."""
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if request.content_type != "application/json" or encoding != "identity":
        raise HttpProblem(
            MEDIA_TYPE_REFUSED, "The body is not declared as JSON without compression."
        )
    data = await raw(request)
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise malformed("body", _shown(str(problem)), "Send one JSON object in UTF-8.") from None
    if not isinstance(value, dict):
        raise malformed("body", "must be a JSON object", "Send the fields in { }.")
    return value


def checked(value: dict[str, Any], kind: type[T]) -> T:
    """Read an object as *kind*; raises HttpProblem (400) that names field, rule and remedy."""
    try:
        return msgspec.convert(value, kind, str_keys=True)
    except (msgspec.ValidationError, RecursionError) as problem:
        raise _explain(str(problem), kind) from None


def malformed(field: str, rule: str, remedy: str) -> HttpProblem:
    """Make the problem of a body with this fault."""
    error = FieldError(field=field, rule=rule, remedy=remedy)
    return HttpProblem(MALFORMED_COMMAND, f"{field}: {rule}", errors=[error])


def _explain(message: str, kind: type) -> HttpProblem:
    at = _AT.search(message)
    rule = in_words(message[: at.start()] if at else message)
    path = at["path"].lstrip(".") if at else ""
    # What is missing, unknown, misspelled or no text is named in the rule and not in the path.
    named = _FIELD.search(rule)
    if named:
        path = f"{path}.{named['path'] or named['name']}".lstrip(".")
    if _ODD_CHARACTER.match(rule):
        return malformed(_shown(path), _shown(rule), "Leave it out; all other text is kept as is.")
    known = msgspec.json.schema(kind)["$defs"].get(kind.__name__, {}).get("properties", {})
    return malformed(_shown(path) or "body", _shown(rule), _remedy(path, known))


def _remedy(path: str, known: dict[str, Any]) -> str:
    top = re.split(r"[.\[]", path)[0]
    if top not in known:
        return f"Fields: {', '.join(name for name in sorted(known) if name != 'command_id')}."
    described = known[top].get("description")
    return f"{described[0].upper()}{described[1:]}." if described else "See /openapi.json."


def _shown(text: str) -> str:
    printable = "".join(char if char.isprintable() else "?" for char in text)
    return printable[:_SHOWN_CHARS].encode("utf-8", "replace").decode()
