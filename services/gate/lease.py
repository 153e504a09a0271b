"""
Who serves which shard: a lease in a NATS key-value bucket whose entries live for the lease's TTL.

A lease is about liveness only. A worker that was paused may believe for a moment that it still has
one; the fence in the log refuses what it appends then. So nothing here needs a correct clock.

Shards are spread by rendezvous hashing over the workers that are alive: each shard has one
preferred worker, a new worker takes its share over, and a dead one's shards scatter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import blake2b

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import KeyValueConfig, StorageType
from nats.js.errors import KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from services.eventstore.errors import LogProblem

BUCKET = "LEASES"
HEARTBEAT_SUBJECT = "gate.heartbeat"
WORKERS_MAX = 1_000
_RENEWALS_PER_TTL = 4
# A worker stops serving before its lease runs out, so that nobody else has begun by then.
_VALID_FOR_OF_TTL = 0.8

_log = structlog.get_logger()


def preferred(shard: int, workers: list[str]) -> str:
    """Return the worker that should serve a shard: the same answer everywhere, evenly spread."""
    return max(workers, key=lambda worker: blake2b(f"{shard}/{worker}".encode()).digest())


class Leases:
    """Takes, renews and gives up leases; calls *on_taken* and *on_lost* with the shard."""

    def __init__(
        self,
        connection: Client,
        bucket: KeyValue,
        worker: str,
        shards: int,
        *,
        ttl_s: float,
        on_taken: Callable[[int], Awaitable[None]],
        on_lost: Callable[[int], Awaitable[None]],
        after_round: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._bucket = bucket
        self._worker = worker
        self._shards = shards
        self._ttl_s = ttl_s
        self._on_taken = on_taken
        self._on_lost = on_lost
        self._after_round = after_round
        self._revisions: dict[int, int] = {}
        self._valid_until_s: dict[int, float] = {}
        self._seen_at_s: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()

    def is_valid(self, shard: int) -> bool:
        """Whether the lease was renewed recently enough to serve the shard now."""
        return self._loop.time() < self._valid_until_s.get(shard, 0.0)

    @property
    def owned(self) -> list[int]:
        """The shards that this worker serves."""
        return sorted(self._revisions)

    async def run(self) -> None:
        """Hold this worker's share of the shards until cancelled."""
        await self._connection.subscribe(HEARTBEAT_SUBJECT, cb=self._heard)
        while True:
            started_s = self._loop.time()
            try:
                await self._connection.publish(HEARTBEAT_SUBJECT, self._worker.encode())
                await self._round(self._alive())
                self._after_round()
            except (NatsError, LogProblem, OSError, TimeoutError) as problem:
                _log.warning("leases_unreachable", reason=str(problem) or type(problem).__name__)
            await self._drop_expired()
            await asyncio.sleep(
                max(0.05, self._ttl_s / _RENEWALS_PER_TTL - (self._loop.time() - started_s))
            )

    async def release_all(self) -> None:
        """Give every lease up at once, so that another worker need not wait for it to expire."""
        for shard in self.owned:
            await self._lose(shard)
            try:
                await self._bucket.delete(_key(shard))
            except (NatsError, OSError, TimeoutError) as problem:
                _log.warning("lease_not_released", shard=shard, reason=str(problem))

    async def _heard(self, message: Msg) -> None:
        if len(self._seen_at_s) < WORKERS_MAX:
            self._seen_at_s[message.data.decode(errors="replace")] = self._loop.time()

    def _alive(self) -> list[str]:
        now_s = self._loop.time()
        self._seen_at_s = {w: at for w, at in self._seen_at_s.items() if now_s - at < self._ttl_s}
        return sorted({*self._seen_at_s, self._worker})

    async def _round(self, alive: list[str]) -> None:
        for shard in range(self._shards):
            is_mine = preferred(shard, alive) == self._worker
            if shard in self._revisions:
                await self._renew(shard)
                if not is_mine and shard in self._revisions:
                    await self._hand_over(shard)
            elif is_mine:
                await self._take(shard)

    async def _take(self, shard: int) -> None:
        asked_at_s = self._loop.time()
        try:
            revision = await self._bucket.create(_key(shard), self._worker.encode())
        except KeyWrongLastSequenceError:
            return
        self._revisions[shard] = revision
        self._valid_until_s[shard] = asked_at_s + self._ttl_s * _VALID_FOR_OF_TTL
        _log.info("lease_taken", shard=shard, worker=self._worker)
        await self._on_taken(shard)

    async def _renew(self, shard: int) -> None:
        # Counted from before the question: the answer may have been long on its way.
        asked_at_s = self._loop.time()
        try:
            self._revisions[shard] = await self._bucket.update(
                _key(shard), self._worker.encode(), last=self._revisions[shard]
            )
        except KeyWrongLastSequenceError:
            _log.warning("lease_lost", shard=shard, worker=self._worker)
            await self._lose(shard)
            return
        self._valid_until_s[shard] = asked_at_s + self._ttl_s * _VALID_FOR_OF_TTL

    async def _hand_over(self, shard: int) -> None:
        _log.info("lease_handed_over", shard=shard, worker=self._worker)
        await self._lose(shard)
        await self._bucket.delete(_key(shard))

    async def _drop_expired(self) -> None:
        now_s = self._loop.time()
        for shard in self.owned:
            if now_s > self._valid_until_s[shard] + self._ttl_s:
                _log.warning("lease_expired", shard=shard, worker=self._worker)
                await self._lose(shard)

    async def _lose(self, shard: int) -> None:
        self._revisions.pop(shard, None)
        self._valid_until_s.pop(shard, None)
        await self._on_lost(shard)


def _key(shard: int) -> str:
    return f"shard.{shard}"


async def create_bucket(jetstream: JetStreamContext, *, replicas: int, ttl_s: float) -> None:
    """Create the lease bucket; nothing happens when it exists."""
    await jetstream.create_key_value(
        KeyValueConfig(
            bucket=BUCKET,
            ttl=ttl_s,
            history=1,
            storage=StorageType.MEMORY,
            replicas=replicas,
            max_bytes=1_000_000,
        )
    )
