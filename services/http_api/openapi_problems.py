"""Problems in the OpenAPI document: which status carries which, with a body of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from domain.refusal import Refusal
from services.http_door import doors
from services.http_door.progress import UPLOAD_STALLED
from services.query_api import problems
from services.query_api.problems import HttpProblem, Kind

Json: TypeAlias = dict[str, Any]

_SCHEMA: Final = "#/components/schemas/{model}"
_EXAMPLE: Final = "#/components/examples/{name}"
_INSTANCE: Final = "urn:uuid:1c0f6dd5-9a0e-4a44-8f5b-3d1b1f8e2b7a"

# Those of every path, and the one that only a file may meet.
KINDS: Final = (*problems.KINDS, UPLOAD_STALLED)


def kind_of(refusal: Refusal) -> Kind:
    """The kind of problem that a refusal of the gate is."""
    # Only 429 always says when; the others may.
    wait_s = 1 if refusal.status == HTTPStatus.TOO_MANY_REQUESTS else None
    return dataclasses.replace(problems.kind_of(refusal), retry_after_s=wait_s)


def responses(kinds: list[Kind], models: Mapping[Kind, type[BaseModel]] | None = None) -> Json:
    """Describe the answers that are problems, by status. *models*: what says more than Problem."""
    by_status: dict[HTTPStatus, list[Kind]] = {}
    for kind in {kind.code: kind for kind in reversed(kinds)}.values():
        by_status.setdefault(kind.status, []).insert(0, kind)
    return {
        str(int(status)): {
            "description": ", ".join(f"`{kind.code}`" for kind in same),
            **({"headers": {"Retry-After": _RETRY_HEADER}} if _waiting_helps(same) else {}),
            "content": {
                problems.CONTENT_TYPE: {
                    "schema": {
                        "$ref": _SCHEMA.format(model=_model_of(same, models or {}).__name__)
                    },
                    "examples": {
                        kind.code: {"$ref": _EXAMPLE.format(name=_named(kind))} for kind in same
                    },
                }
            },
        }
        for status, same in sorted(by_status.items())
    }


def _named(kind: Kind) -> str:
    """Name the example of a problem; the gate's and this API's own may share a code."""
    return kind.code if kind in KINDS else f"gate.{kind.code}"


def examples() -> Json:
    """A body for each problem, as it is sent."""
    of_gate = {one for endpoint in doors.ENDPOINTS for one in endpoint.refusals}
    kinds = [*KINDS, *map(kind_of, of_gate)]
    return {
        _named(kind): {"summary": kind.title, "value": _example(kind)}
        for kind in sorted(kinds, key=lambda kind: (_named(kind), kind.title))
    }


def _example(kind: Kind) -> Json:
    body = HttpProblem(kind, kind.title).body(_INSTANCE).model_dump(exclude_none=True)
    if kind == problems.NOT_READY:
        late = {"projection": "audit_log", "shard": 0, "head": 20_500, "applied": 100}
        return body | {"faults": [], "lag_max": 10_000, "shards": [late | {"behind": 20_400}]}
    if kind in KINDS:
        return body
    waits = {} if kind.retry_after_s is None else {"retry_after_ms": kind.retry_after_s * 1_000}
    return body | waits | {"command_id": "a1b2c3", "replayed": False}


def _model_of(kinds: list[Kind], models: Mapping[Kind, type[BaseModel]]) -> type[BaseModel]:
    """The model that fits all problems of a status: one that says more says all of the other."""
    return next((models[kind] for kind in kinds if kind in models), problems.Problem)


_RETRY_HEADER: Final[Json] = {
    "description": "seconds to wait before asking again",
    "schema": {"type": "integer", "minimum": 1},
}


def _waiting_helps(kinds: list[Kind]) -> bool:
    return any(kind.retry_after_s is not None for kind in kinds)
