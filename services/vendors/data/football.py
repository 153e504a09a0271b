"""What vendors of football share: which matches a query is about, and how old is too old."""

from __future__ import annotations

from collections.abc import Sequence

from services.vendors.data.context import Fact, Match, MatchEvent
from services.vendors.data.context_query import MatchQuery
from services.vendors.data.foreign_text import folded

NAME_CHARS_MAX = 80
GOALS_MAX = 99
MINUTE_MAX = 200
MATCHES_MAX = 1_000
# A score that is two minutes old may miss a goal that everybody has seen.
LIVE_STALE_AFTER_MS = 120_000
SETTLED_STALE_AFTER_MS = 86_400_000
_FIRST = ("live", "half_time", "ended", "scheduled")


def stale_after_ms(matches: Sequence[Match]) -> int:
    """Return the age from which the state of these matches is good for nothing."""
    running = any(match.phase in ("live", "half_time", "unknown") for match in matches)
    return LIVE_STALE_AFTER_MS if running or not matches else SETTLED_STALE_AFTER_MS


def about(query: MatchQuery, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Return the matches that *query* is about, those being played first, then their events."""
    team, competition = folded(query.team or ""), folded(query.competition or "")
    matches = [
        fact
        for fact in facts
        if isinstance(fact, Match)
        and (team in folded(fact.home) or team in folded(fact.away))
        and competition in folded(fact.competition)
    ]
    matches.sort(key=lambda match: _FIRST.index(match.phase) if match.phase in _FIRST else 9)
    # Events come only with the one match that was asked for.
    events = [fact for fact in facts if isinstance(fact, MatchEvent)] if matches else []
    return [*matches, *events]
