"""Following a log as the library wants it: notifications, by topic, also from a thread."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Self

from eventsourcing.persistence import Notification, Subscription

from services.eventstore.errors import Unavailable
from services.eventstore.reading import Tail
from services.eventstore.wire import Recorded

if TYPE_CHECKING:
    from services.eventstore.recorder import JetStreamApplicationRecorder


# nats-py may swallow a cancellation; stopping must not wait for ever then.
_STOP_TIMEOUT_S = 2.0


class NotificationTail:
    """Batches of notifications, for ever; none is empty."""

    def __init__(
        self,
        tail: Tail,
        notification: Callable[[Recorded], Notification],
        topics: Sequence[str] = (),
    ) -> None:
        self._tail = tail
        self._notification = notification
        self._topics = frozenset(topics)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Notification]:
        while True:
            batch = await anext(self._tail)
            wanted = [
                self._notification(event)
                for event in batch
                if not self._topics or event.topic in self._topics
            ]
            if wanted:
                return wanted

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop following."""
        await self._tail.aclose()


class JetStreamSubscription(Subscription["JetStreamApplicationRecorder"]):
    """
    One thread's iterator over notifications; any thread may stop it.

    Nothing is queued here: the reader below asks for no more than its window.
    """

    def __init__(
        self,
        recorder: "JetStreamApplicationRecorder",
        gt: int | None = None,
        topics: Sequence[str] = (),
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._tail: NotificationTail | None = None
        self._batch: list[Notification] = []
        self._taken = 0
        self._task: asyncio.Task[list[Notification]] | None = None

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._taken < len(self._batch):
                self._taken += 1
                return self._batch[self._taken - 1]
            self._batch, self._taken = self._next_batch(), 0
        raise StopIteration

    def _next_batch(self) -> list[Notification]:
        try:
            return self._recorder.run(self._anext(), timeout_s=None)
        except CancelledError:
            if self._has_been_stopped:
                return []
            raise Unavailable("the recorder was closed") from None

    async def _anext(self) -> list[Notification]:
        if self._has_been_stopped:
            return []
        self._task = asyncio.current_task()
        if self._tail is None:
            self._tail = self._recorder.asubscribe(self._last_notification_id, self._topics)
        return await anext(self._tail)

    def stop(self) -> None:
        """End the iteration, also of a thread that waits in it."""
        if self._has_been_stopped:
            return
        super().stop()
        if not self._recorder.is_closed:
            self._recorder.run(self._close())

    async def _close(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_STOP_TIMEOUT_S)
        if self._tail is not None:
            await self._tail.aclose()
