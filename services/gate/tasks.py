"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

_AGAIN_AFTER_S = 0.25
_ATTEMPTS_MAX = 4

_log = structlog.get_logger()


async def end_all(tasks: Iterable[asyncio.Task[None]]) -> None:
    """
    Cancel tasks and wait until they have ended, about a second at most.

    nats-py may swallow a cancellation while it flushes, so one is not always enough.
    """
    left = set(tasks)
    for _ in range(_ATTEMPTS_MAX):
        if not left:
            return
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_AFTER_S)
    if left:
        _log.error("tasks_not_ended", tasks=len(left))
