"""
Moments as people write and read them.

    1042                         a position: the index of a commit in a tenant's log
    2026-11-22T20:15:00-05:00    an instant (RFC 3339)
    2026-11-22 20:15             the same, on the clock of the tenant's policy of that time
    5m                           a stretch of time: s, m, h or d
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec

from contracts.policy import Policy
from domain.period import zone
from services.failure import Failure

US_PER_S = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_POSITION = re.compile(r"[0-9]{1,18}")
_SPAN = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Until(msgspec.Struct, frozen=True):
    """
    Where a replay ends: after a position, or after the last event that is not later than a time.

    A *wall* time has no zone of its own; it is read on the clock of the policy in force.
    """

    position: int | None = None
    at_us: int | None = None
    wall: datetime | None = None

    def instant_us(self, policy: Policy | None) -> int | None:
        """Return the instant that is meant on the clock of a policy; None where it is no time."""
        if self.wall is None:
            return self.at_us
        return micros(self.wall.replace(tzinfo=zone_of(policy)))


def parse_until(text: str) -> Until:
    """Read a position or a time; raises Failure."""
    if _POSITION.fullmatch(text):
        return Until(position=int(text))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"{text!r} is neither a position nor a time.",
            "write 1042, 2026-11-22T20:15:00Z, or `2026-11-22 20:15` on the twin's own clock.",
        ) from None
    if found.tzinfo is None:
        return Until(wall=found)
    return Until(at_us=micros(found))


def parse_span(text: str) -> int:
    """Read a stretch of time such as `5m`, in microseconds; raises Failure."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise Failure(f"{text!r} is not a stretch of time.", "write 30s, 5m, 2h or 1d.")
    return int(match[1]) * _SECONDS[match[2]] * US_PER_S


def zone_of(policy: Policy | None) -> tzinfo:
    """Return the time zone of a policy, UTC where there is none."""
    return (zone(policy.time_zone) if policy else None) or UTC


def micros(moment: datetime) -> int:
    """Return microseconds since the epoch of an aware time."""
    return (moment - _EPOCH) // _US


def local(at_us: int, where: tzinfo | None) -> datetime:
    """Return the time on a zone's clock; None is the clock of this machine."""
    return (_EPOCH + at_us * _US).astimezone(where)


def rfc3339(at_us: int, where: tzinfo | None = UTC) -> str:
    """Spell an instant exactly, with its offset."""
    return local(at_us, where).isoformat(timespec="microseconds")
