"""An event loop in which time passes only when nothing is left to do, so an hour takes no time."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any


class _NoWaiting(selectors.SelectSelector):
    """Instead of sleeping until the next timer, jump there."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout=None):
        if timeout is None:
            raise RuntimeError("the simulation is stuck: nothing is left that could happen")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Virtual clock; callbacks that are ready together run in an order the seed decides."""

    def __init__(self, seed: int) -> None:
        self.selector = _NoWaiting()
        self.random = random.Random(seed)
        super().__init__(self.selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.selector.now_s

    def _run_once(self) -> None:
        ready = list(self._ready)
        self._ready.clear()
        self.random.shuffle(ready)
        self._ready.extend(ready)
        super()._run_once()


def run(seed: int, main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop(seed)
    try:
        return loop.run_until_complete(main)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()
