"""
What can be asked of live data. Each query is one request to one vendor.

A model fills these in from a question, so every refusal names the field, the rule and the remedy.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, TypeAlias

import msgspec

from contracts.message import check_lines, line, whole

DAY_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
MATCH_ID_PATTERN = r"[A-Za-z0-9:_]{1,48}"

Day: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=10, extra_json_schema={"pattern": whole(DAY_PATTERN)})
]
# The languages that NewsAPI v2 documents.
NewsLanguage: TypeAlias = Literal[
    "ar", "de", "en", "es", "fr", "he", "it", "nl", "no", "pt", "ru", "sv", "zh"
]


class MatchQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Football matches: those being played now, those of a *day*, or one match with its events.

    *team* and *competition* narrow it down by name, without regard to case and accents; the
    *match_id* comes from an earlier answer of the same vendor.
    """

    team: Annotated[str, line(60)] | None = None
    competition: Annotated[str, line(60)] | None = None
    day: Day | None = None
    match_id: Annotated[str, msgspec.Meta(pattern=whole(MATCH_ID_PATTERN))] | None = None

    def __post_init__(self) -> None:
        check_lines(team=self.team or "", competition=self.competition or "")
        _check_day("day", self.day)
        if self.match_id is not None and self.day is not None:
            raise ValueError("`match_id` names one match: leave `day` out")


class NewsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """News that contain all of *words*, newest first, of one *language*, not older than *since*."""

    words: Annotated[str, line(200, min_length=2)]
    language: NewsLanguage | None = None
    since: Day | None = None
    most: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5

    def __post_init__(self) -> None:
        check_lines(words=self.words)
        if not self.words.strip():
            raise ValueError("`words` must say what to search for")
        _check_day("since", self.since)


ContextQuery: TypeAlias = MatchQuery | NewsQuery


def _check_day(field: str, day: str | None) -> None:
    if day is None:
        return
    try:
        # Python reads more spellings than this one.
        is_day = date.fromisoformat(day).isoformat() == day
    except ValueError:
        is_day = False
    if not is_day:
        raise ValueError(f"`{field}` must be a day of the calendar as YYYY-MM-DD")
