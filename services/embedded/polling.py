"""Waiting for another process, which has no other way to tell us."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(
    condition: Callable[[], Awaitable[bool]], *, every_s: float, timeout_s: float
) -> None:
    """Ask until the answer is yes; raises TimeoutError after `timeout_s`."""
    async with asyncio.timeout(timeout_s):
        while not await condition():  # noqa: ASYNC110 - a process sets no event of ours
            await asyncio.sleep(every_s)
