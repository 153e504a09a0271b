"""
API-Football v3, as documented: GET /fixtures and GET /status.

    /fixtures?live=all | live=901-902 | id= | date=YYYY-MM-DD [&team=] [&league=]

Errors come with status 200 in `errors`, which is an empty list when there is none; both limits are
in the headers. What `rateLimit`, `requests` and `token` refuse is not counted. A fault of kind
`in_200` with the name of an error in *detail* makes the vendor answer with that one. The match is
that of `match_day`, under the same numbers as SportRadar's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from contracts.usage import Usage
from services.sandbox import match_day
from services.sandbox.exchange import Exchange
from services.sandbox.match_day import Club, Happening, Play
from services.sandbox.plan_limits import Plan, PlanLimits
from services.sandbox.vendor import Frame, SandboxVendor, answer

# The Pro plan, as customers describe it; the free one is 10 a minute and 100 a day.
PRO = Plan(minute=300, day=7_500)
_STATUS = {
    "before": ("Not Started", "NS"),
    "first": ("First Half", "1H"),
    "pause": ("Halftime", "HT"),
    "second": ("Second Half", "2H"),
    "after": ("Match Finished", "FT"),
}
_DETAILS = {
    "goal": ("Goal", "Normal Goal"),
    "penalty": ("Goal", "Penalty"),
    "own_goal": ("Goal", "Own Goal"),
    "yellow_card": ("Card", "Yellow Card"),
    "red_card": ("Card", "Red Card"),
    "substitution": ("subst", "Substitution 1"),
}
_KEY_UNKNOWN = (
    "Error/Missing application key. Go to https://www.api-football.com/documentation-v3 to learn"
    " how to get your API application key."
)
_ERRORS = {
    "token": _KEY_UNKNOWN,
    "plan": "Free plans do not have access to this parameter.",
    "access": "Your account is suspended, check on https://dashboard.api-football.com.",
}


class ApiFootball(SandboxVendor):
    """The vendor. *limits* is the plan of every key."""

    name = "api-football"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.limits = PlanLimits(PRO)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/fixtures", self.counted("fixtures", self._fixtures)),
            web.get("/status", self.counted("status", self._status)),
        ]

    def shown_key(self, request: web.Request) -> str:
        return request.headers.get("x-apisports-key", "")

    def error(self, status: int, detail: str = "") -> web.Response:
        # An unknown key is told with status 200.
        if status == 401:  # noqa: PLR2004 - as HTTP numbers it
            return answer(_envelope("fixtures", {}, {"token": _KEY_UNKNOWN}, []))
        return answer({"message": detail or "Internal Server Error"}, status)

    async def _status(self, exchange: Exchange) -> web.StreamResponse:
        # Documented as free of charge.
        left = self.limits.left(self.shown_key(exchange.request), "day", self.now_us)
        most = self.limits.plan.day or 0
        used = {"current": most - (left or 0), "limit_day": most}
        return answer({**_envelope("status", {}, [], []), "response": {"requests": used}})

    async def _fixtures(self, exchange: Exchange) -> web.StreamResponse:
        asked = dict(exchange.request.query)
        if exchange.strikes("in_200"):
            return self._refused(exchange, exchange.fault.detail if exchange.fault else "")
        over = self.limits.take(self.shown_key(exchange.request), self.now_us)
        if over:
            return self._refused(exchange, "requests" if over == "day" else "rateLimit")
        exchange.bill(Usage(requests=1))
        found, errors = self._found(asked)
        return self._told(exchange, _envelope("fixtures", asked, errors, found))

    def _refused(self, exchange: Exchange, name: str) -> web.Response:
        plan = self.limits.plan
        texts = {
            **_ERRORS,
            "rateLimit": "Too many requests. Your rate limit is "
            f"{plan.minute} requests per minute.",
            "requests": "You have reached the request limit for the day, Go to"
            " https://dashboard.api-football.com to upgrade your plan.",
        }
        errors = {name or "bug": texts.get(name, "This is on our side, please report us this bug.")}
        return self._told(exchange, _envelope("fixtures", {}, errors, []))

    def _told(self, exchange: Exchange, body: dict[str, Any]) -> web.Response:
        key, plan = self.shown_key(exchange.request), self.limits.plan
        headers: dict[str, str] = {}
        for window, most, left in (
            ("day", "x-ratelimit-requests-limit", "x-ratelimit-requests-remaining"),
            ("minute", "X-RateLimit-Limit", "X-RateLimit-Remaining"),
        ):
            if getattr(plan, window) is not None:
                headers[most] = str(getattr(plan, window))
                headers[left] = str(self.limits.left(key, window, self.now_us))
        return answer(body, headers=headers)

    def _found(self, asked: dict[str, str]) -> tuple[list[dict[str, Any]], Any]:
        """The fixtures that are asked for, and what is wrong with the question."""
        unknown = asked.keys() - {"live", "id", "date", "team", "league", "timezone", "season"}
        if unknown:
            return [], {name: f"The {name} field do not exist." for name in sorted(unknown)}
        if "live" in asked:
            playing = ("first", "pause", "second")
            plays = [it for it in match_day.on_the_pitches(self.now_us) if it.phase in playing]
            if asked["live"] != "all" and str(match_day.COMPETITION[0]) not in asked["live"]:
                plays = []
            return [_fixture(one, with_events=True) for one in plays], []
        if "id" in asked:
            if not (asked["id"].isascii() and asked["id"].isdigit()):
                return [], {"id": "The Id field must contain an integer."}
            play = match_day.by_number(int(asked["id"][:12]), self.now_us)
            return [_fixture(play, with_events=True)] if play is not None else [], []
        if "date" in asked:
            return self._of_day(asked["date"])
        return [], {"required": "At least one parameter is required."}

    def _of_day(self, said: str) -> tuple[list[dict[str, Any]], Any]:
        try:
            day = datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return [], {"date": "The Date field must contain a valid date : YYYY-MM-DD."}
        plays = match_day.of_day(int(day.timestamp()) * match_day.US, self.now_us)
        return [_fixture(one, with_events=False) for one in plays], []


def _envelope(
    get: str, parameters: dict[str, str], errors: Any, response: list[Any]
) -> dict[str, Any]:
    return {
        "get": get,
        # Without parameters the vendor sends an empty list.
        "parameters": parameters or [],
        "errors": errors,
        "results": len(response),
        "paging": {"current": 1, "total": 1},
        "response": response,
    }


def _fixture(play: Play, *, with_events: bool) -> dict[str, Any]:
    number, competition, country = match_day.COMPETITION
    kick_off_s = play.kick_off_us // match_day.US
    long, short = _STATUS[play.phase]
    begun = play.phase != "before"
    home, away = play.goals("home"), play.goals("away")
    told: dict[str, Any] = {
        "fixture": {
            "id": play.number,
            "referee": None,
            "timezone": "UTC",
            "date": datetime.fromtimestamp(kick_off_s, UTC).isoformat(),
            "timestamp": kick_off_s,
            "periods": {"first": kick_off_s if begun else None, "second": None},
            "venue": {"id": None, "name": "Estadio del Puerto", "city": "Puerto Nuevo"},
            "status": {
                "long": long,
                "short": short,
                "elapsed": play.played_s // 60 if begun else None,
                "extra": play.added_s // 60 or None,
            },
        },
        "league": {
            "id": number,
            "name": competition,
            "country": country,
            "season": 2026,
            "round": "Regular Season - 14",
        },
        "teams": {
            "home": _team(play.script.home, home - away if begun else 0),
            "away": _team(play.script.away, away - home if begun else 0),
        },
        "goals": {"home": home if begun else None, "away": away if begun else None},
        "score": {
            key: {"home": None, "away": None}
            for key in ("halftime", "fulltime", "extratime", "penalty")
        },
    }
    if with_events:
        told["events"] = [_event(one, play) for one in play.happened]
    return told


def _team(club: Club, ahead_by: int) -> dict[str, Any]:
    winner = None if ahead_by == 0 else ahead_by > 0
    return {"id": club.number, "name": club.name, "logo": None, "winner": winner}


def _event(one: Happening, play: Play) -> dict[str, Any]:
    # An own goal stands with the side that it counts for.
    side = match_day.scored_for(one) or one.side
    club = play.script.home if side == "home" else play.script.away
    type_, detail = _DETAILS[one.kind]
    return {
        "time": {"elapsed": one.minute, "extra": None},
        "team": {"id": club.number, "name": club.name, "logo": None},
        "player": {"id": None, "name": one.player},
        "assist": {"id": None, "name": one.other or None},
        "type": type_,
        "detail": detail,
        "comments": None,
    }
