"""
Deadlines: when holds run out, earliest first.

A heap of (expiry, reservation). Closed and extended holds leave entries behind; the first entry
never is such a one, so that "is anything due?" is one comparison, asked before every decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from contracts.budget import CallAuthorized

Heap: TypeAlias = list[tuple[int, int]]
Holds: TypeAlias = Mapping[int, CallAuthorized]

_SLACK = 1_000


def add(heap: Heap, holds: Holds, expires_at_us: int, reservation: int) -> None:
    """Remember a deadline. Entries left behind are swept when they outnumber the open holds."""
    heappush(heap, (expires_at_us, reservation))
    if len(heap) > 2 * len(holds) + _SLACK:
        heap[:] = [(hold.expires_at_us, number) for number, hold in holds.items()]
        heapify(heap)


def closed(heap: Heap, holds: Holds, reservation: int) -> None:
    """Restore the rule about the first entry after a hold was closed or extended."""
    if heap and heap[0][1] == reservation:
        drop_left_behind(heap, holds)


def drop_left_behind(heap: Heap, holds: Holds) -> None:
    """Drop first entries until one stands for an open hold's own deadline."""
    while heap:
        expires_at_us, number = heap[0]
        hold = holds.get(number)
        if hold is not None and hold.expires_at_us == expires_at_us:
            return
        heappop(heap)


def reached(heap: Heap, holds: Holds, now_us: int, at_most: int) -> list[CallAuthorized]:
    """Return open holds that have run out by *now_us*, earliest first. Takes nothing away."""
    found: list[CallAuthorized] = []
    # Walks the heap in order: a parent is never later than its children.
    next_up = [(heap[0], 0)] if heap else []
    while next_up and next_up[0][0][0] <= now_us and len(found) < at_most:
        (expires_at_us, number), index = heappop(next_up)
        hold = holds.get(number)
        if hold is not None and hold.expires_at_us == expires_at_us:
            found.append(hold)
        for child in (2 * index + 1, 2 * index + 2):
            if child < len(heap):
                heappush(next_up, (heap[child], child))
    return found
