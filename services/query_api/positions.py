"""
Waiting until the read side has reached a position.

However many readers wait, one task asks Postgres, for all their twins at once, and only while
somebody waits. Asking again every few milliseconds needs nothing from the writer; the delay that
it adds is below what the projector itself takes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from services.query_api.problems import OVERLOADED, HttpProblem

ReadPositions: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, int]]]


class PositionWatch:
    """Tells readers when their twin has reached the position that they wait for."""

    def __init__(self, read: ReadPositions, *, every_s: float, waiting_max: int) -> None:
        self._read = read
        self._every_s = every_s
        self._waiting_max = waiting_max
        self._waiting: dict[asyncio.Future[None], tuple[str, int]] = {}
        self._task: asyncio.Task[None] | None = None

    async def reached(self, tenant: str, position: int, *, within_s: float) -> bool:
        """
        Wait until *tenant* is at *position* or beyond; False if it is not *within_s* seconds.

        Raises:
            HttpProblem: too many wait already, or the database cannot be asked.
        """
        if len(self._waiting) >= self._waiting_max:
            raise HttpProblem(OVERLOADED, "Too many readers wait for a position.")
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = (tenant, position)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="position-watch")
        try:
            async with asyncio.timeout(within_s):
                await waiter
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._waiting.pop(waiter, None)

    async def close(self) -> None:
        """Stop watching; whoever still waits is told that the position was not reached."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(TimeoutError())

    async def _watch(self) -> None:
        while self._waiting:
            tenants = sorted({tenant for tenant, _ in self._waiting.values()})
            try:
                positions = await self._read(tenants)
            except HttpProblem as problem:
                # Every reader gets the reason; the next one starts a new watch.
                self._fail(problem)
                return
            self._wake(positions)
            await asyncio.sleep(self._every_s)

    def _wake(self, positions: Mapping[str, int]) -> None:
        for waiter, (tenant, position) in self._waiting.items():
            if positions.get(tenant, 0) >= position and not waiter.done():
                waiter.set_result(None)

    def _fail(self, problem: HttpProblem) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(problem)
