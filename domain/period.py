"""
Months: half-open intervals [starts, ends) in a tenant's IANA time zone.

A period is a function of the time of an event; nothing resets at midnight. Its bounds are written
into the log when it opens (`PeriodOpened`), so that replay does not depend on the time zone data
of the machine that replays.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_MONTHS_PER_YEAR = 12


class Month(msgspec.Struct, frozen=True):
    """A calendar month. *label* is `2026-11`; bounds are microseconds since the epoch."""

    label: str
    starts_us: int
    ends_us: int


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo | None:
    """Return the time zone of that name, or None if there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def month_at(at_us: int, time_zone: str) -> Month:
    """Return the month of *time_zone* that contains the instant *at_us*."""
    tz = _zone_of_policy(time_zone)
    local = (_EPOCH + timedelta(microseconds=at_us)).astimezone(tz)
    month = _month(local.year, local.month, tz)
    # A clock that is set back over midnight shows the old month again after the new one began.
    # The instants decide, not what the clock on the wall shows.
    return month if at_us < month.ends_us else month_after(month.label, time_zone)


def month_after(label: str, time_zone: str) -> Month:
    """Return the month that follows the one labelled `2026-11`, in *time_zone*."""
    year, month = int(label[:4]), int(label[5:])
    return _month(*_next(year, month), _zone_of_policy(time_zone))


def _zone_of_policy(time_zone: str) -> ZoneInfo:
    tz = zone(time_zone)
    assert tz is not None, "the policy checked its time zone"
    return tz


def _month(year: int, month: int, tz: ZoneInfo) -> Month:
    return Month(
        label=f"{year:04d}-{month:02d}",
        starts_us=_midnight_us(year, month, tz),
        ends_us=_midnight_us(*_next(year, month), tz),
    )


def _next(year: int, month: int) -> tuple[int, int]:
    return (year + 1, 1) if month == _MONTHS_PER_YEAR else (year, month + 1)


def _midnight_us(year: int, month: int, tz: ZoneInfo) -> int:
    """The first midnight of a month. One that the clock skips is when it skips it."""
    # fold=0 takes the first of two midnights where a clock change repeats one.
    return (datetime(year, month, 1, tzinfo=tz) - _EPOCH) // _US
