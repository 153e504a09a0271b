"""Every way in which the gateway itself ends or refuses something, beside those of the HTTP API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec

from contracts.problem import ProblemBody
from contracts.stream import CLOSE_BASE
from domain import refusals
from services.query_api.problems import HttpProblem, Kind, kind_of, new_instance

MALFORMED_MESSAGE: Final = Kind(
    "malformed_message",
    HTTPStatus.BAD_REQUEST,
    "This is not a message of the stream.",
    "Correct the fields named in errors; contracts/stream.asyncapi.json describes them.",
)
SUBPROTOCOL_MISSING: Final = Kind(
    "subprotocol_missing",
    HTTPStatus.BAD_REQUEST,
    "This is not a handshake of the stream.",
    "Open a WebSocket (version 13) and offer the subprotocol `vito.v1` in one header.",
)
HELLO_EXPECTED: Final = Kind(
    "hello_expected",
    HTTPStatus.BAD_REQUEST,
    "The first message must be `hello`, and it is said once.",
    "Say `hello` as soon as the connection is open, and then never again.",
)
PAGE_NOT_ALLOWED: Final = Kind(
    refusals.ORIGIN_NOT_ALLOWED.code,
    HTTPStatus.FORBIDDEN,
    "This page may not show the twin.",
    "Add exactly this origin to the deployment's terms, or embed the twin where it is allowed.",
)
HANDSHAKE_TIMEOUT: Final = Kind(
    "handshake_timeout",
    HTTPStatus.REQUEST_TIMEOUT,
    "There was no `hello` in time.",
    "Say `hello` as soon as the connection is open.",
)
IDLE: Final = Kind(
    "idle",
    HTTPStatus.REQUEST_TIMEOUT,
    "Nothing was said for too long.",
    "Begin a new conversation when there is something to say.",
)
SLOW_READER: Final = Kind(
    "slow_reader",
    HTTPStatus.REQUEST_TIMEOUT,
    "What the twin says was not received for too long.",
    "Acknowledge events as they come; resume from the last position that was received.",
)
TAKEN_OVER: Final = Kind(
    "taken_over",
    HTTPStatus.CONFLICT,
    "The conversation was resumed by another connection.",
    "Nothing: it goes on there.",
)
CONVERSATION_OPEN: Final = Kind(
    "conversation_open",
    HTTPStatus.CONFLICT,
    "This visitor is in a conversation already.",
    "Resume it with its resume token, or come with a new visitor's token.",
)
DISCLOSURE_DUE: Final = Kind(
    "disclosure_due",
    HTTPStatus.CONFLICT,
    "The disclosure must be shown first.",
    "Show the disclosure of `welcome`, and say `disclosed` with its version.",
)
CONVERSATION_GONE: Final = Kind(
    "conversation_gone",
    HTTPStatus.GONE,
    "There is no conversation that this token resumes.",
    "Begin a new one: say `hello` without `resume`.",
)
MESSAGE_TOO_LARGE: Final = Kind(
    "message_too_large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The message is larger than `frame_bytes_max`.",
    "Send long texts as several turns, and audio in smaller frames.",
)
SPEECH_TOO_LONG: Final = Kind(
    "speech_too_long",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "Somebody has spoken for longer than `speech_s_max`.",
    "End it with `audio_end` before; what came after was not heard.",
)
TOO_MANY_MESSAGES: Final = Kind(
    "too_many_messages",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Messages come faster than `messages_per_s`.",
    "Send less; resume after retry_after_ms.",
    retry_after_s=1,
)
TURNS_WAITING: Final = Kind(
    "turns_waiting",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many turns wait to be answered.",
    "Wait for `turn_ended` and send the turn again.",
    retry_after_s=1,
)
VISITORS_TOO_FAST: Final = Kind(
    "visitors_too_fast",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many visitors come from one address.",
    "Ask again after Retry-After.",
    retry_after_s=1,
)
FULL: Final = Kind(
    "too_many_conversations",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "No more conversations fit in here right now.",
    "Try again after retry_after_ms.",
    retry_after_s=5,
)
STOPPING: Final = Kind(
    "gateway_stopping",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "This gateway stops.",
    "Connect again and begin anew: another one answers.",
    retry_after_s=1,
)


# Of a page whose time or place is over; in the gate's own words.
DEPLOYMENT_DISABLED: Final = kind_of(refusals.DEPLOYMENT_DISABLED)
DEPLOYMENT_EXPIRED: Final = kind_of(refusals.DEPLOYMENT_EXPIRED)

_MS: Final = 1_000
# What a visitor must not learn: what the twin has spent and has left.
_MONEY: Final = (
    "committed_nanos",
    "held_nanos",
    "limit_nanos",
    "credits_nanos",
    "remaining_nanos",
    "facts",
)


def body_of(problem: HttpProblem, *, for_visitor: bool = False) -> ProblemBody:
    """Return the body that the HTTP API would answer with; *for_visitor*: without money."""
    fields: dict[str, Any] = problem.body(new_instance()).model_dump(exclude_none=True)
    if problem.kind.retry_after_s is not None:
        fields.setdefault("retry_after_ms", problem.kind.retry_after_s * _MS)
    if for_visitor:
        fields = {name: value for name, value in fields.items() if name not in _MONEY}
        # The gate's own detail quotes its facts.
        fields["detail"] = problem.kind.title if _tells_facts(problem) else problem.detail
    return msgspec.convert(fields, ProblemBody)


def censored(body: ProblemBody) -> ProblemBody:
    """Return a body without what a visitor must not learn."""
    hidden: dict[str, Any] = dict.fromkeys(_MONEY)
    return msgspec.structs.replace(body, **hidden, detail=body.title if body.facts else body.detail)


def close_code(problem: HttpProblem) -> int:
    """Return the close code of WebSocket that stands for a problem."""
    return CLOSE_BASE + int(problem.kind.status)


def _tells_facts(problem: HttpProblem) -> bool:
    return bool(problem.body("").model_dump().get("facts"))
