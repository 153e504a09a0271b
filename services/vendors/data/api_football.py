"""
The adapter of API-Football, version 3.

    fixtures?live=all      what is being played now, with events
    fixtures?date={day}    the matches of a day
    fixtures?id={id}       one match with its events

Errors come with status 200, in `errors`: an empty list or an empty object there means none. Limits
of the day and of the minute are in headers of every answer; the day begins at 00:00 UTC.
Read: api-football.com documentation v3 and public clients, 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec

from services.secret import Secret
from services.vendors.allowance import US_PER_MINUTE, retry_after_ms
from services.vendors.data.context import EventKind, Fact, Match, MatchEvent, MatchPhase
from services.vendors.data.context_errors import (
    ContextBadQuery,
    ContextError,
    ContextNotAllowed,
    ContextOverQuota,
    ContextTooFast,
    ContextUnavailable,
    Headroom,
)
from services.vendors.data.context_query import ContextQuery, MatchQuery
from services.vendors.data.football import (
    GOALS_MAX,
    MATCHES_MAX,
    MINUTE_MAX,
    NAME_CHARS_MAX,
    about,
    stale_after_ms,
)
from services.vendors.data.foreign_text import foreign_count, foreign_line
from services.vendors.data.live_data import WHY_CHARS_MAX, Board, Fetch, LiveDataAdapter
from services.vendors.outbound import Reply

PROVIDER_ID = "api-football"
# The documentation: live fixtures are updated every 15 seconds, and there is no Cache-Control.
UPDATED_EVERY_MS = 15_000
A_MINUTE_MS = US_PER_MINUTE // 1_000
# The day's limit ends at midnight UTC, which the reader of the headers works out; an error alone
# is tried again after this long.
QUOTA_WAIT_MS = 900_000
EVENTS_KEPT = 40

_PHASES: dict[str, MatchPhase] = {
    **dict.fromkeys(("TBD", "NS"), "scheduled"),
    **dict.fromkeys(("1H", "2H", "ET", "P", "LIVE", "BT", "INT"), "live"),
    **dict.fromkeys(("FT", "AET", "PEN"), "ended"),
    **dict.fromkeys(("SUSP", "PST", "CANC", "ABD", "AWD", "WO"), "off"),
    "HT": "half_time",
}
_EVENTS: dict[tuple[str, str], EventKind] = {
    ("goal", "normal goal"): "goal",
    ("goal", "penalty"): "goal",
    ("goal", "own goal"): "own_goal",
    ("goal", "missed penalty"): "penalty_missed",
    ("card", "yellow card"): "yellow_card",
    ("card", "second yellow card"): "red_card",
    ("card", "red card"): "red_card",
}
_KINDS: dict[str, EventKind] = {"subst": "substitution", "var": "review"}
_REFUSALS: dict[str, type[ContextError]] = {
    "token": ContextNotAllowed,
    "plan": ContextNotAllowed,
    "access": ContextNotAllowed,
    "ip": ContextNotAllowed,
    "rateLimit": ContextTooFast,
    "requests": ContextOverQuota,
    "bug": ContextUnavailable,
    "report": ContextUnavailable,
}
_WAITS_MS = {"rateLimit": A_MINUTE_MS, "requests": QUOTA_WAIT_MS}


class _Named(msgspec.Struct, frozen=True):
    name: str | None = None


class _Status(msgspec.Struct, frozen=True):
    short: str | None = None
    elapsed: object = None
    extra: object = None


class _About(msgspec.Struct, frozen=True):
    id: int
    date: str | None = None
    status: _Status = _Status()


class _League(msgspec.Struct, frozen=True):
    name: str | None = None
    round: str | None = None


class _Teams(msgspec.Struct, frozen=True):
    home: _Named
    away: _Named


class _Goals(msgspec.Struct, frozen=True):
    home: object = None
    away: object = None


class _When(msgspec.Struct, frozen=True):
    elapsed: object = None
    extra: object = None


class _Event(msgspec.Struct, frozen=True):
    type: str | None = None
    detail: str | None = None
    time: _When = _When()
    team: _Named | None = None
    player: _Named | None = None
    assist: _Named | None = None


class _Fixture(msgspec.Struct, frozen=True):
    fixture: _About
    teams: _Teams
    league: _League | None = None
    goals: _Goals | None = None
    events: list[_Event] | None = None


class _Errors(msgspec.Struct, frozen=True):
    errors: Any = None


class _Envelope(msgspec.Struct, frozen=True):
    response: list[_Fixture]


class ApiFootballAdapter(LiveDataAdapter[MatchQuery]):
    """Speaks to API-Football v3: GET only, the key in `x-apisports-key`, no other header."""

    base_url = "https://v3.football.api-sports.io"
    sku = "football-v3"
    answers: ClassVar[type[ContextQuery]] = MatchQuery
    attribution = "Data: API-Football (api-sports.io)"

    def plan(self, query: MatchQuery) -> Fetch:
        if query.match_id is None:
            wanted = ("live", "all") if query.day is None else ("date", query.day)
            return Fetch("/fixtures", (wanted,))
        if not query.match_id.isdecimal() or not query.match_id.isascii():
            raise ContextBadQuery(self.provider_id, "`match_id` must be one of its own: a number")
        return Fetch("/fixtures", (("id", query.match_id),))

    def select(self, query: MatchQuery, facts: Sequence[Fact]) -> Sequence[Fact]:
        return about(query, facts)

    def _headers(self, key: Secret) -> dict[str, str | Secret]:
        return {"x-apisports-key": key}

    def _problem(self, reply: Reply) -> ContextError | None:
        headroom = _headroom(reply)
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            wait_ms = retry_after_ms(reply.headers) or A_MINUTE_MS
            return ContextTooFast(
                self.provider_id, "status 429", retry_after_ms=wait_ms, headroom=headroom
            )
        if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ContextNotAllowed(self.provider_id, f"status {reply.status}")
        if reply.status == HTTPStatus.NO_CONTENT:
            return None
        if reply.status != HTTPStatus.OK:
            return self._failed(reply)
        errors = self._decoded(reply, _Errors).errors
        return self._told(errors, headroom) if errors else None

    def _told(self, errors: Any, headroom: Headroom) -> ContextError:
        said = errors if isinstance(errors, dict) else {"": errors}
        name = next((name for name in said if name in _REFUSALS), "")
        kind = _REFUSALS.get(name, ContextBadQuery)
        why = str(said[name]) if name in said else str(next(iter(said.values()), ""))
        return kind(
            self.provider_id,
            foreign_line(f"{name or 'error'}: {why}", WHY_CHARS_MAX),
            retry_after_ms=_WAITS_MS.get(name),
            billed=kind in (ContextBadQuery, ContextUnavailable),
            headroom=headroom,
        )

    def _board(self, fetch: Fetch, reply: Reply) -> Board:
        is_empty = reply.status == HTTPStatus.NO_CONTENT
        found = [] if is_empty else self._decoded(reply, _Envelope).response
        kept = found[:MATCHES_MAX]
        matches = [_match(one) for one in kept]
        facts: list[Fact] = [*matches]
        if dict(fetch.params).keys() == {"id"} and kept:
            facts += _events(kept[0])
        return Board(
            tuple(facts),
            stale_after_ms(matches),
            self._freshness(reply, default_ms=UPDATED_EVERY_MS),
            omitted=len(found) - len(kept),
            headroom=_headroom(reply),
            size_bytes=len(reply.body),
        )


def _headroom(reply: Reply) -> Headroom:
    # The two limits differ in the middle of their names only; both names are the vendor's.
    return Headroom(
        minute_left=_left(reply.headers.get("X-RateLimit-Remaining")),
        day_left=_left(reply.headers.get("x-ratelimit-requests-remaining")),
    )


def _left(said: str | None) -> int | None:
    text = (said or "").strip()
    return int(text[:9]) if text.isascii() and text.isdigit() else None


def _match(one: _Fixture) -> Match:
    status, league, goals = one.fixture.status, one.league or _League(), one.goals or _Goals()
    phase = _PHASES.get(status.short or "", "unknown")
    return Match(
        match_id=foreign_line(str(one.fixture.id), 48),
        home=foreign_line(one.teams.home.name, NAME_CHARS_MAX),
        away=foreign_line(one.teams.away.name, NAME_CHARS_MAX),
        phase=phase,
        home_goals=foreign_count(goals.home, at_most=GOALS_MAX),
        away_goals=foreign_count(goals.away, at_most=GOALS_MAX),
        clock=_clock(status) if phase == "live" else "",
        competition=foreign_line(league.name, NAME_CHARS_MAX),
        round=foreign_line(league.round, NAME_CHARS_MAX),
        starts_at=foreign_line(one.fixture.date, 40),
    )


def _clock(status: _Status) -> str:
    elapsed = foreign_count(status.elapsed, at_most=MINUTE_MAX)
    extra = foreign_count(status.extra, at_most=MINUTE_MAX)
    return "" if elapsed is None else f"{elapsed}'" + (f" +{extra}" if extra else "")


def _events(one: _Fixture) -> list[MatchEvent]:
    told = [_event(event) for event in (one.events or [])[-EVENTS_KEPT:]]
    return [event for event in told if event is not None]


def _event(event: _Event) -> MatchEvent | None:
    name, detail = (event.type or "").casefold(), (event.detail or "").casefold()
    kind = _EVENTS.get((name, detail)) or _KINDS.get(name)
    if kind is None:
        return None
    return MatchEvent(
        kind=kind,
        minute=foreign_count(event.time.elapsed, at_most=MINUTE_MAX),
        added_minute=foreign_count(event.time.extra, at_most=MINUTE_MAX),
        team=_name(event.team),
        player=_name(event.player),
        other_player=_name(event.assist),
        detail=foreign_line(event.detail, NAME_CHARS_MAX),
    )


def _name(named: _Named | None) -> str:
    return foreign_line(named.name, NAME_CHARS_MAX) if named is not None else ""
