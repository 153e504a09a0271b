"""What happens in a conversation and was not read yet: bounded, in order, until it is over."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from contracts.stream import AudioPiece, ConversationEvent
from services.query_api.problems import HttpProblem

WAITING_MAX: Final = 256


class Outbox:
    """Events for one reader. Who puts one waits while too many are unread."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._waiting: deque[ConversationEvent] = deque()
        self._moved = asyncio.Condition()
        self._is_over = False
        self._problem: HttpProblem | None = None

    async def put(self, event: ConversationEvent) -> None:
        """Have an event read after those before it; nothing is said once it is over."""
        async with self._moved:
            await self._moved.wait_for(
                lambda: self._is_over or len(self._waiting) < self._waiting_max
            )
            if not self._is_over:
                self._waiting.append(event)
                self._moved.notify_all()

    async def hush(self) -> None:
        """Forget the sound that nobody has read yet."""
        async with self._moved:
            kept = [event for event in self._waiting if not isinstance(event, AudioPiece)]
            self._waiting = deque(kept)
            self._moved.notify_all()

    async def end(self, problem: HttpProblem | None, *, at_once: bool) -> None:
        """Let the reader end, with *problem*; *at_once*: what was not read yet is not said."""
        async with self._moved:
            if not self._is_over:
                self._is_over, self._problem = True, problem
                if at_once:
                    self._waiting.clear()
                self._moved.notify_all()

    async def read(self) -> AsyncIterator[ConversationEvent]:
        """Yield what happens; ends when it is over, and raises the problem that it ended with."""
        while True:
            async with self._moved:
                await self._moved.wait_for(lambda: self._is_over or self._waiting)
                if not self._waiting:
                    break
                event = self._waiting.popleft()
                self._moved.notify_all()
            yield event
        if self._problem is not None:
            raise self._problem
