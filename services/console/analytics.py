"""
Analytics: what calls used and cost, by day, provider, way of talking, deployment and session.

The sums are the API's, of a bounded range of days by the twin's own clock; here they are only put
together. Each chart is drawn from the table beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from services.console.api import ApiProblem, Json
from services.console.asking import Ask
from services.console.pages import Page
from services.query_api.usage import DAYS_MAX

SESSIONS_SHOWN: Final = 20
DAYS_SHOWN: Final = 30
# Ranges that end today, in days.
RANGES: Final = (7, 30, 90)
_UNITS: Final = ("token_units", "minute_units", "interaction_units")


async def show(ask: Ask) -> web.StreamResponse:
    """Show the sums of a range; a wrong one stays in the form, beside what is wrong with it."""
    today = datetime.now(_zone(ask)).date()
    asked = {
        "since": ask.request.query.get("since", str(today - timedelta(days=DAYS_SHOWN - 1))),
        "until": ask.request.query.get("until", str(today)),
    }
    items: list[Json] = []
    sessions: list[Json] = []
    export = ""
    try:
        during = _during(ask, asked)
        usage, of_sessions = await asyncio.gather(
            ask.get("usage", **during),
            ask.get("usage/sessions", limit=SESSIONS_SHOWN, **during),
        )
        items, sessions = usage["items"], of_sessions["items"]
        export = f"/v1/tenants/{ask.tenant}/usage/export?{urlencode(during)}"
    except ApiProblem as problem:
        if not problem.problem["errors"]:
            raise
        ask.problem = _said_of_form(problem)
    return ask.page(
        "analytics.html",
        asked=asked,
        presets=[(days, today - timedelta(days=days - 1), today) for days in RANGES],
        total=sums(items, lambda _: ""),
        days=sums(items, lambda one: one["day"]),
        parts={
            "provider": sums(items, lambda one: one["provider_id"], by_cost=True),
            "modality": sums(items, lambda one: one["modality"], by_cost=True),
            "deployment": sums(items, lambda one: one["deployment"] or "", by_cost=True),
        },
        sessions=sessions,
        export=export,
        days_max=DAYS_MAX,
    )


def sums(
    items: Iterable[Json], key: Callable[[Json], str], *, by_cost: bool = False
) -> list[dict[str, Any]]:
    """Add rows up by a key; money of different currencies is never added."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in items:
        at = (key(one), one["currency"] or "")
        row = found.setdefault(at, _nothing(*at))
        for name in ("calls", "cost_nanos", "requests"):
            row[name] += one[name]
        for name in _UNITS:
            row[name] += Decimal(one[name])
    rows = list(found.values())
    return sorted(rows, key=lambda row: -row["cost_nanos"]) if by_cost else rows


def _nothing(name: str, currency: str) -> dict[str, Any]:
    units = dict.fromkeys(_UNITS, Decimal(0))
    return {"name": name, "currency": currency, "calls": 0, "cost_nanos": 0, "requests": 0, **units}


def _zone(ask: Ask) -> ZoneInfo:
    return ZoneInfo(str(ask.about.get("time_zone") or "UTC"))


def _during(ask: Ask, asked: Json) -> dict[str, str]:
    """Return the range as parameters of the API; both days that are named are in it."""
    days = {}
    for name, more in (("since", 0), ("until", 1)):
        try:
            days[name] = date.fromisoformat(asked[name]) + timedelta(days=more)
        except (ValueError, OverflowError):
            raise _wrong(name, "must be a day of the calendar.") from None
    if not timedelta(0) < days["until"] - days["since"] <= timedelta(days=DAYS_MAX - 1):
        # One less than the API's: a day may have an hour more.
        raise _wrong("until", "must come after the first day, by at most 91 days.")
    since, until = (
        datetime.combine(days[name], time(), _zone(ask)).isoformat() for name in ("since", "until")
    )
    return {"from": since, "to": until}


def _wrong(name: str, rule: str) -> ApiProblem:
    return ApiProblem(
        400,
        {
            "code": "invalid_parameter",
            "title": "The range cannot be read.",
            "errors": [{"field": name, "rule": rule, "remedy": "Choose another day."}],
        },
    )


def _said_of_form(problem: ApiProblem) -> ApiProblem:
    for error in problem.problem["errors"]:
        error["field"] = {"from": "since", "to": "until"}.get(error["field"], error["field"])
    return problem


PAGE: Final = Page("analytics", "Analytics", "budget", show, {})
