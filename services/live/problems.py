"""Every way in which the engine itself refuses something, beside what the gate refuses."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from contracts.replies import Decision, Receipt
from domain import session_refusals
from services.client.errors import CannotVerify
from services.gateway.conversation import CutOff
from services.http_door import commands
from services.live.briefing import NotBriefed
from services.query_api.problems import CANNOT_VERIFY, FieldError, HttpProblem, Kind

NOT_BRIEFED: Final = Kind(
    "not_briefed",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The twin has not been told what it may say.",
    "Activate a version of its prompt, and give each of its variables a value or a default.",
)
VALUES_REFUSED: Final = Kind(
    "values_refused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The values of the prompt's variables cannot be used.",
    "Correct the fields named in errors, and begin again.",
)
_VALUE_REMEDY: Final = "Give a value that suits the variable as the prompt declares it."
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


def ended(reason: str) -> CutOff:
    """Make the problem that says why the gate has ended a session."""
    return CutOff(ENDED, f"It was ended: {reason}.")


def not_briefed(problem: NotBriefed) -> HttpProblem:
    """Make the problem that says why nothing may be said: whose fault it is, and which."""
    if not problem.faults:
        return HttpProblem(NOT_BRIEFED, problem.why)
    errors = [
        FieldError(field=fault.field, rule=fault.rule, remedy=_VALUE_REMEDY)
        for fault in problem.faults
    ]
    return HttpProblem(VALUES_REFUSED, problem.why, errors=errors)
