"""
The OpenAPI 3.1 document, made from the same table and models as the server.

    python -m services.query_api.openapi        writes contracts/openapi.json

It is committed, so that a change of the API shows in review; a test compares the two.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from contracts.message import ID_PATTERN, TENANT_PATTERN
from services.query_api import parameters, probes, problems
from services.query_api.call import AnyRoute, Probe
from services.query_api.parameters import Query
from services.query_api.problems import Kind
from services.query_api.routes import ROUTES

Json: TypeAlias = dict[str, Any]

PATH: Final = Path(__file__).resolve().parents[2] / "contracts" / "openapi.json"
_REF: Final = "#/components/schemas/{model}"
_PATH_PARAMETERS: Final[dict[str, Json]] = {
    "tenant": {"type": "string", "pattern": f"^{TENANT_PATTERN}$", "examples": ["cantor"]},
    "decision_id": {
        "type": "string",
        "pattern": f"^{parameters.IS_DECISION.pattern}$",
        "examples": ["cantor.42"],
    },
    "version": {"type": "string", "pattern": f"^{parameters.IS_VERSION.pattern}$"},
    "deployment": {"type": "string", "pattern": f"^{ID_PATTERN}$", "examples": ["web"]},
    "source": {"type": "string", "pattern": f"^{ID_PATTERN}$", "examples": ["rules"]},
}
_ANYWHERE: Final = (problems.INTERNAL, problems.MALFORMED_REQUEST, problems.BODY_NOT_ACCEPTED)
_WITH_KEY: Final = (problems.KEY_MISSING, problems.KEY_REFUSED, problems.OVERLOADED)
_WITH_ROWS: Final = (
    problems.INVALID_PARAMETER,
    problems.READ_SIDE_UNAVAILABLE,
    problems.TOO_SLOW,
)
_WITH_TENANT: Final = (problems.TENANT_UNKNOWN, problems.POSITION_NOT_REACHED)


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "ViTo Twin query API",
            "version": "1",
            "summary": "What is known of the twins: meters, audit log, decisions, holds, policy.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": {
            **{route.path: {"get": _operation(route)} for route in ROUTES},
            **{probe.path: {"get": _probe(probe)} for probe in probes.PROBES},
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


_DESCRIPTION: Final = (
    "Answers come from the read side, which follows the log. Every answer about a twin says in"
    " `position` and in the header Vito-Position which commit of its log it reflects; ask with"
    " `min_position` for at least a certain one. Money is in nanos, 10^-9 of the currency. Every"
    " other answer is an RFC 9457 problem: branch on its `code`."
)


@cache
def encode() -> bytes:
    """The document as it is committed and served."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def _operation(route: AnyRoute) -> Json:
    kinds = [*_ANYWHERE, *_WITH_KEY, *_WITH_ROWS, *route.problems]
    if route.tenant_scoped:
        kinds += _WITH_TENANT
    headers = {"Vito-Position": _POSITION_HEADER} if route.tenant_scoped else {}
    return {
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(route)],
        "responses": {
            "200": {
                "description": _first_line(route.answer),
                "headers": {**headers, "Vito-Request-Id": _REQUEST_HEADER},
                "content": {"application/json": {"schema": _ref(route.answer)}},
            },
            **_problem_responses(kinds),
        },
    }


def _probe(probe: Probe) -> Json:
    schema = {"type": "string"} if probe.answer is None else _ref(probe.answer)
    if probe.content_type == "application/json" and probe.answer is None:
        schema = {"type": "object"}
    kinds = [*_ANYWHERE, *probe.problems] + ([] if probe.open else list(_WITH_KEY))
    operation: Json = {
        "operationId": probe.operation,
        "summary": probe.summary,
        "responses": {
            "200": {
                "description": probe.summary,
                "content": {probe.content_type: {"schema": schema}},
            },
            **_problem_responses(kinds, dict.fromkeys(probe.problems, probe.problem_model)),
        },
    }
    if probe.open:
        operation["security"] = []
    return operation


_POSITION_HEADER: Final[Json] = {
    "description": "the position of the twin's log that the answer reflects",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_REQUEST_HEADER: Final[Json] = {
    "description": "names this request in the server's logs",
    "required": True,
    "schema": {"type": "string"},
}


def _problem_responses(
    kinds: list[Kind], models: Mapping[Kind, type[BaseModel]] | None = None
) -> Json:
    by_status: dict[HTTPStatus, list[Kind]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        str(int(status)): {
            "description": ", ".join(f"`{kind.code}`" for kind in same),
            **({"headers": {"Retry-After": _RETRY_HEADER}} if _waiting_helps(same) else {}),
            "content": {
                problems.CONTENT_TYPE: {
                    "schema": _ref((models or {}).get(same[0], problems.Problem))
                }
            },
        }
        for status, same in sorted(by_status.items())
    }


_RETRY_HEADER: Final[Json] = {
    "description": "seconds to wait before asking again",
    "schema": {"type": "integer", "minimum": 1},
}


def _waiting_helps(kinds: list[Kind]) -> bool:
    return any(kind.retry_after_s is not None for kind in kinds)


def _path_parameters(path: str) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]}


def _query_parameters(route: AnyRoute) -> Iterator[Json]:
    query: type[Query] = route.query
    for name, schema in query.model_json_schema(by_alias=True).get("properties", {}).items():
        described = _without_null(schema)
        description = described.pop("description", "")
        described.pop("title", None)
        yield {
            "name": name,
            "in": "query",
            "description": description,
            "required": False,
            "schema": described,
        }
    if route.tenant_scoped:
        yield {
            "name": "Vito-Min-Position",
            "in": "header",
            "description": "The same as min_position; the larger of the two counts.",
            "required": False,
            "schema": {"type": "integer", "minimum": 0, "maximum": parameters.POSITION_MAX},
        }


def _without_null(schema: Json) -> Json:
    """A query string cannot say null: a parameter is there or it is not."""
    options = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    return {**rest, **(options[0] if len(options) == 1 else {})}


def _schemas() -> Json:
    models: set[type[BaseModel]] = {route.answer for route in ROUTES} | {problems.Problem}
    models |= {probe.answer for probe in probes.PROBES if probe.answer is not None}
    models |= {probe.problem_model for probe in probes.PROBES}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema(
        [(model, "serialization") for model in ordered], ref_template=_REF
    )
    schemas: Json = schema["$defs"]
    return dict(sorted(schemas.items()))


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": _REF.format(model=model.__name__)}


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).strip().splitlines()[0]


def main() -> None:
    """Write the document to where it is committed."""
    PATH.write_bytes(encode())
    sys.stdout.write(f"wrote {PATH}\n")


if __name__ == "__main__":
    main()
