"""The time of the vendors: the machine's, or one that a test turns by hand."""

from __future__ import annotations

import asyncio
import heapq
import time
from typing import Protocol


class Clock(Protocol):
    """What tells the vendors the time, in Unix microseconds, and lets them take theirs."""

    def now_us(self) -> int: ...

    async def sleep_ms(self, for_ms: int) -> None: ...


class MachineClock:
    """The clock of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    async def sleep_ms(self, for_ms: int) -> None:
        await asyncio.sleep(for_ms / 1_000)


class HandClock:
    """Stands still until it is advanced; who sleeps wakes in the order of their times."""

    def __init__(self, now_us: int = 1_800_000_000_000_000) -> None:
        self._now_us = now_us
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._slept = 0

    def now_us(self) -> int:
        return self._now_us

    async def sleep_ms(self, for_ms: int) -> None:
        if for_ms <= 0:
            return
        self._slept += 1
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_us + for_ms * 1_000, self._slept, woken))
        await woken

    def advance_ms(self, by_ms: int) -> None:
        """Let time pass."""
        self._now_us += by_ms * 1_000
        while self._sleepers and self._sleepers[0][0] <= self._now_us:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)
