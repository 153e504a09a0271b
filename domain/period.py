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
    tz = zone(time_zone)
    assert tz is not None, "the policy checked its time zone"
    local = (_EPOCH + timedelta(microseconds=at_us)).astimezone(tz)
    year, month = local.year, local.month
    after = (year + 1, 1) if month == _MONTHS_PER_YEAR else (year, month + 1)
    return Month(
        label=f"{year:04d}-{month:02d}",
        starts_us=_midnight_us(year, month, tz),
        ends_us=_midnight_us(*after, tz),
    )


def _midnight_us(year: int, month: int, tz: ZoneInfo) -> int:
    # fold=0 takes the first of two midnights where a clock change repeats one.
    return (datetime(year, month, 1, tzinfo=tz) - _EPOCH) // _US
