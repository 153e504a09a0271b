"""
The outbox of a conversation: what was said and is not acknowledged yet, in order.

    Invariant: it holds the events acknowledged + 1 to last, all of them and no others; only of a
    conversation that was stopped, the sound is silence.

So what a lost connection may have swallowed can be sent again. It is bounded: `room` makes whoever
produces wait for whoever reads. What must be said whether there is room or not (a refusal) has a
small reserve.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from contracts.stream import ConversationEvent, encode

RESERVE: Final = 64


class Kept(msgspec.Struct, frozen=True, gc=False):
    """One event as it is sent. An empty *frame* is not sent."""

    position: int
    frame: str | bytes


class Outbox:
    """See above. *clock_s*: monotonic seconds."""

    def __init__(self, *, messages_max: int, bytes_max: int, clock_s: Callable[[], float]) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._clock_s = clock_s
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._listener: Callable[[], None] = _nobody
        self.acknowledged = 0
        self.full_since_s: float | None = None

    @property
    def last(self) -> int:
        """The position of the newest event."""
        return self.acknowledged + len(self._kept)

    @property
    def kept_bytes(self) -> int:
        """How much is held."""
        return self._bytes

    @property
    def is_overrun(self) -> bool:
        """Whether even the reserve is used up."""
        return len(self._kept) >= self._messages_max + RESERVE

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Have *listener* called whenever there is more; there is one at a time."""
        self._listener = listener or _nobody

    async def room(self) -> None:
        """Wait until there is room for another event."""
        await self._has_room.wait()

    def put(self, event: ConversationEvent) -> None:
        """Give an event its position, and keep it."""
        placed = msgspec.structs.replace(event, position=self.last + 1)
        frame = encode(placed)
        self._kept.append(Kept(placed.position, frame))
        self._bytes += len(frame)
        self._note_room()
        self._listener()

    def hush(self) -> None:
        """Drop the sound that is here; what was said of it is kept."""
        self._kept = deque(
            Kept(kept.position, b"") if isinstance(kept.frame, bytes) else kept
            for kept in self._kept
        )
        self._bytes = sum(len(kept.frame) for kept in self._kept)
        self._note_room()

    def after(self, position: int) -> Kept | None:
        """Return the event after *position*, None when there is none yet."""
        index = position - self.acknowledged
        return self._kept[index] if 0 <= index < len(self._kept) else None

    def has(self, position: int) -> bool:
        """Whether everything after *position* is here, and *position* was said."""
        return self.acknowledged <= position <= self.last

    def acknowledge(self, position: int) -> bool:
        """Let go of everything up to *position*; False when that was never said."""
        if position > self.last:
            return False
        while self.acknowledged < position:
            self._bytes -= len(self._kept.popleft().frame)
            self.acknowledged += 1
        self._note_room()
        return True

    def _note_room(self) -> None:
        if len(self._kept) < self._messages_max and self._bytes < self._bytes_max:
            self.full_since_s = None
            self._has_room.set()
        elif self.full_since_s is None:
            self.full_since_s = self._clock_s()
            self._has_room.clear()


def _nobody() -> None:
    """Nobody listens."""
