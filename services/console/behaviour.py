"""Behaviour: what the twin is told to be. Every version, which one is live, and the next one."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from services.console import prompt_version, topics
from services.console.api import Json
from services.console.asking import Ask
from services.console.comparing import Comparison, compare
from services.console.pages import Page
from services.console.prompt_form import (
    MORE_ROWS,
    SPARE_ROWS,
    TYPES,
    Draft,
    Row,
    notation,
    read_draft,
    rows_of,
    value,
    variable,
)
from services.console.prompt_version import VALUE
from services.console.spread import ask_spread
from services.query_api.parameters import IS_VERSION

SHOWN: Final = 10
CONFLICT: Final = "version_conflict"


async def show(ask: Ask) -> web.StreamResponse:
    """Show the page, with a problem if a form could not be done."""
    return await _page(ask)


async def more(ask: Ask) -> web.StreamResponse:
    """Show what was written, with more room for variables."""
    return await _page(ask, spare=MORE_ROWS)


async def preview(ask: Ask) -> web.StreamResponse:
    """Show what an agent would give to the model if this were live; nothing is saved."""
    draft = read_draft(ask.form)
    declared = [variable(row) for row in draft.variables]
    # Nothing written is no value: its default stands, or it is missing.
    given = {
        one["name"]: value(one["type"], written)
        for one in declared
        if (written := ask.form.text(f"{VALUE}{one['name']}"))
    }
    asked = {"text": draft.text, "variables": declared, "values": given}
    return await _page(ask, tried=await ask.post("prompt/preview", asked))


async def save(ask: Ask) -> web.StreamResponse:
    """Keep what was written as a new version."""
    receipt = await ask.do("prompt", "save", **read_draft(ask.form).fields())
    return ask.done("behaviour", "saved", receipt)


async def activate(ask: Ask) -> web.StreamResponse:
    """Make a version the live one."""
    return ask.done("behaviour", "activated", await _put_in_force(ask, "activate"))


async def revert(ask: Ask) -> web.StreamResponse:
    """Make an earlier version the live one again."""
    return ask.done("behaviour", "reverted", await _put_in_force(ask, "roll_back"))


async def _put_in_force(ask: Ask, verb: str) -> Json:
    return await ask.do(
        "prompt",
        verb,
        version=ask.form.number("version"),
        expected_active=ask.form.number("expected_active"),
        reason=ask.form.text("reason"),
    )


async def _page(ask: Ask, spare: int = SPARE_ROWS, tried: Json | None = None) -> web.StreamResponse:
    cursor = ask.request.query.get("cursor")
    live, in_force, versions, activations = await asyncio.gather(
        ask.get("live/prompt"),
        ask.get("live/topics"),
        ask.get("prompt/versions", limit=SHOWN, cursor=cursor),
        ask.get("prompt/activations", limit=SHOWN),
    )
    draft = await _draft(ask, live)
    rows = draft.variables + [Row()] * spare
    return ask.page(
        "behaviour.html",
        live=live,
        spread=await ask_spread(ask, live),
        topics=in_force,
        versions=versions,
        activations=activations["items"],
        draft=draft,
        rows=rows,
        types=TYPES,
        cursor=cursor,
        newer=_newer(ask, live),
        conflict=_conflict(ask, live, draft),
        tried=tried,
        values={row.name: ask.form.text(f"{VALUE}{row.name}") for row in draft.variables},
        notation=notation,
    )


async def _draft(ask: Ask, live: Json) -> Draft:
    """What the editor begins with: what was sent, the version that was asked for, or the latest."""
    latest = live["latest"]
    newest = latest["version"] if latest else 0
    if "text" in ask.form.fields:
        draft = read_draft(ask.form)
        # They are shown both texts, so what they save next is made knowing the newest one.
        return _knowing(draft, newest) if _is_conflict(ask) else draft
    asked = ask.request.query.get("from", "")
    found = await ask.get(f"prompt/versions/{asked}") if IS_VERSION.fullmatch(asked) else latest
    if found is None:
        return Draft()
    return Draft(found["text"], rows_of(found["variables"]), found["version"], newest)


def _knowing(draft: Draft, newest: int) -> Draft:
    return Draft(draft.text, draft.variables, draft.base, newest, draft.note)


def _is_conflict(ask: Ask) -> bool:
    return ask.problem is not None and ask.problem.code == CONFLICT and "text" in ask.form.fields


def _conflict(ask: Ask, live: Json, draft: Draft) -> Comparison | None:
    """What somebody else has saved meanwhile beside what was written."""
    latest: dict[str, Any] | None = live["latest"]
    if not _is_conflict(ask) or latest is None:
        return None
    return compare(latest["text"], draft.text.strip())


def _newer(ask: Ask, live: Json) -> Json | None:
    """The latest version, where the page was written before it; asked by the page itself."""
    seen, latest = ask.request.query.get("seen", ""), live["latest"]
    if not latest or not (seen == "0" or IS_VERSION.fullmatch(seen)):
        return None
    return latest if latest["version"] > int(seen) else None


PAGE: Final = Page(
    "behaviour",
    "Behaviour",
    "prompt",
    show,
    {"save": save, "more": more, "preview": preview, "activate": activate, "revert": revert},
    within=(*prompt_version.PAGES, topics.PAGE),
    names_people=True,
)
