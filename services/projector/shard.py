"""
One shard: hold it, follow its stream, apply what comes, for as long as the process lives.

    waiting -> running -> (retrying -> waiting -> running …) -> stopped

*waiting*: another projector holds the shard; its lock ends with its connection, and we take over.
*retrying*: Postgres, the log or the key store is away, or the tables must be rebuilt; we read the
positions again and go on from there. *stopped*: the log itself is at fault; everything before the
fault is projected, nothing after it, until somebody has looked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

import projections
from projections.projection import Projection
from services import logs
from services.projector.apply import PositionMoved, apply_batch, ensure_positions, load_heads
from services.projector.batches import Batches
from services.projector.chain import Chain
from services.projector.locks import Lock, try_hold
from services.projector.opening import LOG_FAULTS
from services.projector.source import CommitSource, Keys, SourceUnavailable
from services.projector.status import ShardStatus, write_status
from services.projector.versions import ProjectionStale, Serving, read_serving
from services.projector.writing import RowsMissing

LOCK_POLL_S = 0.5
RETRY_S_MIN = 0.1
RETRY_S_MAX = 5.0
PASSING = (psycopg.Error, SourceUnavailable, PositionMoved, ProjectionStale)
FINAL = (*LOG_FAULTS, RowsMissing)

# Rows can be made again from the log, and they and their position are lost together or not at
# all: waiting for the disk at each commit would buy nothing. A dead peer must free its lock.
_SESSION = """
SET synchronous_commit = off;
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3
"""


def unix_us() -> int:
    """The time, in microseconds since the epoch."""
    return time.time_ns() // 1_000


class ShardProjector:
    """Projects one shard. *dsn* is the projector's role; one connection at a time is open."""

    def __init__(
        self,
        shard: int,
        dsn: str,
        source: CommitSource,
        keys: Keys,
        *,
        wanted: Sequence[Projection] = projections.ALL,
        now_us: Callable[[], int] = unix_us,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.status = ShardStatus(shard)
        self.started = asyncio.Event()
        self._dsn = dsn
        self._source = source
        self._keys = keys
        self._wanted = wanted
        self._now_us = now_us
        self._sleep = sleep
        self._log = logs.get(shard=shard)
        self._failures = 0

    async def run(self) -> None:
        """Project until cancelled, or until the log is at fault (then `status` says why)."""
        while True:
            try:
                async with await self._connect() as connection:
                    await self._hold(connection)
                    await self._follow(connection)
            except ProjectionStale as error:
                # Waiting for a rebuild is a state to be in, not a failure to start.
                self.started.set()
                await self._back_off(error)
            except PASSING as error:
                await self._back_off(error)
            except FINAL as fault:
                self.status.state, self.status.error = "stopped", str(fault)
                self._log.error(
                    "shard_stopped",
                    error=str(fault),
                    fault=type(fault).__name__,
                    tenant=getattr(fault, "tenant", None),
                    position=getattr(fault, "index", None),
                )
                self.started.set()
                return

    async def _connect(self) -> AsyncConnection[TupleRow]:
        connection = await AsyncConnection.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=5,
            application_name=f"vito-projector-{self.status.shard}",
        )
        await connection.execute(_SESSION)
        return connection

    async def _hold(self, connection: AsyncConnection[TupleRow]) -> None:
        self.status.state = "waiting"
        while not await try_hold(connection, Lock.SHARD, self.status.shard):
            # Asking again is better than a statement that waits: that would keep a snapshot
            # open, and Postgres could not clean up behind it.
            self.started.set()
            await self._sleep(LOCK_POLL_S)

    async def _follow(self, connection: AsyncConnection[TupleRow]) -> None:
        shard = self.status.shard
        serving = await read_serving(connection, shard, self._wanted)
        versions = {name: state.version for name, state in serving.items()}
        await ensure_positions(connection, shard, versions)
        chain = Chain(await load_heads(connection, shard))
        positions = {name: state.stream_seq for name, state in serving.items()}
        after_seq = min(positions.values())
        self.status.state, self.status.error = "running", None
        self.status.applied_seq = after_seq
        await write_status(connection, self.status, self._now_us())
        self._log.info("shard_running", after_seq=after_seq)
        self.started.set()
        batches = Batches(self._wanted, positions)
        failure: Exception | None = None
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(
                batches.fill(self._source, self._keys, chain, shard=shard, after_seq=after_seq)
            )
            try:
                await self._apply(connection, batches, serving)
            except (*PASSING, *FINAL) as error:
                failure = error
            reader.cancel()
        assert failure is not None, "applying ends with an error only"
        raise failure

    async def _apply(
        self,
        connection: AsyncConnection[TupleRow],
        batches: Batches,
        serving: Mapping[str, Serving],
    ) -> None:
        while True:
            batch = await batches.take()
            if batch.last_seq:
                serving = await apply_batch(
                    connection, self.status.shard, batch, self._wanted, serving
                )
                self.status.applied_seq = batch.last_seq
                self._failures = 0
            if batch.fault is not None:
                raise batch.fault

    async def _back_off(self, error: Exception) -> None:
        delay_s = min(RETRY_S_MAX, RETRY_S_MIN * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        self.status.state, self.status.error = "retrying", str(error)
        self._log.warning(
            "shard_retrying", error=str(error), kind=type(error).__name__, delay_s=delay_s
        )
        await self._sleep(delay_s)
