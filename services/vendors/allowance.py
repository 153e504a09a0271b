"""
What a key may still ask of its vendor, so that a request that would be refused is never made.

A refusal by the vendor can cost money, time, and in the end the account. So what the vendor's
headers and errors say is remembered for each key of each twin, and asked before the gate is: no
hold is made for a call that would be in vain.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from operator import itemgetter

import msgspec

from services.vendors.data.context_errors import (
    ContextError,
    ContextNotAllowed,
    ContextOverQuota,
    ContextTooFast,
    Headroom,
)

US_PER_MINUTE = 60_000_000
US_PER_DAY = 86_400_000_000
# An unknown wait is tried again after this long; what a vendor says is believed up to a day.
LONGEST_WAIT_MS = 86_400_000


class _Window(msgspec.Struct):
    """What is *left* until *ends_us* on the monotonic clock; nothing is known after that."""

    left: int = 0
    ends_us: int = 0

    def wait_us(self, now_us: int) -> int:
        return self.ends_us - now_us if self.left <= 0 and now_us < self.ends_us else 0


class Allowance:
    """What is left for one key of one twin at one vendor. *now_us* is monotonic everywhere."""

    def __init__(self, provider_id: str) -> None:
        self._provider_id = provider_id
        self._minute, self._day = _Window(), _Window()
        self._in_flight = 0
        self._blocked_until_us = 0
        self._blocked_by: type[ContextError] = ContextTooFast

    def take(self, now_us: int) -> None:
        """
        Count a request that is about to be made; give it back with `returned`.

        Raises:
            ContextTooFast, ContextOverQuota: the vendor would refuse it; with the time to wait.
        """
        waits: list[tuple[int, type[ContextError], str]] = [
            (self._blocked_until_us - now_us, self._blocked_by, "we were told to wait"),
            (self._day.wait_us(now_us), ContextOverQuota, "the day's requests are used up"),
            (self._minute.wait_us(now_us), ContextTooFast, "the minute's requests are used up"),
        ]
        # The longest wait is the one that helps.
        wait_us, kind, why = max(waits, key=itemgetter(0))
        if wait_us > 0:
            raise kind(self._provider_id, why, retry_after_ms=-(-wait_us // 1_000))
        self._in_flight += 1
        self._minute.left -= 1
        self._day.left -= 1

    def returned(self, *, was_sent: bool) -> None:
        """Note that a request is over; one that was never sent counts nowhere."""
        self._in_flight -= 1
        if not was_sent:
            self._minute.left += 1
            self._day.left += 1

    def read(self, headroom: Headroom, now_us: int, wall_us: int) -> None:
        """Note what the headers of an answer say; requests in flight may not be counted there."""
        # The one that is being read is still among those in flight.
        others = max(0, self._in_flight - 1)
        if headroom.minute_left is not None:
            # Nobody says when the vendor's minute began: a minute from now it is over.
            self._minute = _Window(headroom.minute_left - others, now_us + US_PER_MINUTE)
        if headroom.day_left is not None:
            until_midnight_us = US_PER_DAY - wall_us % US_PER_DAY
            self._day = _Window(headroom.day_left - others, now_us + until_midnight_us)

    def refused(self, problem: ContextError, now_us: int, wall_us: int) -> None:
        """Note what an error says: its headers, and how long to wait."""
        self.read(problem.headroom, now_us, wall_us)
        waits = isinstance(problem, ContextTooFast | ContextOverQuota | ContextNotAllowed)
        if waits and problem.retry_after_ms:
            wait_us = min(problem.retry_after_ms, LONGEST_WAIT_MS) * 1_000
            if now_us + wait_us > self._blocked_until_us:
                self._blocked_until_us = now_us + wait_us
                self._blocked_by = type(problem)


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """Read `Retry-After`: seconds, or a date, which is compared with the answer's own `Date`."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return min(int(said[:9]) * 1_000, LONGEST_WAIT_MS)
    try:
        left = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(0, min(int(left.total_seconds()) * 1_000, LONGEST_WAIT_MS))
