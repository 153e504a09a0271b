"""
Live context: facts from outside that a twin may speak of, with where and when they come from.

Facts are data. They have fields, bounds and an age, and whoever puts them before a model says that
they are data (`services.vendors.data.tools`); nothing in them is ever an instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from services.vendors.data.context_query import ContextQuery

FACTS_MAX = 20
EVENTS_MAX = 40
FACTS_BYTES_MAX = 16_384

MatchPhase: TypeAlias = Literal["scheduled", "live", "half_time", "ended", "off", "unknown"]
EventKind: TypeAlias = Literal[
    "kick_off",
    "goal",
    "own_goal",
    "penalty_missed",
    "yellow_card",
    "red_card",
    "substitution",
    "half_time",
    "second_half",
    "ended",
    "review",
]


class Match(msgspec.Struct, frozen=True, tag="match", omit_defaults=True):
    """A football match as it stands. *clock* is what the vendor shows, in match time."""

    match_id: str
    home: str
    away: str
    phase: MatchPhase
    home_goals: int | None = None
    away_goals: int | None = None
    clock: str = ""
    competition: str = ""
    round: str = ""
    starts_at: str = ""


class MatchEvent(msgspec.Struct, frozen=True, tag="event", omit_defaults=True):
    """Something that happened in a match; *minute* of play, with the goals after it if known."""

    kind: EventKind
    minute: int | None = None
    added_minute: int | None = None
    team: str = ""
    player: str = ""
    other_player: str = ""
    detail: str = ""
    home_goals: int | None = None
    away_goals: int | None = None


class Article(msgspec.Struct, frozen=True, tag="article", omit_defaults=True):
    """A piece of news. *url* is where to read it; *source* is who published it."""

    title: str
    source: str
    published_at: str
    url: str
    summary: str = ""
    author: str = ""


Fact: TypeAlias = Match | MatchEvent | Article


class ContextData(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a vendor says. Times are microseconds since 1970 unless the name says otherwise.

    *as_of_us* is when the vendor says that this was so; *age_ms* is how long ago that was when the
    data was handed out. It may be used for *fresh_for_ms* more without asking again, and is good
    for nothing beyond *stale_after_ms* of age. *why_old* is set when newer data was asked for in
    vain. *reservation_id* is the call that brought it; data from the cache is no call of its own.
    *may_store*: whether the vendor lets it be kept longer than that.
    """

    provider_id: str
    source: str
    attribution: str
    facts: tuple[Fact, ...]
    omitted: int
    fetched_at_us: int
    as_of_us: int
    age_ms: int
    fresh_for_ms: int
    stale_after_ms: int
    reservation_id: str
    from_cache: bool = False
    why_old: str = ""
    may_store: bool = True


class RealTimeContextAdapter(Protocol):
    """The document's IRealTimeContextAdapter (4.3)."""

    async def fetch_context(self, query: ContextQuery, secret_scope: str) -> ContextData:
        """
        Fetch live context with the twin's secret named *secret_scope*.

        Raises:
            ContextError: there is none; see `services.vendors.data.context_errors`.
            CannotVerify: the gate could not be asked; nothing was called.
        """


def bounded(facts: Sequence[Fact]) -> tuple[tuple[Fact, ...], int]:
    """Return the first facts that fit the bounds, and how many do not."""
    kept: list[Fact] = []
    size = matches = 0
    for fact in facts:
        size += len(msgspec.json.encode(fact))
        matches += not isinstance(fact, MatchEvent)
        if size > FACTS_BYTES_MAX or matches > FACTS_MAX or len(kept) >= FACTS_MAX + EVENTS_MAX:
            break
        kept.append(fact)
    return tuple(kept), len(facts) - len(kept)
