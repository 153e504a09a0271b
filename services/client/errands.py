"""
Work that goes on when its caller is gone: booking a call whose caller was cancelled.

asyncio only keeps weak references to tasks, and a cancelled caller cannot wait; so these tasks are
kept here, and the client waits for them before it closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from services import logs

ERRANDS_MAX = 10_000
Result = TypeVar("Result")


class Errands:
    """Tasks that no cancellation of their caller reaches. Each must have a deadline of its own."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def are_too_many(self) -> bool:
        """Whether so much is unfinished that nothing new may be begun."""
        return len(self._tasks) >= ERRANDS_MAX

    def start(
        self, work: Coroutine[Any, Any, Result], *, awaited: bool = False
    ) -> asyncio.Task[Result]:
        """
        Begin at once. Await it through `asyncio.shield`, or not at all.

        A failure is logged, unless it is *awaited*: then it is raised where it is awaited.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget if awaited else self._done)
        return task

    async def drain(self) -> None:
        """Wait until everything is finished, also what is begun meanwhile."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def _forget(self, task: asyncio.Task[Any]) -> BaseException | None:
        self._tasks.discard(task)
        # Reading it also tells asyncio that it was noticed.
        return None if task.cancelled() else task.exception()

    def _done(self, task: asyncio.Task[Any]) -> None:
        problem = self._forget(task)
        if problem is not None:
            logs.get().error("errand_failed", reason=f"{type(problem).__name__}: {problem}")
