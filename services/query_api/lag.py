"""
How far the read side is behind the log, in commits, per projection and shard.

The log's end comes from JetStream, the projections' positions from Postgres. If either cannot be
asked the lag is unknown, and unknown is never "caught up".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec
import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts import subjects
from services.query_api.problems import HttpProblem

ASK_TIMEOUT_S = 1.0


class HeadsUnknown(RuntimeError):
    """The end of the log could not be read."""


class StreamHeads(Protocol):
    """Where the log of each shard ends."""

    async def read(self) -> Mapping[int, int]:
        """The last sequence of each shard's stream, 0 if empty; raises HeadsUnknown."""
        ...

    async def close(self) -> None:
        """Let go of the connection."""
        ...


class Applied(msgspec.Struct, frozen=True):
    """
    A serving projection has applied its shard's stream up to *stream_seq*.

    *state* is what the shard's projector last said of itself; None if it never did.
    """

    projection: str
    shard: int
    stream_seq: int
    state: str | None


class ShardLag(msgspec.Struct, frozen=True):
    """How far one projection is behind the log of one shard."""

    projection: str
    shard: int
    head: int
    applied: int

    @property
    def behind(self) -> int:
        """How many commits are not in the tables yet."""
        # The head was read first, so a position beyond it is news, not an error.
        return max(0, self.head - self.applied)


class Lag(msgspec.Struct, frozen=True):
    """What is known at one moment. *faults* names what could not be asked."""

    shards: tuple[ShardLag, ...]
    faults: tuple[str, ...] = ()

    @property
    def worst(self) -> int:
        """The largest lag."""
        return max((shard.behind for shard in self.shards), default=0)


ReadApplied: TypeAlias = Callable[[], Awaitable[Sequence[Applied]]]


class LagGauge:
    """Measures the lag, at most once every *max_age_s* however often it is asked."""

    def __init__(
        self,
        heads: StreamHeads,
        read_applied: ReadApplied,
        *,
        max_age_s: float = 1.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._heads = heads
        self._read_applied = read_applied
        self._max_age_s = max_age_s
        self._clock_s = clock_s
        self._lock = asyncio.Lock()
        self._last: tuple[float, Lag] | None = None

    async def read(self) -> Lag:
        """The lag now, or as it was up to *max_age_s* ago. Never raises."""
        async with self._lock:
            now_s = self._clock_s()
            if self._last is not None and now_s - self._last[0] < self._max_age_s:
                return self._last[1]
            lag = await self._measure()
            self._last = (now_s, lag)
            return lag

    async def _measure(self) -> Lag:
        # In this order: a commit that arrives in between counts as not applied at worst.
        faults: list[str] = []
        heads: Mapping[int, int] = {}
        try:
            heads = await self._heads.read()
        except HeadsUnknown as unknown:
            faults.append(f"log: {unknown}")
        try:
            applied = await self._read_applied()
        except HttpProblem as problem:
            return Lag((), (*faults, f"database: {problem.kind.code}"))
        if not applied:
            faults.append("database: no projection serves")
        stopped = sorted({a.shard for a in applied if a.state == "stopped"})
        faults.extend(f"projector: shard {shard} has stopped" for shard in stopped)
        return Lag(_compare(heads, applied), tuple(faults))


def _compare(heads: Mapping[int, int], applied: Sequence[Applied]) -> tuple[ShardLag, ...]:
    reached = {(one.projection, one.shard): one.stream_seq for one in applied}
    names = sorted({one.projection for one in applied})
    # A shard without a row has not been begun.
    return tuple(
        ShardLag(name, shard, head, reached.get((name, shard), 0))
        for name in names
        for shard, head in sorted(heads.items())
    )


class NatsStreamHeads:
    """
    Asks JetStream, over a connection that is made on first use and heals by itself.

    *login* holds the keyword arguments of `nats.connect` that say where and as whom.
    """

    def __init__(self, login: Mapping[str, Any], shards: int) -> None:
        self._login = login
        self._shards = shards
        self._client: Client | None = None

    async def read(self) -> Mapping[int, int]:
        """See StreamHeads."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                client = await self._connected()
                answers = [await _last_seq(client, shard) for shard in range(self._shards)]
        except (NatsError, OSError, TimeoutError) as error:
            raise HeadsUnknown(f"JetStream did not answer ({type(error).__name__})") from error
        return dict(enumerate(answers))

    async def close(self) -> None:
        """See StreamHeads."""
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> Client:
        if self._client is None or self._client.is_closed:
            self._client = await nats.connect(
                **self._login,
                name="vito-api",
                connect_timeout=1,
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                # Every failed attempt to reconnect comes here; whoever reads the lag is told.
                error_cb=_ignore,
            )
        return self._client


async def _last_seq(client: Client, shard: int) -> int:
    info = await client.jetstream(timeout=ASK_TIMEOUT_S).stream_info(subjects.stream(shard))
    return int(info.state.last_seq)


async def _ignore(_error: Exception) -> None:
    return
