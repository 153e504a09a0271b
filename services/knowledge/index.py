"""
The index: follows the log, and keeps what is live as the log says.

    approved                  its content is live instead of what was of the source, at once
    retired                   nothing of the source is, nor of its drafts
    submitted, rejected …     drafts that are void are dropped
    the twin is erased        its rows are gone, and what the store has of it

Words can be found from that moment on; vectors are made by `vectors`, right after. One process
holds a shard; a second one waits. Everything can be made again from log and store: `reindex`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from services import logs
from services.knowledge.applying import apply, prepare
from services.knowledge.approvals import Approvals
from services.knowledge.contents import Contents
from services.projector.apply import PositionMoved
from services.projector.chain import Chain, Head
from services.projector.locks import Lock, try_hold
from services.projector.opening import LOG_FAULTS, Opened, open_commits
from services.projector.source import CommitSource, Keys, SourceUnavailable, Stored

LOCK_POLL_S: Final = 0.5
RETRY_S_MIN: Final = 0.1
RETRY_S_MAX: Final = 5.0
_PASSING: Final = (psycopg.Error, SourceUnavailable, PositionMoved)


class ShardIndex:
    """
    Indexes one shard. *dsn* is the indexing role's.

    *on_live* is called after each change of what is live, for whoever makes vectors. *applied_seq*
    is how far it is, *fault* why it has stopped for good: the log itself is at fault.
    """

    def __init__(
        self,
        shard: int,
        dsn: str,
        source: CommitSource,
        keys: Keys,
        contents: Contents,
        *,
        on_live: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.shard = shard
        self.started = asyncio.Event()
        self.applied_seq = 0
        self.fault: Exception | None = None
        self._dsn = dsn
        self._source = source
        self._keys = keys
        self._contents = contents
        self._on_live = on_live
        self._sleep = sleep
        self._failures = 0
        self._log = logs.get(shard=shard)

    async def run(self) -> None:
        """Index until cancelled, or until the log is at fault."""
        while True:
            try:
                async with self._held() as connection:
                    await self._follow(connection)
            except _PASSING as error:
                await self._back_off(error)
            except LOG_FAULTS as fault:
                self.fault = fault
                self._log.error("index_stopped", error=str(fault), fault=type(fault).__name__)
                self.started.set()
                return

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[AsyncConnection[Any]]:
        async with await AsyncConnection.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=5,
            application_name=f"vito-knowledge-{self.shard}",
        ) as connection:
            while not await try_hold(connection, Lock.INDEX, self.shard):
                self.started.set()
                await self._sleep(LOCK_POLL_S)
            yield connection

    async def _follow(self, connection: AsyncConnection[Any]) -> None:
        self.applied_seq = await position(connection, self.shard)
        chain = Chain(await heads(connection, self.shard))
        self.started.set()
        arriving = self._source.batches(self.shard, self.applied_seq)
        async with aclosing(arriving):
            async for stored in arriving:
                await self._take(connection, stored, chain)

    async def _take(
        self, connection: AsyncConnection[Any], stored: Sequence[Stored], chain: Chain
    ) -> None:
        opened = await open_commits(self.shard, stored, chain, self._keys)
        if opened.last_seq:
            await self._apply(connection, opened)
        if opened.fault is not None:
            raise opened.fault

    async def _apply(self, connection: AsyncConnection[Any], opened: Opened) -> None:
        approvals = Approvals()
        for commit in opened.commits:
            approvals.add(commit)
        prepared = await prepare(self._contents, approvals)
        for tenant in sorted(approvals.ended):
            await self._contents.forget(tenant)
        await apply(
            connection,
            self.shard,
            approvals,
            prepared,
            from_seq=self.applied_seq,
            to_seq=opened.last_seq,
            heads=opened.heads,
        )
        self.applied_seq, self._failures = opened.last_seq, 0
        if approvals.sources:
            self._on_live()

    async def _back_off(self, error: Exception) -> None:
        delay_s = min(RETRY_S_MAX, RETRY_S_MIN * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._log.warning(
            "index_retrying", error=str(error), kind=type(error).__name__, delay_s=delay_s
        )
        await self._sleep(delay_s)


async def position(connection: AsyncConnection[Any], shard: int) -> int:
    """How far a shard is indexed; makes the row that says so."""
    await connection.execute(
        "INSERT INTO knowledge.positions (shard, stream_seq) VALUES (%s, 0) ON CONFLICT DO NOTHING",
        (shard,),
    )
    cursor = await connection.execute(
        "SELECT stream_seq FROM knowledge.positions WHERE shard = %s", (shard,)
    )
    row = await cursor.fetchone()
    assert row is not None, "it was made above, and nobody may delete it"
    return int(row[0])


async def heads(connection: AsyncConnection[Any], shard: int) -> list[Head]:
    """Read the last checked commit of each tenant of a shard."""
    cursor = await connection.execute(
        "SELECT tenant, position, stream_seq, hash FROM knowledge.chain_heads WHERE shard = %s",
        (shard,),
    )
    return [Head(*row) for row in await cursor.fetchall()]
