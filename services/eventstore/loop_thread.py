"""An event loop in a thread, for callers that do not have one: the library's own tools."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop
from eventsourcing.persistence import ProgrammingError

# Every operation has an end of its own, well before this.
TIMEOUT_S = 120.0
_CLOSE_TIMEOUT_S = 5.0

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for any number of threads."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="eventstore", daemon=True)
        self._thread.start()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    @property
    def is_closed(self) -> bool:
        """Whether nothing can run here any more."""
        return self._loop.is_closed()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine; its result comes with the future."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise ProgrammingError("would wait for itself: await the asynchronous method")
        if self.is_closed:
            coroutine.close()
            raise ProgrammingError("closed")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float | None = TIMEOUT_S) -> T:
        """Run a coroutine to its end and return its result."""
        future = self.start(coroutine)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel whatever still runs and end the thread."""
        if self.is_closed:
            return
        self.run(_cancel_all(), _CLOSE_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
