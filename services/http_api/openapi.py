"""
The OpenAPI 3.1 document, made from the same table and models as the server.

    python -m services.http_api.openapi        writes contracts/openapi.json

It is committed, so that a change of the API shows in review; a test compares the two.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from contracts.message import ID_PATTERN, NAME_PATTERN, TENANT_PATTERN
from services.http_api import openapi_problems, policy_preview, probes, usage_export, verification
from services.http_api.changes import CHANGES
from services.http_api.log_export import EXPORT
from services.http_door import commands, cross_site, doors, session
from services.http_door.endpoint import Content, Endpoint
from services.query_api import parameters, problems
from services.query_api.call import AnyRoute, Probe
from services.query_api.parameters import Query
from services.query_api.routes import ROUTES

Json: TypeAlias = dict[str, Any]

_ENDPOINTS: Final = (
    *doors.ENDPOINTS,
    CHANGES,
    EXPORT,
    *verification.ENDPOINTS,
    policy_preview.PREVIEW,
    usage_export.EXPORT,
)
PATH: Final = Path(__file__).resolve().parents[2] / "contracts" / "openapi.json"
_REF: Final = "#/components/schemas/{model}"
_MESSAGE: Final = "contracts."
_JSON: Final = "application/json"
_PATH_PARAMETERS: Final[dict[str, Json]] = {
    "tenant": {"type": "string", "pattern": f"^{TENANT_PATTERN}$", "examples": ["cantor"]},
    "decision_id": {
        "type": "string",
        "pattern": f"^{parameters.IS_DECISION.pattern}$",
        "examples": ["cantor.42"],
    },
    "version": {"type": "string", "pattern": f"^{parameters.IS_VERSION.pattern}$"},
    "deployment": {"type": "string", "pattern": f"^{ID_PATTERN}$", "examples": ["web"]},
    "session": {"type": "string", "pattern": f"^{ID_PATTERN}$", "examples": ["5f2a9c0d7be14c3f"]},
    "token": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
    "source": {"type": "string", "pattern": f"^{ID_PATTERN}$", "examples": ["rules"]},
    "secret": {"type": "string", "pattern": f"^{NAME_PATTERN}$", "examples": ["openai"]},
    "reservation": {"type": "string", "maxLength": 96},
}
_ANYWHERE: Final = (problems.INTERNAL, problems.MALFORMED_REQUEST)
_WITHOUT_BODY: Final = (*_ANYWHERE, problems.BODY_NOT_ACCEPTED)
_WITH_KEY: Final = (
    problems.KEY_MISSING,
    problems.KEY_REFUSED,
    problems.IDENTITY_UNAVAILABLE,
    problems.OVERLOADED,
)
_WITH_ROWS: Final = (
    problems.INVALID_PARAMETER,
    problems.READ_SIDE_UNAVAILABLE,
    problems.TOO_SLOW,
)
_WITH_TENANT: Final = (
    problems.TENANT_UNKNOWN,
    problems.POSITION_NOT_REACHED,
    problems.CALLER_UNKNOWN,
    problems.CALLER_NOT_ALLOWED,
)
# What a browser's session needs besides the cookie, see services/http_door/cross_site.py.
_SECURITY: Final[list[Json]] = [{"bearer": []}, {"session": []}]
_SECURITY_TO_CHANGE: Final[list[Json]] = [{"bearer": []}, {"session": [], "csrf": []}]


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "ViTo Twin HTTP API",
            "version": "1",
            "summary": "Ask about the twins, command them, sign in.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": _SECURITY,
        "paths": _paths(),
        "components": {
            "securitySchemes": _SCHEMES,
            "schemas": _schemas(),
            "examples": openapi_problems.examples(),
        },
    }


def _paths() -> Json:
    found: Json = {}
    for path, method, operation in _operations():
        if method in found.setdefault(path, {}):
            # The server would answer with the first of them and never with the other.
            raise ValueError(f"two operations answer {method.upper()} {path}")
        found[path][method] = operation
    return found


def _operations() -> Iterator[tuple[str, str, Json]]:
    yield from ((route.path, "get", _operation(route)) for route in ROUTES)
    yield from ((one.path, one.method.lower(), _endpoint(one)) for one in _ENDPOINTS)
    yield from ((probe.path, "get", _probe(probe)) for probe in probes.PROBES)


_SCHEMES: Final[Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (vito_...), a token (eyJ...), or the deployment's own key.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": session.COOKIE,
        "description": "A browser's session, from /v1/sign-in.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": cross_site.PROOF_HEADER,
        "description": "What /v1/me gives; beside the session, for whatever changes something.",
    },
}


_DESCRIPTION: Final = (
    "Answers come from the read side, which follows the log. Every answer about a twin says in"
    " `position` and in the header Vito-Position which commit of its log it reflects; ask with"
    " `min_position` for at least a certain one. Money is in nanos, 10^-9 of the currency. Every"
    " other answer is an RFC 9457 problem: branch on its `code`. A command is a POST with the"
    " header `Idempotency-Key`: ask again with the same key until you get an answer, it takes"
    " effect once."
)


@cache
def encode() -> bytes:
    """The document as it is committed and served."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def _operation(route: AnyRoute) -> Json:
    kinds = [*_WITHOUT_BODY, *_WITH_KEY, *_WITH_ROWS, *route.problems]
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
            **openapi_problems.responses(kinds),
        },
    }


