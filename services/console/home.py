"""The twins: those that a person belongs to, or all of them for a platform super admin."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, get_args
from urllib.parse import urlencode

from aiohttp import web

from services.console.api import ApiProblem
from services.console.asking import Ask
from services.console.forms import WrongField
from services.console.pages import Page
from services.query_api.parameters import IS_TENANT
from services.query_api.tenants import SEARCH_CHARS_MAX, Status

SHOWN: Final = 50
# States that a twin in the list can be in.
STATES: Final = tuple(status for status in get_args(Status) if status != "absent")
_FILTERS: Final = ("search", "status")


async def show(ask: Ask) -> web.StreamResponse:
    """Show a page of them."""
    asked = {name: ask.request.query.get(name, "").strip() for name in _FILTERS}
    asked["search"] = asked["search"][:SEARCH_CHARS_MAX]
    known = {name: value for name, value in asked.items() if value}
    cursor = ask.request.query.get("cursor")
    found = await ask.api.get(
        ask.who.secret, "/v1/tenants", query={**known, "cursor": cursor, "limit": SHOWN}
    )
    return ask.page(
        "home.html",
        twins=found["items"],
        asked=asked,
        states=STATES,
        more=found["next_cursor"] and urlencode({**known, "cursor": found["next_cursor"]}),
        is_all=not known and cursor is None,
    )


async def suspend(ask: Ask) -> web.StreamResponse:
    """Refuse every new call to a twin."""
    return await _told(ask, "suspend", "suspended", reason=ask.form.text("reason"))


async def resume(ask: Ask) -> web.StreamResponse:
    """Let calls to a twin through again."""
    return await _told(ask, "resume", "resumed")


async def _told(ask: Ask, verb: str, said: str, **fields: object) -> web.StreamResponse:
    tenant = ask.form.text("tenant")
    if not IS_TENANT.fullmatch(tenant):
        raise WrongField("tenant", "must be the name of a twin")
    receipt = await ask.do_to(tenant, "tenant", verb, fields)
    # The list has no position of its own: the tables are waited for here, as long as they allow.
    with suppress(ApiProblem):
        await ask.seen(tenant, receipt)
    return ask.done("", said)


PAGE: Final = Page("", "", "", show, {"suspend": suspend, "resume": resume})
