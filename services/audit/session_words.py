"""What happens to sessions, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from contracts.commit import AnyEvent
from contracts.session import (
    AnswerCited,
    DisclosureShown,
    EndReason,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsEnded,
    SessionsKilled,
    SessionStepped,
)
from services.audit.teller import Teller, because

# A heading of the list, for whoever reads along; the log has all of them.
_NAMED_MAX: Final = 5
_WHY: Final[dict[EndReason, str]] = {
    "user_exit": "its visitor left",
    "cost_limit": "its money was used up",
    "twin_asleep": "the twin is sleeping",
    "error": "an error",
    "lease_expired": "nobody kept it alive",
    "time_limit": "it lasted as long as it may",
    "killed": "it was stopped",
    "deployment_disabled": "its deployment was disabled",
    "twin_suspended": "the twin was suspended",
    "twin_retired": "the twin was retired",
}


def _begun(event: SessionBegun, tell: Teller) -> str:
    where = f" at {event.deployment}" if event.deployment else ""
    where += f" for {event.on_behalf}" if event.on_behalf else ""
    disclosed = f"; to disclose: version {event.disclosure_version}"
    return (
        f"opened session {event.session_id}{where} by {event.modality}, until"
        f" {tell.clock(event.expires_at_us)} unless it goes on; bundle {event.bundle_revision},"
        f" {event.knowledge_sources} approved sources"
        f"{disclosed if event.disclosure_version else ''}"
    )


def _disclosed(event: DisclosureShown, _tell: Teller) -> str:
    return f"session {event.session_id} was shown disclosure {event.version}"


def _renewed(event: SessionRenewed, tell: Teller) -> str:
    bundle = f", by bundle {event.bundle_revision}" if event.bundle_revision else ""
    return f"session {event.session_id} goes on until {tell.clock(event.expires_at_us)}{bundle}"


def _stepped(event: SessionStepped, _tell: Teller) -> str:
    told = "nobody was told" if event.notice == "none" else f"the notice was {event.notice}"
    return (
        f"session {event.session_id} goes on by {event.modality} instead of {event.previous}"
        f" ({event.why}); {told}"
    )


def _cited(event: AnswerCited, _tell: Teller) -> str:
    sources = ", ".join(sorted({one.source for one in event.citations}))
    late = f", {event.unapproved} of them not approved any more" if event.unapproved else ""
    return (
        f"turn {event.turn} of session {event.session_id} went by {len(event.citations)} pieces of"
        f" {sources}{late}"
    )


def _ended(event: SessionEnded, _tell: Teller) -> str:
    return f"session {event.session_id} ended: {_WHY[event.reason]}{because(event.note)}"


def _killed(event: SessionKilled, _tell: Teller) -> str:
    return f"stopped session {event.session_id}{because(event.note)}"


def _all_killed(event: SessionsKilled, _tell: Teller) -> str:
    return f"stopped every session: {event.sessions} of them{because(event.note)}"


def _many_ended(event: SessionsEnded, _tell: Teller) -> str:
    named = [f"{gone.session_id} ({_WHY[gone.reason]})" for gone in event.sessions[:_NAMED_MAX]]
    more = len(event.sessions) - len(named)
    return f"sessions ended: {', '.join(named)}{f' and {more} more' if more else ''}"


WORDS: Final[dict[type[AnyEvent], Callable[[Any, Teller], str]]] = {
    SessionBegun: _begun,
    DisclosureShown: _disclosed,
    SessionRenewed: _renewed,
    SessionStepped: _stepped,
    AnswerCited: _cited,
    SessionEnded: _ended,
    SessionKilled: _killed,
    SessionsKilled: _all_killed,
    SessionsEnded: _many_ended,
}
STOPPED: Final = (SessionKilled, SessionsKilled)
CAREFUL: Final = (SessionStepped, SessionsEnded)
