"""
The queue: takes up sources that wait, of all twins, a few at once and of each twin fewer.

What waits is what the tables say; nothing of the queue is kept anywhere else. Who ingests a source
holds an advisory lock of it, which ends with the connection: when a worker dies, the next look of
any other finds its sources waiting, with the lock free. What cannot go on now rests, each time
longer, without keeping others from their turn.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from services import logs
from services.client.errors import CannotVerify, Refused
from services.knowledge import sources
from services.knowledge.ingesting import PASSING, Ingesting
from services.knowledge.sources import Pool, Source
from services.sealing.wrapped_keys import KeyErased, KeyMissing

AT_ONCE: Final = 4
TENANT_AT_ONCE: Final = 2
LOOK_S: Final = 0.5
RETRY_S_MAX: Final = 30.0
# What is put off rests so long the first time, then twice as long, up to the second.
PUT_OFF_S: Final = 5.0
PUT_OFF_S_MAX: Final = 300.0
# So many rest at once; more of them keep their turn.
RESTING_MAX: Final = 100
# "VITK": the first half of the name of a lock, beside those of services.projector.locks.
_LOCKS: Final = 0x5649_544B
# What passes by itself; the source waits and is taken up again.
_PASSING: Final = (*PASSING, CannotVerify, Refused)
_GONE: Final = (KeyErased, KeyMissing)
# How long the tables may lag behind what was just told to the gate.
_LAG_LOOKS: Final = 50
_LAG_LOOK_S: Final = 0.1
_AGAIN_S: Final = 1.0


class Queue:
    """
    See the module. *dsn* is the indexing role's, for the locks; *reader* sees what waits.

    `run` until cancelled: what is under way then is left, for whoever looks next.
    """

    def __init__(
        self,
        dsn: str,
        reader: Pool,
        ingesting: Ingesting,
        *,
        at_once: int = AT_ONCE,
        tenant_at_once: int = TENANT_AT_ONCE,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._dsn = dsn
        self._reader = reader
        self._ingesting = ingesting
        self._at_once = at_once
        self._tenant_at_once = tenant_at_once
        self._sleep = sleep
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._resting: set[tuple[str, str]] = set()
        self._put_off: Counter[tuple[str, str]] = Counter()
        self._failures = 0

    async def run(self) -> None:
        """Take sources up until cancelled."""
        try:
            while True:
                try:
                    async with await self._connected() as locks:
                        self._failures = 0
                        await self._follow(locks)
                except psycopg.Error as error:
                    # Without its connection the locks are gone: others may take everything up.
                    await self._drop()
                    if _is_cancelled():
                        # The driver said that its connection broke, which is how it was stopped.
                        raise asyncio.CancelledError from None
                    logs.get().warning("queue_retrying", kind=type(error).__name__)
                    await self._sleep(min(RETRY_S_MAX, 0.5 * 2 ** min(self._failures, 8)))
                    self._failures += 1
        finally:
            await self._drop()

    async def _connected(self) -> AsyncConnection[Any]:
        return await AsyncConnection.connect(
            self._dsn, autocommit=True, connect_timeout=5, application_name="vito-ingest"
        )

    async def _follow(self, locks: AsyncConnection[Any]) -> None:
        while True:
            for source in await sources.waiting(self._reader):
                if len(self._running) - len(self._resting) >= self._at_once:
                    break
                if self._has_room(source) and await _hold(locks, source):
                    self._start(locks, source)
            # Also what keeps the locks: a connection that is gone is noticed here.
            await locks.execute("SELECT 1")
            if _is_cancelled():
                # Before Python 3.12 a wait of the driver that ends in that moment swallows it.
                raise asyncio.CancelledError
            await self._sleep(LOOK_S)

    def _has_room(self, source: Source) -> bool:
        if (source.tenant, source.source) in self._running:
            return False
        at_work = self._running.keys() - self._resting
        return sum(tenant == source.tenant for tenant, _ in at_work) < self._tenant_at_once

    def _start(self, locks: AsyncConnection[Any], source: Source) -> None:
        name = (source.tenant, source.source)
        self._running[name] = asyncio.create_task(self._one(locks, source), name="ingest")

    async def _one(self, locks: AsyncConnection[Any], source: Source) -> None:
        name = (source.tenant, source.source)
        try:
            # It was read before the lock was held: somebody may have ended it in between.
            now = await sources.one(self._reader, source.tenant, source.source)
            if now is not None and now.stage in ("pending", "ingesting"):
                await self._ingesting.ingest(now)
                await self._shown(source)
            del self._put_off[name]
        except _PASSING as problem:
            _log("ingestion_put_off", source, problem)
            await self._rest(name)
        except _GONE as problem:
            _log("ingestion_of_erased", source, problem)
            await self._rest(name)
        except Exception as fault:  # noqa: BLE001 - one source must not stop the others
            logs.get().error("ingestion_fault", tenant=source.tenant, exc_info=fault)
            await self._rest(name)
        finally:
            self._resting.discard(name)
            del self._running[name]
            if not locks.closed:
                await _let_go(locks, source)

    async def _rest(self, name: tuple[str, str]) -> None:
        """Wait with the lock in hand, so that nobody else tries it sooner."""
        if _is_cancelled():
            # The driver said that its connection broke, which is how it was stopped.
            raise asyncio.CancelledError
        if name not in self._put_off and len(self._put_off) >= sources.WAITING_MAX:
            # Of those that somebody else has ended meanwhile nobody tells.
            self._put_off.clear()
        pause_s = min(PUT_OFF_S_MAX, PUT_OFF_S * 2 ** min(self._put_off[name], 16))
        self._put_off[name] += 1
        if len(self._resting) < RESTING_MAX:
            self._resting.add(name)
        await self._sleep(pause_s)

    async def _shown(self, source: Source) -> None:
        """Wait until the tables have what came of it; else it would be found waiting again."""
        for _ in range(_LAG_LOOKS):
            now = await sources.one(self._reader, source.tenant, source.source)
            if now is None or now.stage not in ("pending", "ingesting"):
                return
            await self._sleep(_LAG_LOOK_S)

    async def _drop(self) -> None:
        tasks = set(self._running.values())
        while tasks:
            for task in tasks:
                task.cancel()
            # Again, if it was swallowed: see `_follow`.
            _, tasks = await asyncio.wait(tasks, timeout=_AGAIN_S)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _hold(locks: AsyncConnection[Any], source: Source) -> bool:
    cursor = await locks.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCKS, _number(source)))
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def _let_go(locks: AsyncConnection[Any], source: Source) -> None:
    try:
        await locks.execute("SELECT pg_advisory_unlock(%s, %s)", (_LOCKS, _number(source)))
    except psycopg.Error:
        # The connection is gone, and the lock with it.
        return


def _number(source: Source) -> int:
    digest = hashlib.sha256(f"{source.tenant}/{source.source}".encode()).digest()
    return int.from_bytes(digest[:4], "big", signed=True)


def _log(event: str, source: Source, problem: Exception) -> None:
    logs.get().warning(
        event, tenant=source.tenant, source=source.source, kind=type(problem).__name__
    )
