"""Prohibited topics: the list in force, how to change it, and every version that there was."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from aiohttp import web

from contracts.topics import TOPICS_MAX
from services.console.api import Json
from services.console.asking import Ask
from services.console.forms import Form
from services.console.pages import Page
from services.console.spread import ask_spread

SHOWN: Final = 10
SPARE_ROWS: Final = 1
MORE_ROWS: Final = 4
CONFLICT: Final = "version_conflict"
_ROW: Final = re.compile(r"topics\[([0-9]{1,3})\]\.name")


async def show(ask: Ask) -> web.StreamResponse:
    """Show the page, with a problem if a form could not be done."""
    return await _page(ask)


async def more(ask: Ask) -> web.StreamResponse:
    """Show what was written, with more room."""
    return await _page(ask, spare=MORE_ROWS)


async def save(ask: Ask) -> web.StreamResponse:
    """Put a new list in force."""
    receipt = await ask.do(
        "topics",
        "set",
        topics=_read(ask.form),
        expected_version=ask.form.number("expected_version") or 0,
        base_version=ask.form.number("base_version") or 0,
        note=ask.form.text("note"),
    )
    return ask.done("behaviour/topics", "saved", receipt)


async def revert(ask: Ask) -> web.StreamResponse:
    """Put an earlier list in force again."""
    receipt = await ask.do(
        "topics",
        "roll_back",
        version=ask.form.number("version"),
        expected_active=ask.form.number("expected_active"),
    )
    return ask.done("behaviour/topics", "reverted", receipt)


async def _page(ask: Ask, spare: int = SPARE_ROWS) -> web.StreamResponse:
    live, versions = await asyncio.gather(
        ask.get("live/topics"),
        ask.get("topics/versions", limit=SHOWN, cursor=ask.request.query.get("cursor")),
    )
    is_written = "expected_version" in ask.form.fields
    is_conflict = is_written and ask.problem is not None and ask.problem.code == CONFLICT
    seen = ask.form.text("expected_version") if is_written and not is_conflict else None
    rows = _read(ask.form) if is_written else live["topics"]
    empty: Json = {"name": "", "phrases": []}
    return ask.page(
        "topics.html",
        live=live,
        spread=await ask_spread(ask, live),
        versions=versions,
        rows=(rows + [empty] * spare)[: TOPICS_MAX + 1],
        expected=live["latest_version"] if seen is None else seen,
        made_from=ask.form.text("base_version") if is_written else live["version"],
        is_conflict=is_conflict,
    )


def _read(form: Form) -> list[Json]:
    """Read the rows in which something was written."""
    found = sorted(int(at[1]) for name in form.fields if (at := _ROW.fullmatch(name)))
    rows: list[Json] = []
    for index in found:
        name = form.text(f"topics[{index}].name")
        written = form.text(f"topics[{index}].phrases").split("\n")
        phrases = [phrase.strip() for phrase in written if phrase.strip()]
        if name or phrases:
            rows.append({"name": name, "phrases": phrases})
    return rows


PAGE: Final = Page(
    "topics", "", "topics", show, {"save": save, "more": more, "revert": revert}, names_people=True
)
