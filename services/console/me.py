"""My account: who one is here, one's password, and where one is signed in."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.forms import WrongField
from services.console.pages import Page
from services.query_api.problems import SIGN_IN_REFUSED

PATH: Final = "-/me"
_PASSWORD: Final = "/v1/me/password"  # noqa: S105 - an address
_SESSIONS: Final = "/v1/me/sessions"
# What a browser calls itself, the more special ones first: most also say that they are others.
_BROWSERS: Final = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome"}
_LAST_BROWSER: Final = {"Safari/": "Safari", "curl/": "curl", "vito": "vito"}
_SYSTEMS: Final = {
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


async def show(ask: Ask) -> web.StreamResponse:
    """Show the page. Roles are shown with the names of their twins."""
    sessions, *twins = await asyncio.gather(
        ask.api.get(ask.who.secret, _SESSIONS, query=None),
        ask.api.get(ask.who.secret, "/v1/tenants", query={"limit": 500}),
    )
    names = {one["tenant"]: one["display_name"] for one in twins[0]["items"]}
    return ask.page(
        "me.html",
        sessions=[{**one, "device": device(one["user_agent"])} for one in sessions["items"]],
        roles=sorted(ask.who.me.get("roles", {}).items()),
        names=names,
    )


async def choose_password(ask: Ask) -> web.StreamResponse:
    """Choose another password; every other session ends."""
    # As they were typed: a password may begin with a space.
    new, again, current = (
        ask.form.fields.get(name, "") for name in ("password", "again", "current")
    )
    if new != again:
        raise WrongField("again", "must be the same password once more")
    try:
        await _post(ask, _PASSWORD, {"password": new, "current": current})
    except ApiProblem as problem:
        # Elsewhere that status means that nobody is signed in.
        if problem.code == SIGN_IN_REFUSED.code:
            raise WrongField("current", "is wrong, or cannot be tried now") from problem
        raise
    return ask.done(PATH, "password")


async def end(ask: Ask) -> web.StreamResponse:
    """End one session."""
    await _post(ask, f"{_SESSIONS}/sign-out", {"session_id": ask.form.text("session_id")})
    return ask.done(PATH, "ended")


async def end_others(ask: Ask) -> web.StreamResponse:
    """End every other session."""
    await _post(ask, f"{_SESSIONS}/sign-out", {})
    return ask.done(PATH, "others")


def device(user_agent: str) -> tuple[str, str]:
    """Say which browser and system it says it is; empty for what cannot be told."""
    browsers = {**_BROWSERS, **_LAST_BROWSER}
    browser = next((name for mark, name in browsers.items() if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS.items() if mark in user_agent), "")
    return browser, system


async def _post(ask: Ask, path: str, fields: Json) -> None:
    await ask.api.post(ask.who.secret, path, ask.who.proof, fields)


PAGE: Final = Page(
    PATH,
    "",
    "",
    show,
    {"password": choose_password, "end": end, "end-others": end_others},
)
