"""
The overview of a twin: is it alive, what does it spend, who talks with it, what was refused.

The figures of money and rate are the gate's own, with the position of the log that they are of; the
tables stand beside, so that one sees how far they are behind.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import web

from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.pages import Page
from services.console.refused import Reason, reasons

# So many of the last are looked at, and each reason among them is shown once.
REFUSALS_READ: Final = 50


async def show(ask: Ask) -> web.StreamResponse:
    """Show the page, with a problem if a form could not be done."""
    state, spending, sessions, refusals = await asyncio.gather(
        _state(ask), _spending(ask), _sessions(ask), _refusals(ask)
    )
    return ask.page(
        "overview.html", state=state, spending=spending, sessions=sessions, refusals=refusals
    )


async def kill(ask: Ask) -> web.StreamResponse:
    """End one session at once."""
    receipt = await ask.do(
        "session", "kill", session_id=ask.form.text("session_id"), note=ask.form.text("note")
    )
    return ask.done("", "killed", receipt)


async def kill_all(ask: Ask) -> web.StreamResponse:
    """End every session of the twin."""
    return ask.done("", "killed_all", await ask.do("session", "kill_all"))


async def suspend(ask: Ask) -> web.StreamResponse:
    """Refuse every new call."""
    receipt = await ask.do("tenant", "suspend", reason=ask.form.text("reason"))
    return ask.done("", "suspended", receipt)


async def resume(ask: Ask) -> web.StreamResponse:
    """Let calls through again."""
    return ask.done("", "resumed", await ask.do("tenant", "resume"))


async def _state(ask: Ask) -> Json:
    return await ask.get("live/tenant")


async def _spending(ask: Ask) -> Json | None:
    if not ask.may("budget"):
        return None
    budget, rate = await asyncio.gather(ask.get("live/budget"), ask.get("live/rate"))
    return {"budget": budget, "rate": rate}


async def _sessions(ask: Ask) -> Json | None:
    return await ask.get("live/session") if ask.may("session") else None


async def _refusals(ask: Ask) -> list[Reason]:
    """Return why calls were refused lately; nothing when the tables cannot be asked."""
    if not ask.may("budget"):
        return []
    try:
        found = await ask.get("decisions", limit=REFUSALS_READ, verdict="DENY")
    except ApiProblem as problem:
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return []
        raise
    return reasons(found["items"])


PAGE: Final = Page(
    "",
    "Overview",
    "tenant",
    show,
    {"kill": kill, "kill-all": kill_all, "suspend": suspend, "resume": resume},
)