def _endpoint(endpoint: Endpoint) -> Json:
    anywhere = _WITHOUT_BODY if endpoint.method == "GET" else _ANYWHERE
    kinds = [*anywhere, *endpoint.problems]
    if not endpoint.open:
        kinds += _WITH_KEY
        kinds += [problems.CROSS_SITE_REFUSED] if endpoint.method == "POST" else []
    if endpoint.tenant_scoped:
        kinds += [problems.TENANT_UNKNOWN, problems.CALLER_UNKNOWN]
    kinds += map(openapi_problems.kind_of, endpoint.refusals)
    of_gate = [kind for kind in kinds if kind not in problems.KINDS]
    models = dict.fromkeys(of_gate or endpoint.problems, endpoint.problem_model)
    operation: Json = {
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "parameters": [
            *_path_parameters(endpoint.path),
            *_texts_in_query(endpoint),
            *([_KEY_PARAMETER] if endpoint.needs_key else []),
        ],
        "responses": {**_done(endpoint), **openapi_problems.responses(kinds, models)},
        "security": _security(endpoint),
    }
    if endpoint.body is not None:
        content: Json = {"schema": _ref(endpoint.body)}
        if endpoint.example is not None:
            content["example"] = endpoint.example
        operation["requestBody"] = {"required": True, "content": {_JSON: content}}
    if endpoint.takes_files:
        operation["requestBody"] = {"required": True, "content": _FILES}
    return operation


_FILE: Final[Json] = {"type": "string", "contentMediaType": "application/octet-stream"}
_FILES: Final[Json] = {
    "application/octet-stream": {"schema": _FILE},
    "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _FILE}}},
}


def _security(endpoint: Endpoint) -> list[Json]:
    if endpoint.open:
        return []
    return _SECURITY if endpoint.method == "GET" else _SECURITY_TO_CHANGE


def _done(endpoint: Endpoint) -> Json:
    headers: Json = {"Vito-Request-Id": _REQUEST_HEADER}
    if endpoint.needs_key:
        headers |= {"Idempotency-Replayed": _REPLAYED_HEADER, "Vito-Position": _LOG_HEADER}
    if endpoint.redirects:
        return {"303": {"description": "go there", "headers": headers | {"Location": _ELSEWHERE}}}
    if endpoint.method == "POST" and endpoint.answer is None:
        return {"204": {"description": "done", "headers": headers}}
    kind = "string" if endpoint.content_type.startswith("text/") else "object"
    schema = {"type": kind} if endpoint.answer is None else _ref(endpoint.answer)
    described = endpoint.summary if endpoint.answer is None else _first_line(endpoint.answer)
    return {
        "200": {
            "description": described,
            "headers": headers,
            "content": {endpoint.content_type: {"schema": schema}},
        }
    }


