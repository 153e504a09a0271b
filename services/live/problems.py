"""Every way in which the engine itself refuses something, beside what the gate refuses."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from contracts.replies import Decision, Receipt
from domain import session_refusals
from services.client.errors import CannotVerify
from services.http_door import commands
from services.query_api.problems import CANNOT_VERIFY, HttpProblem, Kind

NOT_BRIEFED: Final = Kind(
    "not_briefed",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The twin has not been told what it may say.",
    "Activate a version of its prompt, and give each of its variables a value or a default.",
)
NO_MODEL: Final = Kind(
    "no_model",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The twin has no language model that can be called here.",
    "Put a model with an adapter into its price book.",
)
SPEECH_UNKNOWN: Final = Kind(
    "speech_unknown",
    HTTPStatus.NOT_IMPLEMENTED,
    "The twin does not understand speech here.",
    "Send the turn as text; the answer can be heard all the same.",
)
SPEECH_LOST: Final = Kind(
    "speech_lost",
    HTTPStatus.GONE,
    "What was spoken is not here any more.",
    "Say it again when the turns before it are answered, or ask in writing.",
)
NOT_HEARD: Final = Kind(
    "speech_not_heard",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The twin could not listen just now.",
    "Say it again, or ask in writing.",
    retry_after_s=1,
)
ENDED: Final = Kind(
    session_refusals.SESSION_CLOSED.code,
    HTTPStatus(session_refusals.SESSION_CLOSED.status),
    "The session has ended.",
    "Begin a new conversation.",
)


def of_gate(answer: Decision | Receipt) -> HttpProblem:
    """Make the problem that says what the gate has said."""
    return commands.refused(msgspec.to_builtins(answer))


def unverified(unknown: CannotVerify) -> HttpProblem:
    """Make the problem that says that the gate could not be asked."""
    return HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.")


def ended(reason: str) -> HttpProblem:
    """Make the problem that says why the gate has ended a session."""
    return HttpProblem(ENDED, f"It was ended: {reason}.")
