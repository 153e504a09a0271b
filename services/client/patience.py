"""
How long a client waits, and how it spaces its attempts.

A command that was not answered is sent again unchanged, with the same command id, so that it takes
effect once. The waits between attempts double up to a bound and are drawn at random, so that many
clients do not come back at the same instant.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import msgspec

FIRST_WAIT_US = 20_000
LONGEST_WAIT_US = 500_000
# Below this much time an attempt cannot succeed and is not begun.
SHORTEST_ATTEMPT_US = 1_000


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bounds of one command. *deadline_s* is for all attempts together.

    An attempt that nobody answers within *attempt_s* is repeated: a failover takes up to 3 s, and
    what was sent to the worker that died is never answered.
    """

    deadline_s: float = 10.0
    attempt_s: float = 1.0


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """
    Time and chance, so that tests own both.

    *monotonic_us* never steps back; *wall_us* counts from the epoch; *chance* is in [0, 1).
    """

    monotonic_us: Callable[[], int] = lambda: time.monotonic_ns() // 1_000
    wall_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.SystemRandom().random


def wait_us(attempt: int, chance: float, retry_after_ms: int | None) -> int:
    """
    Microseconds to wait after the failed attempt number *attempt*, counted from 1.

    The gate's own Retry-After is the least; up to half of it is added by chance.
    """
    if retry_after_ms is not None:
        return int(retry_after_ms * 1_000 * (1 + chance / 2))
    ceiling = min(LONGEST_WAIT_US, FIRST_WAIT_US << min(attempt - 1, 16))
    # At least half of it: a wait of nothing is an attempt wasted.
    return int(ceiling * (1 + chance) / 2)