_KEY_PARAMETER: Final[Json] = {
    "name": commands.KEY_HEADER,
    "in": "header",
    "description": "Names the command: a new one for each, the same one when you ask again.",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{ID_PATTERN}$", "examples": ["a1b2c3"]},
}
_REPLAYED_HEADER: Final[Json] = {
    "description": "`true`: it was decided before, and this is what was answered then",
    "schema": {"type": "string", "enum": ["true"]},
}
_LOG_HEADER: Final[Json] = {
    "description": "the position of the decision in the twin's log; missing if it is not there",
    "schema": {"type": "integer", "minimum": 1},
}


def _probe(probe: Probe) -> Json:
    schema = {"type": "string"} if probe.answer is None else _ref(probe.answer)
    if probe.content_type == "application/json" and probe.answer is None:
        schema = {"type": "object"}
    guarded = () if probe.open else (*_WITH_KEY, problems.CALLER_NOT_ALLOWED)
    kinds = [*_WITHOUT_BODY, *probe.problems, *guarded]
    operation: Json = {
        "operationId": probe.operation,
        "summary": probe.summary,
        "responses": {
            "200": {
                "description": probe.summary,
                "content": {probe.content_type: {"schema": schema}},
            },
            **openapi_problems.responses(kinds, dict.fromkeys(probe.problems, probe.problem_model)),
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


_ELSEWHERE: Final[Json] = {
    "description": "where the browser goes on",
    "required": True,
    "schema": {"type": "string", "format": "uri-reference"},
}


def _path_parameters(path: str) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]}


def _texts_in_query(endpoint: Endpoint) -> Iterator[Json]:
    for name, meaning in endpoint.query.items():
        yield {
            "name": name,
            "in": "query",
            "description": meaning,
            "required": False,
            "schema": {"type": "string"},
        }


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
    models |= {endpoint.problem_model for endpoint in _ENDPOINTS}
    models |= {content for content in _door_contents() if issubclass(content, BaseModel)}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema(
        [(model, "serialization") for model in ordered], ref_template=_REF
    )
    schemas: Json = {**schema["$defs"], **_message_schemas()}
    return dict(sorted(schemas.items()))


def _door_contents() -> Iterator[Content]:
    for endpoint in _ENDPOINTS:
        yield from (one for one in (endpoint.answer, endpoint.body) if one is not None)


def _message_schemas() -> Json:
    """The messages of the contracts, under names that no model of this API has."""
    bodies = {one.body for one in _ENDPOINTS if one.needs_key}
    messages = {one for one in _door_contents() if issubclass(one, msgspec.Struct)}
    _, components = msgspec.json.schema_components(
        sorted(messages, key=lambda one: one.__name__),
        ref_template=_REF.format(model=f"{_MESSAGE}{{name}}"),
    )
    ids = {body.__name__ for body in bodies if body is not None}
    return {
        f"{_MESSAGE}{name}": _without_id(schema) if name in ids else schema
        for name, schema in components.items()
    }


def _without_id(schema: Json) -> Json:
    """A command as a body: its id is a header."""
    fields = {name: one for name, one in schema["properties"].items() if name != "command_id"}
    required = [name for name in schema.get("required", []) if name != "command_id"]
    return {**schema, "properties": fields, "required": required}


def _ref(model: Content) -> Json:
    is_message = issubclass(model, msgspec.Struct)
    return {"$ref": _REF.format(model=f"{_MESSAGE if is_message else ''}{model.__name__}")}


def _first_line(model: Content) -> str:
    return (model.__doc__ or model.__name__).strip().splitlines()[0]


def main() -> None:
    """Write the document to where it is committed."""
    PATH.write_bytes(encode())
    sys.stdout.write(f"wrote {PATH}\n")


if __name__ == "__main__":
    main()
