"""
Pace: how fast somebody may look things up, so that no visitor can keep a twin's desk busy.

Two leaky buckets for each question, of who asks and of all of their kind together: visitors of a
page, and everybody else who has come from outside. Sessions that run here ask in the name of the
deployment; how many turns those have is the policy's matter.

Each desk counts for itself: of two that share the questions each takes so many.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from contracts.access import kind_of
from domain import rate
from domain.refusals import LOOKUPS_TOO_FAST
from services.knowledge.refusing import LookupRefused

# The quietest is forgotten first: it has the least to wait for.
ASKERS_MAX: Final = 20_000
_SECOND_US: Final = 1_000_000
_US_PER_MS: Final = 1_000


def _bucket(each_second: int, burst: int) -> rate.Bucket:
    interval_us = _SECOND_US // each_second
    return rate.Bucket(interval_us, (burst - 1) * interval_us, 0)


# Of one visit, and of all visits of a twin; then of one key or person, and of all of those.
VISITOR: Final = _bucket(2, 10)
VISITORS: Final = _bucket(20, 60)
MEMBER: Final = _bucket(50, 100)
MEMBERS: Final = _bucket(100, 200)
_OUTSIDE: Final = ("key", "person", "admin")


class Pace:
    """Counts questions. *clock_us*: microseconds, of any beginning."""

    def __init__(self, clock_us: Callable[[], int], *, askers_max: int = ASKERS_MAX) -> None:
        self._clock_us = clock_us
        self._askers_max = askers_max
        self._states: OrderedDict[tuple[str, str], rate.State] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def check(self, tenant: str, principal: str) -> None:
        """Count one question; raises LookupRefused, and then it counts for nothing."""
        kind = kind_of(principal)
        if kind == "visitor":
            buckets = {(tenant, principal): VISITOR, (tenant, "visitors"): VISITORS}
        elif kind in _OUTSIDE:
            buckets = {(tenant, principal): MEMBER, (tenant, "members"): MEMBERS}
        else:
            return
        now_us = self._clock_us()
        slots = {
            name: rate.check(self._state(name), bucket, now_us) for name, bucket in buckets.items()
        }
        waits_us = [slot.retry_after_us for slot in slots.values() if not slot.fits]
        if waits_us:
            raise LookupRefused(LOOKUPS_TOO_FAST, retry_after_ms=-(-max(waits_us) // _US_PER_MS))
        for name, slot in slots.items():
            self._state(name).tat_us = slot.tat_us

    def _state(self, name: tuple[str, str]) -> rate.State:
        state = self._states.setdefault(name, rate.State())
        self._states.move_to_end(name)
        if len(self._states) > self._askers_max:
            self._states.popitem(last=False)
        return state
