"""
The adapter of SportRadar's Soccer API, version 4.

    schedules/live/summaries.json         what is being played now
    schedules/{day}/summaries.json        the matches of a day, its first page
    sport_events/{id}/timeline.json       one match with its events

Limits are told as texts of status 403. The feeds say with `Cache-Control: max-age` how long they
stand (live ones a second or so), and with `generated_at` when they were made.
Read: developer.sportradar.com, HTTP response codes and Soccer v4 reference, 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import ClassVar

import msgspec

from services.secret import Secret
from services.vendors.allowance import retry_after_ms
from services.vendors.data.context import EventKind, Fact, Match, MatchEvent, MatchPhase
from services.vendors.data.context_errors import (
    ContextBadQuery,
    ContextError,
    ContextNotAllowed,
    ContextOverQuota,
    ContextTooFast,
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
from services.vendors.data.foreign_text import foreign_count, foreign_line, foreign_moment_us
from services.vendors.data.live_data import Board, Fetch, LiveDataAdapter
from services.vendors.outbound import Outbound, Reply

PROVIDER_ID = "sportradar"
ONE_SECOND_MS = 1_000
# Nobody documents when a quota is renewed; to ask once in a quarter of an hour harms nobody.
QUOTA_WAIT_MS = 900_000
# For an answer without Cache-Control, which the documentation does not know.
DEFAULT_MAX_AGE_MS = 1_000
EVENTS_KEPT = 40
_is_match_id = re.compile(r"sr:(sport_event|match):[0-9]{1,12}").fullmatch

_PHASES: dict[str, MatchPhase] = {
    "not_started": "scheduled",
    "start_delayed": "scheduled",
    "delayed": "scheduled",
    "live": "live",
    "ended": "ended",
    "closed": "ended",
    "postponed": "off",
    "cancelled": "off",
    "abandoned": "off",
    "suspended": "off",
}
_EVENTS: dict[str, EventKind] = {
    "match_started": "kick_off",
    "score_change": "goal",
    "penalty_missed": "penalty_missed",
    "yellow_card": "yellow_card",
    "yellow_red_card": "red_card",
    "red_card": "red_card",
    "substitution": "substitution",
    "break_start": "half_time",
    "match_ended": "ended",
    "video_assistant_referee": "review",
}
# Of the players of an event, the one it is about, and the other one.
_FIRST_TYPES = ("scorer", "substituted_in")
_SECOND_TYPES = ("assist", "substituted_out")


class _Named(msgspec.Struct, frozen=True):
    name: str | None = None


class _Competitor(msgspec.Struct, frozen=True):
    name: str | None = None
    qualifier: str | None = None


class _Context(msgspec.Struct, frozen=True):
    competition: _Named | None = None
    round: dict[str, object] | None = None


class _SportEvent(msgspec.Struct, frozen=True):
    id: str
    start_time: str | None = None
    sport_event_context: _Context | None = None
    competitors: list[_Competitor] = []


class _Clock(msgspec.Struct, frozen=True):
    played: str | None = None
    stoppage_time_played: str | None = None


class _Status(msgspec.Struct, frozen=True):
    status: str = ""
    match_status: str | None = None
    home_score: object = None
    away_score: object = None
    clock: _Clock | None = None


class _Summary(msgspec.Struct, frozen=True):
    sport_event: _SportEvent
    sport_event_status: _Status


class _Summaries(msgspec.Struct, frozen=True):
    summaries: list[_Summary]
    generated_at: str | None = None


class _Player(msgspec.Struct, frozen=True):
    name: str | None = None
    type: str | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    match_time: object = None
    stoppage_time: object = None
    competitor: str | None = None
    period_name: str | None = None
    home_score: object = None
    away_score: object = None
    players: list[_Player] = []
    method: str | None = None


class _Timeline(msgspec.Struct, frozen=True):
    sport_event: _SportEvent
    sport_event_status: _Status
    timeline: list[_Event] = []
    generated_at: str | None = None


class SportRadarAdapter(LiveDataAdapter[MatchQuery]):
    """Speaks to Soccer v4. *access_level* and *language* are parts of the path (`es`, `en`, …)."""

    base_url = "https://api.sportradar.com"
    sku = "soccer-v4"
    answers: ClassVar[type[ContextQuery]] = MatchQuery
    attribution = "Data: Sportradar"

    def __init__(
        self,
        provider_id: str,
        outbound: Outbound,
        *,
        access_level: str = "production",
        language: str = "en",
    ) -> None:
        super().__init__(provider_id, outbound)
        self._root = f"/soccer/{access_level}/v4/{language}"

    def plan(self, query: MatchQuery) -> Fetch:
        if query.match_id is not None:
            if _is_match_id(query.match_id) is None:
                raise ContextBadQuery(
                    self.provider_id, "`match_id` must be one of its own, like sr:sport_event:123"
                )
            return Fetch(f"{self._root}/sport_events/{query.match_id}/timeline.json")
        return Fetch(f"{self._root}/schedules/{query.day or 'live'}/summaries.json")

    def select(self, query: MatchQuery, facts: Sequence[Fact]) -> Sequence[Fact]:
        return about(query, facts)

    def _headers(self, key: Secret) -> dict[str, str | Secret]:
        return {"x-api-key": key, "Accept": "application/json"}

    def _problem(self, reply: Reply) -> ContextError | None:
        if reply.status == HTTPStatus.OK:
            return None
        said = foreign_line(reply.body[:200].decode(errors="replace"), 200)
        wait_ms = retry_after_ms(reply.headers)
        why = f"status {reply.status}. {said}"
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            return ContextTooFast(self.provider_id, why, retry_after_ms=wait_ms or ONE_SECOND_MS)
        if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return self._turned_away(why, wait_ms)
        return self._failed(reply, said)

    def _turned_away(self, why: str, wait_ms: int | None) -> ContextError:
        if "over qps" in why.casefold():
            return ContextTooFast(self.provider_id, why, retry_after_ms=wait_ms or ONE_SECOND_MS)
        if "over limit" in why.casefold() or "over rate" in why.casefold():
            return ContextOverQuota(self.provider_id, why, retry_after_ms=wait_ms or QUOTA_WAIT_MS)
        return ContextNotAllowed(self.provider_id, why)

    def _board(self, fetch: Fetch, reply: Reply) -> Board:
        if fetch.path.endswith("timeline.json"):
            body = self._decoded(reply, _Timeline)
            match = _match(body.sport_event, body.sport_event_status)
            facts: list[Fact] = [match, *_events(body)]
            matches, generated_at, omitted = [match], body.generated_at, 0
        else:
            day = self._decoded(reply, _Summaries)
            kept = day.summaries[:MATCHES_MAX]
            matches = [_match(one.sport_event, one.sport_event_status) for one in kept]
            facts, generated_at = [*matches], day.generated_at
            omitted = max(len(day.summaries), _count(reply, "X-Max-Results")) - len(kept)
        return Board(
            tuple(facts),
            stale_after_ms(matches),
            self._freshness(reply, default_ms=DEFAULT_MAX_AGE_MS),
            as_of_us=foreign_moment_us(generated_at),
            omitted=omitted,
            size_bytes=len(reply.body),
        )


def _match(event: _SportEvent, status: _Status) -> Match:
    sides = {
        competitor.qualifier: foreign_line(competitor.name, NAME_CHARS_MAX)
        for competitor in event.competitors[:4]
    }
    phase = _PHASES.get(status.status, "unknown")
    context = event.sport_event_context or _Context()
    return Match(
        match_id=foreign_line(event.id, 48),
        home=sides.get("home", ""),
        away=sides.get("away", ""),
        phase="half_time" if status.match_status == "halftime" else phase,
        home_goals=foreign_count(status.home_score, at_most=GOALS_MAX),
        away_goals=foreign_count(status.away_score, at_most=GOALS_MAX),
        clock=_clock(status.clock) if phase == "live" else "",
        competition=foreign_line(context.competition and context.competition.name, NAME_CHARS_MAX),
        round=_round(context.round),
        starts_at=foreign_line(event.start_time, 40),
    )


def _clock(clock: _Clock | None) -> str:
    if clock is None:
        return ""
    stoppage = foreign_line(clock.stoppage_time_played, 10)
    return foreign_line(clock.played, 10) + (f" +{stoppage}" if stoppage else "")


def _round(said: dict[str, object] | None) -> str:
    name = (said or {}).get("name") or (said or {}).get("number") or ""
    return foreign_line(str(name) if isinstance(name, int | str) else "", NAME_CHARS_MAX)


def _events(body: _Timeline) -> list[MatchEvent]:
    teams = {
        competitor.qualifier: foreign_line(competitor.name, NAME_CHARS_MAX)
        for competitor in body.sport_event.competitors[:4]
    }
    told = [event for event in body.timeline if event.type in _EVENTS and _is_told(event)]
    # The last ones: what happened just now is what is asked for.
    return [_told(event, teams) for event in told[-EVENTS_KEPT:]]


def _is_told(event: _Event) -> bool:
    return event.type != "break_start" or event.period_name in (None, "pause", "halftime")


def _told(event: _Event, teams: dict[str | None, str]) -> MatchEvent:
    kind = _EVENTS[event.type]
    return MatchEvent(
        kind="own_goal" if kind == "goal" and event.method == "own_goal" else kind,
        minute=foreign_count(event.match_time, at_most=MINUTE_MAX),
        added_minute=foreign_count(event.stoppage_time, at_most=MINUTE_MAX),
        team=teams.get(event.competitor, ""),
        player=_player(event.players, _FIRST_TYPES, otherwise_first=True),
        other_player=_player(event.players, _SECOND_TYPES),
        detail=foreign_line(event.method, NAME_CHARS_MAX),
        home_goals=foreign_count(event.home_score, at_most=GOALS_MAX),
        away_goals=foreign_count(event.away_score, at_most=GOALS_MAX),
    )


def _player(
    players: Sequence[_Player], types: tuple[str, ...], *, otherwise_first: bool = False
) -> str:
    named = [player for player in players if player.type in types]
    if not named and otherwise_first:
        named = [player for player in players if player.type not in _SECOND_TYPES]
    return foreign_line(named[0].name, NAME_CHARS_MAX) if named else ""


def _count(reply: Reply, header: str) -> int:
    said = reply.headers.get(header, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 6 else 0  # noqa: PLR2004
