"""One version of the prompt with a preview of it, and any two of them side by side."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import web

from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.comparing import compare
from services.console.pages import Page
from services.console.prompt_form import notation, rows_of, value
from services.query_api.parameters import IS_VERSION

# Parameters of the preview are the variables' names behind this.
VALUE: Final = "value."
CHOSEN_FROM: Final = 100


async def show(ask: Ask) -> web.StreamResponse:
    """Show a version, rendered with the values that were given."""
    path = f"prompt/versions/{ask.part('version')}"
    live, found = await asyncio.gather(ask.get("live/prompt"), ask.get(path))
    values = _values(ask, found)
    rendered = (
        await _rendered(ask, path, found["variables"], values)
        if ask.request.query.get("try")
        else None
    )
    faults: dict[str, list[str]] = {}
    for fault in rendered["faults"] if rendered else []:
        faults.setdefault(fault["field"], []).append(fault["rule"])
    return ask.page(
        "prompt_version.html",
        live=live,
        found=found,
        values=values,
        rendered=rendered,
        faults=faults,
        notation=notation,
    )


async def show_difference(ask: Ask) -> web.StreamResponse:
    """Show two versions side by side, the live and the latest one when none are chosen."""
    versions = await ask.get("prompt/versions", limit=CHOSEN_FROM)
    live = await ask.get("live/prompt")
    chosen = [_chosen(ask, name) or _first(live, known) for name, known in _SIDES]
    if not all(chosen):
        return ask.page("prompt_difference.html", sides=None, versions=versions["items"])
    left, right = await asyncio.gather(*(ask.get(f"prompt/versions/{one}") for one in chosen))
    return ask.page(
        "prompt_difference.html",
        sides=(left, right),
        versions=versions["items"],
        texts=compare(left["text"], right["text"]),
        variables=compare(_declared(left), _declared(right)),
    )


_SIDES: Final = (("left", "active"), ("right", "latest"))


def _chosen(ask: Ask, side: str) -> str:
    text = ask.request.query.get(side, "")
    return text if IS_VERSION.fullmatch(text) else ""


def _first(live: Json, known: str) -> str:
    found = live[known] or live["latest"]
    return str(found["version"]) if found else ""


def _declared(version: Json) -> str:
    return "\n".join(notation(one) for one in version["variables"])


def _values(ask: Ask, version: Json) -> dict[str, str]:
    """What was written for each variable; its default where nothing was yet."""
    given = ask.request.query
    return {
        row.name: given.get(f"{VALUE}{row.name}", row.default)
        for row in rows_of(version["variables"])
    }


async def _rendered(ask: Ask, path: str, variables: list[Json], values: dict[str, str]) -> Json:
    """Ask for the preview; a value that is too long to be asked about is a fault like any other."""
    # Nothing written is no value: its default stands, or it is missing.
    known = {
        one["name"]: value(one.get("type", "string"), values[one["name"]])
        for one in variables
        if values[one["name"]]
    }
    try:
        return await ask.get(f"{path}/preview", values=json.dumps(known, ensure_ascii=False))
    except ApiProblem as problem:
        if not problem.problem["errors"]:
            raise
        rules = [{"field": "values", "rule": one["rule"]} for one in problem.problem["errors"]]
        return {"text": None, "faults": rules}


PAGES: Final = (
    Page("versions/{version}", "", "prompt", show, {}, names_people=True),
    Page("compare", "", "prompt", show_difference, {}),
)
