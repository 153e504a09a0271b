"""The named ways to say no about sessions; see `refusals` for the others."""

from __future__ import annotations

from typing import Final

from domain.refusal import Refusal

SESSION_UNKNOWN: Final = Refusal(
    "session_unknown",
    404,
    "The twin has no such session, or it ended long ago.",
    "Open it with POST /v1/tenants/<tenant>/session/open.",
)
SESSION_EXISTS: Final = Refusal(
    "session_exists",
    409,
    "A session of this id is open.",
    "Go on with that one, or use a new random session_id.",
)
SESSION_CLOSED: Final = Refusal(
    "session_closed",
    403,
    "The session has ended: facts.reason says why.",
    "Stop its media, settle or release what is open, and open a new session under a new id.",
)
SESSION_NOT_OPEN: Final = Refusal(
    "session_not_open",
    403,
    "A visitor's calls need its session, which was not opened.",
    "Open it first, under the visitor's id: POST /v1/tenants/<tenant>/session/open.",
)
SESSION_INVALID: Final = Refusal(
    "session_invalid",
    422,
    "The session contradicts what it is about.",
    "Correct the field named in facts.field: facts.rule says how.",
)
TOO_MANY_SESSIONS: Final = Refusal(
    "too_many_sessions",
    503,
    "Too many sessions of this twin are open at once.",
    "Ask again, with a new command_id, when sessions have ended; a lease lasts 5 minutes at most.",
)
DISCLOSURE_DUE: Final = Refusal(
    "disclosure_due",
    403,
    "The session's disclosure has not been shown: no call is granted before.",
    "Show version facts.disclosure_version and say so:"
    " POST /v1/tenants/<tenant>/session/show-disclosure.",
)
DISCLOSURE_NOT_DUE: Final = Refusal(
    "disclosure_not_due",
    409,
    "The session has nothing to disclose, or has shown it already.",
    "Nothing needs to be done.",
)
DISCLOSURE_DIFFERS: Final = Refusal(
    "disclosure_differs",
    409,
    "This is not the version of the disclosure that the session has to show.",
    "Show version facts.disclosure_version: the answer to session.open has its text.",
)
RUNG_IS_SO: Final = Refusal(
    "rung_is_so", 409, "The session is on this rung already.", "Nothing needs to be done."
)
