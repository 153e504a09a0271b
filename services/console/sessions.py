"""Sessions: each conversation that was opened, and the story of one, turn by turn."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from domain.refusals import BY_CODE
from services.console.api import Json
from services.console.asking import Ask
from services.console.pages import Page

SESSIONS_SHOWN: Final = 50
MOMENTS_SHOWN: Final = 100
_FILTERS: Final = ("state", "deployment")
_TURNS_MAX_CHARS: Final = 9


async def show(ask: Ask) -> web.StreamResponse:
    """Show a page of the sessions, the one that began last first."""
    asked = {name: ask.request.query.get(name, "") for name in _FILTERS}
    known = {name: value for name, value in asked.items() if value}
    cursor = ask.request.query.get("cursor")
    found = await ask.get("sessions", limit=SESSIONS_SHOWN, cursor=cursor, **known)
    more = urlencode({**known, "cursor": found["next_cursor"] or ""})
    return ask.page("sessions.html", found=found, asked=asked, more=more, is_first=cursor is None)


async def story(ask: Ask) -> web.StreamResponse:
    """Show one session and what happened in it."""
    path = f"sessions/{ask.part('session')}"
    one = await ask.get(path)
    cursor = ask.request.query.get("cursor")
    found = await ask.get(f"{path}/story", limit=MOMENTS_SHOWN, cursor=cursor)
    for moment in found["items"]:
        refusal = (
            BY_CODE.get(moment["code"]) if moment["status"] >= HTTPStatus.BAD_REQUEST else None
        )
        moment["remedy"] = refusal.remedy if refusal else ""
    turns = in_turns(found["items"], _turns_before(ask))
    # Turns are counted on from page to page.
    more = urlencode({"cursor": found["next_cursor"] or "", "turn": turns[-1]["number"]})
    return ask.page("session.html", one=one, found=found, turns=turns, more=more)


async def kill(ask: Ask) -> web.StreamResponse:
    """End the session at once."""
    name = ask.part("session")
    receipt = await ask.do("session", "kill", session_id=name, note=ask.form.text("note"))
    return ask.done(f"sessions/{name}", "killed", receipt)


def in_turns(moments: list[Json], first: int = 1) -> list[Json]:
    """
    Part a story where a turn of the language model was settled; *first* numbers the first part.

    What each turn cost is what was settled in it.
    """
    turns: list[Json] = [_turn(first)]
    is_over = False
    for moment in moments:
        # What is looked up, spoken and shown for an answer is settled after the answer itself.
        if is_over and moment["verb"] == "authorize" and moment["requested"] == "text":
            turns.append(_turn(turns[-1]["number"] + 1))
            is_over = False
        turns[-1]["moments"].append(moment)
        turns[-1]["cost_nanos"] += moment["cost_nanos"] or 0
        is_over = is_over or bool(moment["turns"])
    return turns


def _turn(number: int) -> Json:
    return {"number": number, "moments": [], "cost_nanos": 0}


def _turns_before(ask: Ask) -> int:
    text = ask.request.query.get("turn", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= _TURNS_MAX_CHARS
    return max(1, int(text)) if is_number else 1


PAGE: Final = Page(
    "sessions",
    "Sessions",
    "session",
    show,
    {},
    within=(Page("{session}", "", "session", story, {"kill": kill}, names_people=True),),
)
