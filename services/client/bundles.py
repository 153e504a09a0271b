"""
An agent's bundles: the one in force when it begins, and every one that follows.

    async for bundle in gate.bundles():
        ...

Pushes are kept nowhere, so nothing may depend on hearing one. It subscribes first and asks then, so
that no change falls between; it goes by the revision, so that none comes twice or out of order; it
asks again when the connection was away, when a push has no content, and every so often anyway.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.bundle import BundleView
from services import logs
from services.client.attempts import Bus
from services.client.errors import CannotVerify

ASK_AGAIN_S: Final = 30.0
# How soon it is noticed that the connection was away.
LOOK_S: Final = 0.25
# Of the pushes that nobody has taken yet, the newest: each says everything.
WAITING_MAX: Final = 64

_read = msgspec.json.Decoder(BundleView).decode
Fetch = Callable[[], Awaitable[BundleView]]


class PushBus(Bus, Protocol):
    """The part of a NATS connection that an agent uses."""

    @property
    def stats(self) -> dict[str, int]: ...

    async def subscribe(self, subject: str, *, cb: Callable[[Msg], Awaitable[None]]) -> Any: ...


class Pushes:
    """What was pushed and not taken yet, and whether something may have been missed."""

    def __init__(self, bus: PushBus, again_s: float) -> None:
        self._bus = bus
        self._again_s = again_s
        self._waiting: deque[BundleView] = deque(maxlen=WAITING_MAX)
        self._came = asyncio.Event()
        self._reconnects = bus.stats["reconnects"]

    async def take(self, message: Msg) -> None:
        """Keep a push; what is none is not."""
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            self._waiting.append(_read(message.data))
            self._came.set()

    async def next(self) -> BundleView | None:
        """Return the next push; None when it is time to ask instead."""
        ends_s = asyncio.get_running_loop().time() + self._again_s
        while not self._was_away():
            if self._waiting:
                return self._waiting.popleft()
            self._came.clear()
            left_s = ends_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                return None
            # Not `wait_for`, which loses a cancellation when both come at once (Python 3.11).
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, LOOK_S)):
                    await self._came.wait()
        return None

    def _was_away(self) -> bool:
        before, self._reconnects = self._reconnects, self._bus.stats["reconnects"]
        return before != self._reconnects


async def follow(
    bus: PushBus, tenant: str, fetch: Fetch, *, again_s: float = ASK_AGAIN_S
) -> AsyncGenerator[BundleView, None]:
    """
    Yield a tenant's bundle, and each newer one as it comes, without end.

    *fetch* asks the gate. Raises what it raises, but CannotVerify only before the first bundle:
    after it, an agent goes on with what it has until the gate answers again.
    """
    pushes = Pushes(bus, again_s)
    subscription = await bus.subscribe(subjects.push(tenant), cb=pushes.take)
    try:
        bundle = await fetch()
        yield bundle
        while True:
            newer = await pushes.next()
            if newer is not None and newer.revision <= bundle.revision:
                continue
            if newer is None or newer.content is None:
                newer = await _asked(fetch, tenant)
            if newer is not None and newer.revision > bundle.revision:
                bundle = newer
                yield bundle
    finally:
        # When the connection is gone there is nothing left to end.
        with suppress(NatsError, OSError):
            await subscription.unsubscribe()


async def _asked(fetch: Fetch, tenant: str) -> BundleView | None:
    try:
        return await fetch()
    except CannotVerify as problem:
        logs.get().warning("bundle_not_refreshed", tenant=tenant, reason=problem.reason)
        return None
