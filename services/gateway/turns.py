"""
Turns: what was asked and is not answered yet, in the order in which it was asked.

A turn that was seen before is none, so that a client may repeat what it is not sure of.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final, NamedTuple

from services.gateway.problems import TURNS_WAITING
from services.query_api.problems import HttpProblem

SEEN_MAX: Final = 256


class Turn(NamedTuple):
    """*text* None: it was spoken, and is utterance number *speech*."""

    id: str
    text: str | None = None
    speech: int = 0


class Turns:
    """A bounded queue of turns, of which one at a time is taken."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._waiting: deque[Turn] = deque()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._some = asyncio.Event()
        self.running: Turn | None = None

    def knows(self, turn_id: str) -> bool:
        """Whether it was asked before, as far back as is remembered."""
        return turn_id in self._seen

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return self.running is None and not self._waiting

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def offer(self, turn: Turn) -> None:
        """Queue a turn, unless it is known; raises HttpProblem (429) when too many wait."""
        if self.knows(turn.id):
            return
        if len(self._waiting) >= self._waiting_max:
            raise HttpProblem(TURNS_WAITING, f"{self._waiting_max} turns wait already.")
        self._seen[turn.id] = None
        while len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        self._waiting.append(turn)
        self._some.set()

    def clear(self) -> list[Turn]:
        """Forget the turns that wait, and return them."""
        forgotten = list(self._waiting)
        self._waiting.clear()
        self._some.clear()
        return forgotten

    async def next(self) -> Turn:
        """Wait for a turn, which runs from now on, until `ended`."""
        # What woke us may have been forgotten before we go on.
        while not self._waiting:
            await self._some.wait()
        self.running = self._waiting.popleft()
        if not self._waiting:
            self._some.clear()
        return self.running

    def ended(self) -> None:
        """Nothing runs any more."""
        self.running = None
