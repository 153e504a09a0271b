"""
What happens to sessions while somebody runs them: that one has ended, or that there is room again.

    async for change in gate.session_changes(lambda: rooms.keys()):
        if change.ended:
            rooms[change.session_id].stop(change.ended)

Pushes are kept nowhere, so nothing may depend on hearing one. It subscribes first and asks then; it
asks again when the connection was away, when a push has no list, and every so often anyway. An end
is told once of a session, however often it is heard of.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.session import (
    ASKED_SESSIONS_MAX,
    EndReason,
    GoneSession,
    SessionNotice,
    SessionsFound,
)
from services import logs
from services.client.bundles import LOOK_S, PushBus
from services.client.errors import CannotVerify

ASK_AGAIN_S: Final = 10.0
# Of the notices that nobody has taken yet; when one is lost, it asks.
WAITING_MAX: Final = 256

_read = msgspec.json.Decoder(SessionNotice).decode
Running = Callable[[], Iterable[str]]
Find = Callable[[Sequence[str]], Awaitable[SessionsFound]]


class SessionChange(NamedTuple):
    """
    A session has *ended*, and why; or, with neither, there may be room for a higher rung.

    *ended* is `unknown` of a session that the gate does not know: nothing of it is granted to a
    visitor, and its media should stop as well.
    """

    session_id: str = ""
    ended: EndReason | str = ""


class _Notices:
    """What was pushed and not taken yet, and whether something may have been missed."""

    def __init__(self, bus: PushBus, again_s: float) -> None:
        self._bus = bus
        self._again_s = again_s
        self._waiting: deque[SessionNotice] = deque()
        self._came = asyncio.Event()
        self._reconnects = bus.stats["reconnects"]
        self._has_lost = False

    async def take(self, message: Msg) -> None:
        """Keep a notice; what is none is not."""
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            notice = _read(message.data)
            self._has_lost |= len(self._waiting) >= WAITING_MAX
            if not self._has_lost:
                self._waiting.append(notice)
            self._came.set()

    async def next(self) -> SessionNotice | None:
        """Return the next notice; None when it is time to ask instead."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + self._again_s
        while not self._must_ask():
            if self._waiting:
                return self._waiting.popleft()
            self._came.clear()
            left_s = ends_s - loop.time()
            if left_s <= 0:
                return None
            # Not `wait_for`, which loses a cancellation when both come at once (Python 3.11).
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, LOOK_S)):
                    await self._came.wait()
        return None

    def _must_ask(self) -> bool:
        before, self._reconnects = self._reconnects, self._bus.stats["reconnects"]
        lost, self._has_lost = self._has_lost, False
        if lost:
            # Whatever they say, the answer will say it too.
            self._waiting.clear()
        return lost or before != self._reconnects


class _Told:
    """What was told already."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._ended: set[str] = set()
        self._room: int | None = None

    def open_now(self) -> list[str]:
        """The sessions that are run here, as far as nothing was told of their end."""
        running = dict.fromkeys(self._running())
        # What is not run any more need not be remembered.
        self._ended &= running.keys()
        return [name for name in running if name not in self._ended]

    def ends(self, gone: Iterable[GoneSession]) -> list[SessionChange]:
        """What is news of these, of the sessions that are run here."""
        news: list[SessionChange] = []
        mine = set(self.open_now())
        for one in gone:
            if one.session_id in mine:
                mine.remove(one.session_id)
                self._ended.add(one.session_id)
                news.append(SessionChange(one.session_id, one.reason))
        return news

    def unknown(self, session_id: str) -> SessionChange:
        """Tell of a session that the gate does not know."""
        self._ended.add(session_id)
        return SessionChange(session_id, "unknown")

    def room(self, room: int) -> list[SessionChange]:
        """Whether there is room since it was last told; nothing the first time."""
        before, self._room = self._room, max(room, self._room or 0)
        return [SessionChange()] if before is not None and room > before else []


async def follow(
    bus: PushBus, tenant: str, running: Running, find: Find, *, again_s: float = ASK_AGAIN_S
) -> AsyncGenerator[SessionChange, None]:
    """
    Yield what happens to the sessions of *running*, without end.

    *find* asks the gate. Raises what it raises, but CannotVerify only the first time: after that
    it tries again, and who beats learns of an end from the answer.
    """
    notices, told = _Notices(bus, again_s), _Told(running)
    subscription = await bus.subscribe(subjects.push_session(tenant), cb=notices.take)
    try:
        for change in await _asked(find, told):
            yield change
        while True:
            notice = await notices.next()
            if notice is None or notice.ended is None:
                changes = await _asked_later(find, told, tenant)
            else:
                changes = [*told.ends(notice.ended), *told.room(notice.room)]
            for change in changes:
                yield change
    finally:
        # When the connection is gone there is nothing left to end.
        with suppress(NatsError, OSError):
            await subscription.unsubscribe()


async def _asked(find: Find, told: _Told) -> list[SessionChange]:
    mine = told.open_now()
    changes: list[SessionChange] = []
    for first in range(0, len(mine), ASKED_SESSIONS_MAX):
        found = await find(mine[first : first + ASKED_SESSIONS_MAX])
        for one in found.sessions:
            if one.status == "ended" and one.reason is not None:
                changes += told.ends([GoneSession(one.session_id, one.reason)])
            elif one.status == "unknown":
                changes.append(told.unknown(one.session_id))
        changes += told.room(found.room)
    return changes


async def _asked_later(find: Find, told: _Told, tenant: str) -> list[SessionChange]:
    try:
        return await _asked(find, told)
    except CannotVerify as problem:
        logs.get().warning("sessions_not_found", tenant=tenant, reason=problem.reason)
        return []
