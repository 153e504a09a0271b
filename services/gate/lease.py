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
from nats.js.errors import APIError, KeyDeletedError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from services.embedded.nats_permissions import HEARTBEAT
from services.eventstore.errors import LogProblem, Unavailable

BUCKET = "LEASES"
WORKERS_MAX = 1_000
_RENEWALS_PER_TTL = 4
# A worker stops serving before its lease runs out, so that nobody else has begun by then.
_VALID_FOR_OF_TTL = 0.8

_GIVE_BACK_ATTEMPTS = 3
# Of JetStream, for an expected sequence that is another one.
_WRONG_LAST_SEQUENCE = 10_071

_log = structlog.get_logger()


def preferred(shard: int, workers: list[str]) -> str:
    """Return the worker that should serve a shard: the same answer everywhere, evenly spread."""
    return max(workers, key=lambda worker: blake2b(f"{shard}/{worker}".encode()).digest())


class Leases:
    """
    Takes, renews and gives up leases; calls *on_taken* and *on_lost* with the shard.

    *connection* is the one on which the worker hears its clients, and other workers.
    """

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
        # Shards that are being handed over: what is in flight is finished there.
        self._leaving: dict[int, asyncio.Task[None]] = {}
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
        await self._connection.subscribe(HEARTBEAT, cb=self._heard)
        while True:
            started_s = self._loop.time()
            try:
                self._check_heard()
                await self._connection.publish(HEARTBEAT, self._worker.encode())
                await self._round(self._alive())
                self._after_round()
            except (NatsError, LogProblem, OSError, TimeoutError) as problem:
                _log.warning("leases_unreachable", reason=str(problem) or type(problem).__name__)
            self._drop_expired()
            await asyncio.sleep(
                max(0.05, self._ttl_s / _RENEWALS_PER_TTL - (self._loop.time() - started_s))
            )

    def _check_heard(self) -> None:
        """Who cannot hear clients lets its leases run out, so that another worker serves."""
        if not self._connection.is_connected:
            raise Unavailable("the connection on which clients are heard is lost")

    async def release_all(self) -> None:
        """Give every lease up at once, so that another worker need not wait for it to expire."""
        for shard in self.owned:
            self._leave(shard, gives_back=True)
        if self._leaving:
            await asyncio.wait(self._leaving.values())

    async def _heard(self, message: Msg) -> None:
        if len(self._seen_at_s) < WORKERS_MAX:
            self._seen_at_s[message.data.decode(errors="replace")] = self._loop.time()

    def _alive(self) -> list[str]:
        now_s = self._loop.time()
        self._seen_at_s = {w: at for w, at in self._seen_at_s.items() if now_s - at < self._ttl_s}
        return sorted({*self._seen_at_s, self._worker})

    async def _round(self, alive: list[str]) -> None:
        """Look after every shard, each by itself: what holds one up must not cost another."""
        outcomes = await asyncio.gather(
            *(self._look_after(shard, alive) for shard in range(self._shards)),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _look_after(self, shard: int, alive: list[str]) -> None:
        is_mine = preferred(shard, alive) == self._worker
        if shard in self._revisions:
            await self._renew(shard)
            if not is_mine and shard in self._revisions:
                _log.info("lease_handed_over", shard=shard, worker=self._worker)
                self._leave(shard, gives_back=True)
        elif is_mine and shard not in self._leaving:
            await self._take(shard)

    async def _take(self, shard: int) -> None:
        asked_at_s = self._loop.time()
        try:
            revision = await self._bucket.create(_key(shard), self._worker.encode())
        except KeyWrongLastSequenceError:
            found = await self._find_own(shard)
            if found is None:
                return
            revision = found
        self._held(shard, revision, asked_at_s)
        _log.info("lease_taken", shard=shard, worker=self._worker)
        try:
            await self._on_taken(shard)
        except BaseException:
            # Half served is not served: somebody else, or the next round, does it properly.
            self._leave(shard, gives_back=True)
            raise

    async def _renew(self, shard: int) -> None:
        # Counted from before the question: the answer may have been long on its way.
        asked_at_s = self._loop.time()
        revision: int | None
        try:
            revision = await self._bucket.update(
                _key(shard), self._worker.encode(), last=self._revisions[shard]
            )
        except KeyWrongLastSequenceError:
            revision = await self._find_own(shard)
        if shard not in self._revisions:
            return  # given up while we asked
        if revision is None:
            _log.warning("lease_lost", shard=shard, worker=self._worker)
            self._leave(shard, gives_back=False)
            return
        self._held(shard, revision, asked_at_s)

    async def _find_own(self, shard: int) -> int | None:
        """
        Renew a lease that has our name on it although we do not know its revision.

        That is what an answer that was lost leaves behind: the entry was stored, and we were not
        told. Waiting for it to expire would leave the shard without a worker until then.
        """
        entry = await self._find_entry(shard)
        if entry is None:
            return None
        try:
            return await self._bucket.update(
                _key(shard), self._worker.encode(), last=entry.revision
            )
        except KeyWrongLastSequenceError:
            return None

    def _held(self, shard: int, revision: int, asked_at_s: float) -> None:
        self._revisions[shard] = revision
        self._valid_until_s[shard] = asked_at_s + self._ttl_s * _VALID_FOR_OF_TTL

    def _drop_expired(self) -> None:
        now_s = self._loop.time()
        for shard in self.owned:
            if now_s > self._valid_until_s[shard] + self._ttl_s:
                _log.warning("lease_expired", shard=shard, worker=self._worker)
                self._leave(shard, gives_back=False)

    def _leave(self, shard: int, *, gives_back: bool) -> None:
        """
        Serve a shard no longer: nothing new from now on, and what is in flight is finished.

        That may take a while, so it is done beside the renewing of the other leases.
        """
        revision = self._revisions.pop(shard)
        self._valid_until_s.pop(shard)
        task = asyncio.create_task(self._finish(shard, revision if gives_back else None))
        self._leaving[shard] = task
        task.add_done_callback(lambda ended: self._left(shard, ended))

    def _left(self, shard: int, ended: asyncio.Task[None]) -> None:
        self._leaving.pop(shard, None)
        if not ended.cancelled() and ended.exception() is not None:
            _log.error("step_down_failed", shard=shard, exc_info=ended.exception())

    async def _finish(self, shard: int, revision: int | None) -> None:
        await self._on_lost(shard)
        if revision is None:
            return
        try:
            await self._give_back(shard, revision)
        except (NatsError, OSError, TimeoutError) as problem:
            _log.warning("lease_not_released", shard=shard, reason=str(problem))

    async def _give_back(self, shard: int, revision: int) -> None:
        """
        Delete only this very lease: by now somebody else may have one.

        A renewal that was cut off by the stop may have been stored all the same, and nobody was
        told its revision; then the lease is still ours under another one.
        """
        for _ in range(_GIVE_BACK_ATTEMPTS):
            try:
                await self._bucket.delete(_key(shard), last=revision)
            except APIError as problem:
                if problem.err_code != _WRONG_LAST_SEQUENCE:
                    raise
            else:
                return
            found = await self._find_entry(shard)
            if found is None:
                return
            assert found.revision is not None, "an entry that was read has one"
            revision = found.revision
        _log.warning("lease_not_released", shard=shard, reason="it was renewed each time")

    async def _find_entry(self, shard: int) -> KeyValue.Entry | None:
        """Return the lease if it has our name on it."""
        try:
            entry = await self._bucket.get(_key(shard))
        except (KeyNotFoundError, KeyDeletedError):
            return None
        return entry if entry.value == self._worker.encode() else None


def _key(shard: int) -> str:
    return f"shard.{shard}"


async def create_bucket(jetstream: JetStreamContext, *, replicas: int, ttl_s: float) -> None:
    """
    Create the bucket; nothing happens when it exists.

    On disk: nodes that all restart at once would forget a bucket in memory, and nobody could
    lease anything from then on.
    """
    await jetstream.create_key_value(
        KeyValueConfig(
            bucket=BUCKET,
            ttl=ttl_s,
            history=1,
            storage=StorageType.FILE,
            replicas=replicas,
            max_bytes=1_000_000,
        )
    )
