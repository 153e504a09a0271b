"""
Every way in which a question is not answered, as RFC 9457 problem documents.

    HttpProblem   raised anywhere behind the door; the door turns it into a response
    Kind          the code, which clients branch on, with its status, title and usual remedy
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web
from pydantic import BaseModel, Field

CONTENT_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One parameter that cannot be used."""

    field: str = Field(description="name of the parameter")
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
    instance: str = Field(description="this request; the server's logs carry the same id")
    errors: list[FieldError] | None = Field(default=None, description="parameters at fault")
    position: int | None = Field(
        default=None, description="the position that the read side has reached"
    )
    min_position: int | None = Field(default=None, description="the position that was asked for")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. *retry_after_s* is sent where waiting helps, and only there."""

    code: str
    status: HTTPStatus
    title: str
    remedy: str
    retry_after_s: int | None = None

    @property
    def type(self) -> str:
        """A URI for the kind; a name, not an address."""
        return f"urn:vito:problem:{self.code}"


MALFORMED_REQUEST: Final = Kind(
    "malformed_request",
    HTTPStatus.BAD_REQUEST,
    "This is not a request that can be read.",
    "Send a valid HTTP/1.1 request with a short line and short headers.",
)
INVALID_PARAMETER: Final = Kind(
    "invalid_parameter",
    HTTPStatus.BAD_REQUEST,
    "A parameter cannot be used.",
    "Correct the parameters named in errors; /openapi.json describes them.",
)
INVALID_CURSOR: Final = Kind(
    "invalid_cursor",
    HTTPStatus.BAD_REQUEST,
    "The cursor does not belong to this question.",
    "Ask for the first page without a cursor, and keep all other parameters while you page.",
)
KEY_MISSING: Final = Kind(
    "key_missing",
    HTTPStatus.UNAUTHORIZED,
    "No key was shown.",
    "Send the header `Authorization: Bearer <key>`.",
)
KEY_REFUSED: Final = Kind(
    "key_refused",
    HTTPStatus.UNAUTHORIZED,
    "The key is not valid.",
    "Use the current key of this deployment.",
)
ROUTE_UNKNOWN: Final = Kind(
    "route_unknown",
    HTTPStatus.NOT_FOUND,
    "There is nothing at this path.",
    "Look the path up in /openapi.json.",
)
TENANT_UNKNOWN: Final = Kind(
    "tenant_unknown",
    HTTPStatus.NOT_FOUND,
    "There is no such twin.",
    "List the twins at /v1/tenants. If it was provisioned just now, ask with min_position.",
)
DECISION_UNKNOWN: Final = Kind(
    "decision_unknown",
    HTTPStatus.NOT_FOUND,
    "This twin has no such decision.",
    "Use the decision_id of the gate's reply. If it is new, ask with min_position.",
)
VERSION_UNKNOWN: Final = Kind(
    "version_unknown",
    HTTPStatus.NOT_FOUND,
    "There is no such version.",
    "List the versions. If it was set just now, ask with min_position.",
)
DEPLOYMENT_UNKNOWN: Final = Kind(
    "deployment_unknown",
    HTTPStatus.NOT_FOUND,
    "There is no such deployment.",
    "List the twin's deployments. If it was created just now, ask with min_position.",
)
SOURCE_UNKNOWN: Final = Kind(
    "source_unknown",
    HTTPStatus.NOT_FOUND,
    "There is no such source.",
    "List the twin's knowledge. If it was added just now, ask with min_position.",
)
METHOD_NOT_ALLOWED: Final = Kind(
    "method_not_allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This path can only be read.",
    "Use GET. Commands go over the message bus, not over HTTP.",
)
BODY_NOT_ACCEPTED: Final = Kind(
    "body_not_accepted",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "A question has no body.",
    "Put everything into the path and the query string.",
)
INTERNAL: Final = Kind(
    "internal",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "The server failed.",
    "Report the instance: the server's logs carry the same id.",
)
OVERLOADED: Final = Kind(
    "overloaded",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many questions at once.",
    "Ask again after Retry-After.",
    retry_after_s=1,
)
TOO_SLOW: Final = Kind(
    "too_slow",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The answer took too long.",
    "Ask for less: a shorter time range or a smaller limit.",
    retry_after_s=2,
)
READ_SIDE_UNAVAILABLE: Final = Kind(
    "read_side_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The database cannot be asked.",
    "Ask again after Retry-After. Decisions are not affected by this.",
    retry_after_s=1,
)
POSITION_NOT_REACHED: Final = Kind(
    "position_not_reached",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The read side has not reached the position asked for.",
    "Ask again after Retry-After, or without min_position for what is known now.",
    retry_after_s=1,
)
NOT_READY: Final = Kind(
    "not_ready",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The service cannot answer truthfully right now.",
    "Send the traffic elsewhere until this path answers 200.",
    retry_after_s=1,
)

KINDS: Final[tuple[Kind, ...]] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Kind)
)


def new_instance() -> str:
    """A URI for one request: the answer and the logs carry it."""
    return f"urn:uuid:{uuid.uuid4()}"


class HttpProblem(Exception):
    """No answer, for the reason *kind*. *detail* must be fit to be shown to the caller."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        position: int | None = None,
        min_position: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{kind.code}: {detail}")
        self.kind = kind
        self.detail = detail
        self.errors = list(errors) or None
        self.position = position
        self.min_position = min_position
        self.headers = dict(headers or {})

    def body(self, instance: str) -> Problem:
        """The document to send."""
        kind = self.kind
        return Problem(
            type=kind.type,
            title=kind.title,
            status=kind.status,
            code=kind.code,
            detail=self.detail,
            remedy=kind.remedy,
            instance=instance,
            errors=self.errors,
            position=self.position,
            min_position=self.min_position,
        )

    def response(self, instance: str) -> web.Response:
        """The response to send."""
        response = web.Response(
            status=self.kind.status,
            body=self.body(instance).model_dump_json(exclude_none=True).encode(),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )
        if self.kind.retry_after_s is not None:
            response.headers["Retry-After"] = str(self.kind.retry_after_s)
        if self.position is not None:
            response.headers["Vito-Position"] = str(self.position)
        if self.kind.status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Bearer realm="vito"'
        return response
