"""Audit: the log in plain words, filtered and searched, and one decision from request to meter."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from contracts.account import PLATFORM
from domain.rights import RIGHTS
from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.pages import Page
from services.console.refused import ADVICE

ENTRIES_SHOWN: Final = 50
_OF_PLATFORM: Final = "account"
_FIELDS: Final = ("noun", "actor", "text", "refused", "since", "until")


async def show(ask: Ask) -> web.StreamResponse:
    """Show a page of the log."""
    asked = {name: ask.request.query.get(name, "") for name in _FIELDS}
    cursor = ask.request.query.get("cursor")
    verification = await ask.get("verification")
    found: Json = {"items": [], "next_cursor": None, "searched_to": None}
    try:
        query = _query(ask, asked)
        found = await ask.get("log", limit=ENTRIES_SHOWN, cursor=cursor, **query)
    except ApiProblem as problem:
        # What was filled in stays, beside what is wrong with it.
        if problem.status != HTTPStatus.BAD_REQUEST:
            raise
        ask.problem, query = problem, {}
    known = {name: value for name, value in asked.items() if value}
    return ask.page(
        "audit.html",
        found=found,
        verification=verification,
        asked=asked,
        is_asked=bool(known),
        is_first=cursor is None,
        nouns=_nouns(ask.tenant),
        more=urlencode({**known, "cursor": found["next_cursor"] or ""}),
        export=f"/v1/tenants/{ask.tenant}/log/export?{urlencode(query)}".rstrip("?"),
    )


async def verify(ask: Ask) -> web.StreamResponse:
    """Begin to prove the log."""
    await ask.post("verification")
    return ask.done("audit", "verifying")


async def decision(ask: Ask) -> web.StreamResponse:
    """Follow one decision: request, grounds, hold, settlement, meters."""
    found = await ask.get(f"decisions/{ask.part('decision')}")
    settlement, meters = found["settlement"], None
    if settlement:
        meters = await ask.get("meters", period=settlement["period"])
    code = found["decision"]["code"] if found["decision"] else ""
    return ask.page("decision.html", found=found, meters=meters, advice=ADVICE.get(code))


def _nouns(tenant: str) -> list[str]:
    found = {noun for noun, _ in RIGHTS}
    return sorted(found if tenant == PLATFORM else found - {_OF_PLATFORM})


def _query(ask: Ask, asked: Json) -> dict[str, Any]:
    """Return the form as parameters of the API; a day is one of the twin's own clock."""
    query: dict[str, Any] = {
        name: asked[name].strip() for name in ("noun", "text", "refused") if asked[name].strip()
    }
    if asked["actor"].strip():
        query["actor"] = _principal(ask, asked["actor"])
    if asked["since"]:
        query["from"] = _midnight(ask, "since", asked["since"]).isoformat()
    if asked["until"]:
        # The day that is named is one of them.
        query["to"] = _midnight(ask, "until", asked["until"], days=1).isoformat()
    return query


def _principal(ask: Ask, said: str) -> str:
    """Return the id of whom somebody means, who may write an e-mail address."""
    principal = ask.names.principal(said)
    if "@" in principal:
        rule = "Nobody whom you can see here has this address."
        raise _wrong_filter("actor", rule, "Choose from the list, or write an id.")
    return principal


def _midnight(ask: Ask, name: str, text: str, days: int = 0) -> datetime:
    zone = ZoneInfo(str(ask.about.get("time_zone") or "UTC"))
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except (ValueError, OverflowError):
        rule, remedy = "must be a day of the calendar.", "Write it like 2026-11-22."
        raise _wrong_filter(name, rule, remedy) from None
    return datetime.combine(day, time(), zone)


def _wrong_filter(name: str, rule: str, remedy: str) -> ApiProblem:
    return ApiProblem(
        400,
        {
            "code": "invalid_parameter",
            "title": "A filter cannot be read.",
            "errors": [{"field": name, "rule": rule, "remedy": remedy}],
        },
    )


PAGE: Final = Page(
    "audit",
    "Audit",
    "budget",
    show,
    {"verify": verify},
    within=(Page("decisions/{decision}", "", "budget", decision, {}, names_people=True),),
    names_people=True,
)
