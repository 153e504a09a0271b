"""
Every way in which a request is not answered, as RFC 9457 problem documents.

    HttpProblem   raised anywhere behind the door; the door turns it into a response
    Kind          the code, which clients branch on, with its status, title and usual remedy

What the gate refuses has the gate's own codes, see `domain/refusals.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from domain import refusals
from domain.refusal import Refusal
from services.query_api.problem import FieldError as FieldError  # noqa: PLC0414 - named from here
from services.query_api.problem import Problem as Problem  # noqa: PLC0414 - named from here

CONTENT_TYPE = "application/problem+json"


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
MALFORMED_COMMAND: Final = Kind(
    "malformed_command",
    HTTPStatus.BAD_REQUEST,
    "The body is not a valid command.",
    "Correct the fields named in errors; /openapi.json describes them.",
)
IDEMPOTENCY_KEY_MISSING: Final = Kind(
    "idempotency_key_missing",
    HTTPStatus.BAD_REQUEST,
    "A command needs an Idempotency-Key that can be used.",
    "Send the header `Idempotency-Key` with 1 to 64 of A-Z a-z 0-9 _ -: a new one for each command,"
    " the same one when you ask again.",
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
    "Send the header `Authorization: Bearer <API key or token>`, or sign in.",
)
KEY_REFUSED: Final = Kind(
    "key_refused",
    HTTPStatus.UNAUTHORIZED,
    "The key, token or session is not valid.",
    "Use a current one; an Owner of the twin issues keys.",
)
WEBHOOK_REFUSED: Final = Kind(
    "webhook_refused",
    HTTPStatus.UNAUTHORIZED,
    "This is not from whom it says it is from.",
    "Vendors only: let them send to the address, and sign with the key, that they were given.",
)
WEBHOOK_NOT_HEARD: Final = Kind(
    "webhook_not_heard",
    HTTPStatus.NOT_FOUND,
    "This deployment hears no webhooks of this vendor.",
    "Whoever runs it sets VITO_WEBHOOK_SECRET, or VITO_LIVEKIT_KEY and VITO_LIVEKIT_SECRET.",
)
SIGN_IN_REFUSED: Final = Kind(
    "sign_in_refused",
    HTTPStatus.UNAUTHORIZED,
    "Signing in was refused.",
    "Correct what you entered, or ask for a one-time link.",
)
INVITATION_REFUSED: Final = Kind(
    "invitation_refused",
    HTTPStatus.UNAUTHORIZED,
    "The invitation cannot be accepted.",
    "Send the whole code of the latest invitation, or ask an Owner of the twin for a new one.",
)
EXTERNAL_REFUSED: Final = Kind(
    "external_sign_in_refused",
    HTTPStatus.UNAUTHORIZED,
    "Signing in at the issuer did not lead to an account here.",
    "Begin again. If it stays so, have somebody who runs the platform make you an account.",
)
SIGN_IN_NOT_BEGUN: Final = Kind(
    "sign_in_not_begun",
    HTTPStatus.BAD_REQUEST,
    "This is not the end of a sign-in that this browser has begun.",
    "Begin again on the page for signing in; take no more than ten minutes.",
)
# The words are the domain's, so that nobody can tell which of the two has refused.
CALLER_UNKNOWN: Final = Kind(
    refusals.CALLER_UNKNOWN.code,
    HTTPStatus.FORBIDDEN,
    refusals.CALLER_UNKNOWN.message,
    refusals.CALLER_UNKNOWN.remedy,
)
CALLER_NOT_ALLOWED: Final = Kind(
    refusals.CALLER_NOT_ALLOWED.code,
    HTTPStatus.FORBIDDEN,
    refusals.CALLER_NOT_ALLOWED.message,
    refusals.CALLER_NOT_ALLOWED.remedy,
)
CROSS_SITE_REFUSED: Final = Kind(
    "cross_site_refused",
    HTTPStatus.FORBIDDEN,
    "A browser's session changes things from its own pages only.",
    "Send the header `Vito-Csrf-Token` as /v1/me gives it, from a page of the same origin.",
)
ROUTE_UNKNOWN: Final = Kind(
    "route_unknown",
    HTTPStatus.NOT_FOUND,
    "There is nothing at this path.",
    "Look the path up in /openapi.json.",
)
SAMPLE_GONE: Final = Kind(
    "sample_gone",
    HTTPStatus.NOT_FOUND,
    "The recording of this sample is not kept any more.",
    "Begin another round, and have its samples made.",
)
OIDC_NOT_OFFERED: Final = Kind(
    "oidc_not_offered",
    HTTPStatus.NOT_FOUND,
    "Nobody signs in at an issuer here.",
    "Sign in with e-mail address and password. Who runs this sets VITO_OIDC_ISSUER,"
    " VITO_OIDC_AUDIENCE and VITO_API_PUBLIC_URL.",
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
ROOMS_NOT_CONFIGURED: Final = Kind(
    "rooms_not_configured",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "This deployment has no LiveKit rooms.",
    "Set VITO_LIVEKIT_URL, VITO_LIVEKIT_KEY and VITO_LIVEKIT_SECRET, and run `vito agent`.",
)
ORIGIN_NOT_ALLOWED: Final = Kind(
    "origin_not_allowed",
    HTTPStatus.FORBIDDEN,
    "The request comes from another page than its token was made for.",
    "Ask from the page that the visitor was let in on; a service sends no Origin.",
)
SESSION_UNKNOWN: Final = Kind(
    "session_unknown",
    HTTPStatus.NOT_FOUND,
    "There is no such session.",
    "List the twin's sessions. If it was opened just now, ask with min_position.",
)
SOURCE_UNKNOWN: Final = Kind(
    "source_unknown",
    HTTPStatus.NOT_FOUND,
    "There is no such source.",
    "List the twin's knowledge. If it was added just now, ask with min_position.",
)
LOOKUP_UNAVAILABLE: Final = Kind(
    "lookup_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "What the twin knows cannot be looked up right now.",
    "Ask again after Retry-After. Nothing else of the twin depends on it.",
    retry_after_s=1,
)
METHOD_NOT_ALLOWED: Final = Kind(
    "method_not_allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This path does not take this method.",
    "Use a method that the header Allow names.",
)
COMMAND_RUNNING: Final = Kind(
    "command_running",
    HTTPStatus.CONFLICT,
    "A command with this Idempotency-Key is being decided right now.",
    "Ask again after Retry-After with the same key: you will get its one answer.",
    retry_after_s=1,
)
PASSWORD_MISSING: Final = Kind(
    "password_missing",
    HTTPStatus.CONFLICT,
    "There is an account with the invited address, and it has no password.",
    "Sign in with a one-time link (`vito account link`) or at your issuer, and then send the"
    " invitation to POST /v1/tenants/<tenant>/access/accept; or choose a password first.",
)
BODY_NOT_ACCEPTED: Final = Kind(
    "body_not_accepted",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "A question has no body.",
    "Put everything into the path and the query string.",
)
BODY_TOO_LARGE: Final = Kind(
    "body_too_large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The body is larger than any command.",
    "Send less than 1 MiB.",
)
MEDIA_TYPE_REFUSED: Final = Kind(
    "media_type_refused",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The body must be JSON as it is.",
    "Send `Content-Type: application/json` and no Content-Encoding.",
)
COMMAND_ID_REUSED: Final = Kind(
    refusals.COMMAND_ID_REUSED.code,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "This Idempotency-Key was used before with another payload.",
    "Use a new key for a new command; repeat an old one unchanged.",
)
SIGN_IN_SLOWED: Final = Kind(
    "sign_in_slowed",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many attempts to sign in.",
    "Wait as long as Retry-After says.",
    retry_after_s=1,
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
SAMPLES_WAIT: Final = Kind(
    "samples_wait",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Samples of other twins are being made.",
    "Try again in a minute. Nothing was called, and nothing was booked.",
    retry_after_s=60,
)
TOO_SLOW: Final = Kind(
    "too_slow",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The answer took too long.",
    "Ask for less: a shorter time range or a smaller limit.",
    retry_after_s=2,
)
PREVIEW_NOT_MADE: Final = Kind(
    "preview_not_made",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The preview could not be made.",
    "Nothing was changed. Do what the detail says, or set the policy without a preview.",
)
READ_SIDE_UNAVAILABLE: Final = Kind(
    "read_side_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The database cannot be asked.",
    "Ask again after Retry-After. Decisions are not affected by this.",
    retry_after_s=1,
)
IDENTITY_UNAVAILABLE: Final = Kind(
    "identity_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Who asks cannot be verified right now.",
    "Ask again after Retry-After; nothing was done.",
    retry_after_s=1,
)
CANNOT_VERIFY: Final = Kind(
    refusals.CANNOT_VERIFY.code,
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The command could not be decided in time; it may or may not have taken effect.",
    "Do not call the vendor. Ask again with the same Idempotency-Key: you will get the one true"
    " answer.",
    retry_after_s=1,
)
GATE_UNAVAILABLE: Final = Kind(
    "gate_unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The gate did not answer.",
    "Ask again after Retry-After, or ask the tables, which answer without it.",
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


def kind_of(refusal: Refusal) -> Kind:
    """The kind of problem that says what a refusal of the domain says."""
    return Kind(refusal.code, HTTPStatus(refusal.status), refusal.message, refusal.remedy)


def new_instance() -> str:
    """A URI for one request: the answer and the logs carry it."""
    return f"urn:uuid:{uuid.uuid4()}"


class HttpProblem(Exception):
    """
    No answer, for the reason *kind*. *detail* must be fit to be shown to the caller.

    *is_recorded*: it is in the log of the twin already, because the gate has said so.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        position: int | None = None,
        min_position: int | None = None,
        headers: Mapping[str, str] | None = None,
        is_recorded: bool = False,
    ) -> None:
        super().__init__(f"{kind.code}: {detail}")
        self.kind = kind
        self.detail = detail
        self.errors = list(errors) or None
        self.position = position
        self.min_position = min_position
        self.headers = dict(headers or {})
        self.is_recorded = is_recorded

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
            instance=None if kind is CALLER_UNKNOWN else instance,
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
        if self.kind.retry_after_s is not None and "Retry-After" not in response.headers:
            response.headers["Retry-After"] = str(self.kind.retry_after_s)
        if self.position is not None:
            response.headers["Vito-Position"] = str(self.position)
        if self.kind.status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = _challenge(self.kind)
        return response


def of_refusal(refusal: Refusal, detail: str = "") -> HttpProblem:
    """Make the problem that says what a refusal of the domain says."""
    return HttpProblem(kind_of(refusal), detail or refusal.message)


class KnownCallerRefused(HttpProblem):
    """
    A key, token or session that was right once, and opens nothing any more (401).

    *principal* is whose it was, and *log* the twin of theirs, or the platform.
    """

    def __init__(self, detail: str, *, principal: str, log: str) -> None:
        super().__init__(KEY_REFUSED, detail)
        self.principal = principal
        self.log = log


def _challenge(kind: Kind) -> str:
    # RFC 6750: who showed nothing is told of no error.
    return 'Bearer realm="vito"' + (', error="invalid_token"' if kind is KEY_REFUSED else "")
