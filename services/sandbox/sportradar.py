"""
SportRadar's Soccer v4, as documented: live and daily summaries, timelines.

    GET /soccer/{access}/v4/{lang}/schedules/live/summaries.json
    GET /soccer/{access}/v4/{lang}/schedules/{YYYY-MM-DD}/summaries.json
    GET /soccer/{access}/v4/{lang}/sport_events/{id}/timeline.json

Keys and limits are refused with 403 and a text; feeds carry `Cache-Control: max-age`. Every feed
that is delivered counts as one request. The match is that of `match_day`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from contracts.usage import Usage
from services.sandbox import match_day
from services.sandbox.exchange import Exchange
from services.sandbox.match_day import Club, Happening, Play
from services.sandbox.plan_limits import Plan, PlanLimits
from services.sandbox.vendor import Frame, SandboxVendor, answer

LIVE_MAX_AGE_S, DAY_MAX_AGE_S = 1, 60
_LIMIT_TEXTS = {"second": "Developer Over Qps", "day": "Developer Over Rate"}
_TEXTS = {
    400: "Bad Request",
    401: "Forbidden",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}
_STATUS = {
    "before": ("not_started", "not_started"),
    "first": ("live", "1st_half"),
    "pause": ("live", "halftime"),
    "second": ("live", "2nd_half"),
    "after": ("closed", "ended"),
}
_TYPES = {
    "goal": "score_change",
    "penalty": "score_change",
    "own_goal": "score_change",
    "yellow_card": "yellow_card",
    "red_card": "red_card",
    "substitution": "substitution",
}
_is_event_id = re.compile(r"sr:sport_event:([0-9]{1,9})").fullmatch


class SportRadar(SandboxVendor):
    """The vendor. *limits* is the plan of every key; production plans are by contract."""

    name = "sportradar"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.limits = PlanLimits(Plan())

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        root = "/soccer/{access:trial|production}/v4/{lang:[a-z]{2,3}}"
        live, day = "schedules/live/summaries.json", "schedules/{day}/summaries.json"
        timeline = "sport_events/{id}/timeline.json"
        return [
            web.get(f"{root}/{live}", self.counted("live_summaries", self._live)),
            web.get(f"{root}/{day}", self.counted("daily_summaries", self._day)),
            web.get(f"{root}/{timeline}", self.counted("timeline", self._timeline)),
        ]

    def shown_key(self, request: web.Request) -> str:
        return request.headers.get("x-api-key", "") or request.query.get("api_key", "")

    def error(self, status: int, detail: str = "") -> web.Response:
        # An unknown key is forbidden, not unauthorised.
        sent = HTTPStatus.FORBIDDEN if status == HTTPStatus.UNAUTHORIZED else status
        return web.Response(text=detail or _TEXTS.get(status, "Error"), status=sent)

    async def _live(self, exchange: Exchange) -> web.StreamResponse:
        plays = [one for one in match_day.on_the_pitches(self.now_us) if one.phase != "before"]
        return self._told(exchange, self._summaries(plays), LIVE_MAX_AGE_S, count=len(plays))

    async def _day(self, exchange: Exchange) -> web.StreamResponse:
        try:
            said = exchange.request.match_info["day"]
            day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return self.error(400)
        begins_us = int(day.timestamp()) * match_day.US
        plays = match_day.of_day(begins_us, self.now_us)
        return self._told(exchange, self._summaries(plays), DAY_MAX_AGE_S, count=len(plays))

    async def _timeline(self, exchange: Exchange) -> web.StreamResponse:
        named = _is_event_id(exchange.request.match_info["id"])
        play = match_day.by_number(int(named[1]), self.now_us) if named else None
        if play is None:
            return self.error(404)
        body = {"generated_at": _iso(self.now_us), **_summary(play), "timeline": _timeline(play)}
        return self._told(exchange, body, LIVE_MAX_AGE_S)

    def _told(
        self, exchange: Exchange, body: dict[str, Any], max_age_s: int, *, count: int = 1
    ) -> web.Response:
        over = self.limits.take(self.shown_key(exchange.request), self.now_us)
        if over:
            return self.error(403, _LIMIT_TEXTS.get(over, "Developer Over Limit"))
        exchange.bill(Usage(requests=1))
        headers = {
            "Cache-Control": f"public, must-revalidate, max-age={max_age_s}"
            if exchange.strikes("must_revalidate")
            else f"public, max-age={max_age_s}",
            "X-Result": str(count),
            "X-Max-Results": str(count),
        }
        if exchange.strikes("old"):
            late_us = exchange.fault.delay_ms * 1_000 if exchange.fault else 0
            body = {**body, "generated_at": _iso(self.now_us - late_us)}
        return answer(body, headers=headers)

    def _summaries(self, plays: list[Play]) -> dict[str, Any]:
        return {"generated_at": _iso(self.now_us), "summaries": [_summary(one) for one in plays]}


def _summary(play: Play) -> dict[str, Any]:
    number, competition, country = match_day.COMPETITION
    script = play.script
    return {
        "sport_event": {
            "id": f"sr:sport_event:{play.number}",
            "start_time": _iso(play.kick_off_us),
            "start_time_confirmed": True,
            "sport_event_context": {
                "sport": {"id": "sr:sport:1", "name": "Soccer"},
                "category": {"id": "sr:category:48", "name": country},
                "competition": {"id": f"sr:competition:{number}", "name": competition},
                "season": {"id": "sr:season:9001", "name": f"{competition} 26/27"},
                "stage": {"order": 1, "type": "league", "phase": "regular season"},
                "round": {"number": 14},
            },
            "competitors": [_competitor(script.home, "home"), _competitor(script.away, "away")],
        },
        "sport_event_status": _status(play),
        "statistics": {"totals": {"competitors": []}},
    }


def _competitor(club: Club, qualifier: str) -> dict[str, Any]:
    return {
        "id": f"sr:competitor:{club.number}",
        "name": club.name,
        "country": "Argentina",
        "country_code": "ARG",
        "abbreviation": club.abbreviation,
        "qualifier": qualifier,
    }


def _status(play: Play) -> dict[str, Any]:
    status, match_status = _STATUS[play.phase]
    told: dict[str, Any] = {"status": status, "match_status": match_status}
    if play.phase == "before":
        return told
    home, away = play.goals("home"), play.goals("away")
    told |= {"home_score": home, "away_score": away}
    if play.phase in ("first", "second"):
        told["clock"] = {"played": _clock(play.played_s)}
        if play.added_s:
            told["clock"]["stoppage_time_played"] = _clock(play.added_s)
    if play.phase == "after" and home != away:
        winner = play.script.home if home > away else play.script.away
        told["winner_id"] = f"sr:competitor:{winner.number}"
    return told


def _timeline(play: Play) -> list[dict[str, Any]]:
    """The events so far, with goals running on; ids go up."""
    if play.phase == "before":
        return []
    told: list[dict[str, Any]] = [{"type": "match_started"}]
    told.append({"type": "period_start", "period_type": "regular_period", "match_time": 1})
    score = {"home": 0, "away": 0}
    for one in play.happened:
        if one.minute > match_day.HALF_MINUTES and not any("period_name" in it for it in told):
            told.append(_pause())
        side = match_day.scored_for(one)
        if side is not None:
            score[side] += 1
        told.append(_happened(one, score["home"], score["away"]))
    if play.phase in ("pause", "second", "after") and not any("period_name" in it for it in told):
        told.append(_pause())
    if play.phase == "after":
        told.append({"type": "match_ended"})
    start_us = play.kick_off_us
    return [
        {"id": 10 * play.number + place, "time": _iso(_when_us(start_us, event)), **event}
        for place, event in enumerate(told)
    ]


def _pause() -> dict[str, Any]:
    return {"type": "break_start", "period_name": "pause", "match_time": match_day.HALF_MINUTES}


def _when_us(kick_off_us: int, event: dict[str, Any]) -> int:
    minute = int(event.get("match_time", 0))
    later = match_day.SECOND_BEGINS - match_day.FIRST_ENDS + 2
    return kick_off_us + match_day.MINUTE_US * (
        minute + (later if minute > match_day.HALF_MINUTES else 0)
    )


def _happened(one: Happening, home: int, away: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": _TYPES[one.kind],
        "match_time": one.minute,
        "match_clock": f"{one.minute - 1}:59",
        "competitor": one.side,
        "period": 1 if one.minute <= match_day.HALF_MINUTES else 2,
        "period_type": "regular_period",
        "players": _players(one),
    }
    if match_day.scored_for(one) is not None:
        told |= {"home_score": home, "away_score": away, "method": _method(one)}
        # The vendor's `competitor` of an own goal is the side that it counts for.
        told["competitor"] = match_day.scored_for(one)
    return told


def _method(one: Happening) -> str:
    return {"penalty": "penalty", "own_goal": "own_goal"}.get(one.kind, "shot")


def _players(one: Happening) -> list[dict[str, str]]:
    types = {"substitution": ("substituted_in", "substituted_out")}
    first, second = types.get(one.kind, ("scorer", "assist"))
    is_card = one.kind in ("yellow_card", "red_card")
    named = [{"id": _player_id(one.player), "name": one.player}]
    if not is_card:
        named[0]["type"] = first
    if one.other:
        named.append({"id": _player_id(one.other), "name": one.other, "type": second})
    return named


def _player_id(name: str) -> str:
    return f"sr:player:{sum(map(ord, name)) * 7}"


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // match_day.US, UTC).isoformat()
