"""
Traffic: turns are sent when they are due, whatever became of the ones before.

Latency is counted from the moment a call was due: for the first call of a turn that is the
schedule's, so a stall of the system (or of this process) shows in every turn that it delayed. What
is in flight is bounded; a turn that has to wait for that is late, and its latency says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from contracts.budget import AuthorizeCall
from contracts.replies import Decision, Receipt
from services.client import CannotVerify, GateClient
from services.client.patience import Timing
from services.demo.schedule import Turn
from services.demo.tally import Tally
from services.demo.turns import calls
from services.vendors.adapter import VendorCutOff, VendorFailed, Vendors, VendorUnreachable, Way
from services.vendors.metered import metered_call

IN_FLIGHT_MAX = 1_000
# Every so many turns a visitor hangs up in the middle of the answer.
HANGS_UP_EVERY = 40
HANGS_UP_AFTER = 0.5
HOLD_MS = 60_000

_due_us: ContextVar[int] = ContextVar("due_us")


class TalliedClient(GateClient):
    """A client whose answers are counted, also those that nobody waits for any more."""

    tally: Tally

    async def authorize_call(self, command: AuthorizeCall) -> Decision:
        decision = await super().authorize_call(command)
        self.tally.decided(decision, self.timing.monotonic_us() - _due_us.get())
        return decision

    async def settle(self, *args: Any, **kwargs: Any) -> Receipt:
        receipt = await super().settle(*args, **kwargs)
        self.tally.booked(receipt)
        return receipt

    async def release(self, *args: Any, **kwargs: Any) -> Receipt:
        receipt = await super().release(*args, **kwargs)
        self.tally.booked(receipt)
        return receipt


class Traffic:
    """Sends a schedule's turns as the clients of both twins."""

    def __init__(
        self, clients: dict[str, TalliedClient], vendors: Vendors, *, speed: float, timing: Timing
    ) -> None:
        self._clients = clients
        self._vendors = vendors
        self._speed = speed
        self._timing = timing
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self.began_us = 0
        self.sent = 0

    @property
    def in_flight(self) -> int:
        """Turns that have begun and not ended."""
        return len(self._tasks)

    async def run(self, turns: Iterable[Turn]) -> None:
        """
        Send every turn when it is due, then wait until all have ended; raises their bugs.

        When it is cancelled, every visitor hangs up: what was called is booked all the same.
        """
        self.began_us = self._timing.monotonic_us()
        try:
            for turn in turns:
                if self._failure is not None:
                    break
                await self._send(turn)
            while self._tasks:
                await asyncio.wait(tuple(self._tasks))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    async def _send(self, turn: Turn) -> None:
        due_us = self.began_us + turn.due_us
        wait_us = due_us - self._timing.monotonic_us()
        # Also when it is late: others must get to run between two turns.
        await self._timing.sleep(max(0, wait_us) / 1_000_000)
        await self._room.acquire()
        task = asyncio.create_task(self._turn(turn, due_us))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        self.sent += 1

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()

    async def _turn(self, turn: Turn, due_us: int) -> None:
        _due_us.set(due_us)
        for ways in calls(turn, speed=self._speed):
            if not await self._call(turn, ways):
                return
            _due_us.set(self._timing.monotonic_us())

    async def _call(self, turn: Turn, ways: tuple[Way, ...]) -> bool:
        """Make one call of a turn; False when the turn ends with it."""
        client = self._clients[turn.tenant]
        try:
            async with asyncio.timeout(_patience_s(turn, ways)):
                done = await metered_call(
                    client, self._vendors, *ways, session_id=turn.session, ttl_ms=HOLD_MS
                )
        except CannotVerify:
            client.tally.unanswered += 1
            return False
        except (TimeoutError, VendorCutOff, VendorFailed, VendorUnreachable):
            client.tally.broken_off += 1
            return False
        return done.answer is not None


def _patience_s(turn: Turn, ways: tuple[Way, ...]) -> float | None:
    """How long the visitor listens; None: to the end. Nobody hangs up on a thinking twin."""
    if turn.number % HANGS_UP_EVERY != HANGS_UP_EVERY - 1 or ways[0].option.modality == "text":
        return None
    takes_ms: float = ways[0].request["takes_ms"]
    return HANGS_UP_AFTER * takes_ms / 1_000
