"""
The worker process: connects, checks that the servers keep their promises, serves what it leases.

It refuses to start on a server or stream that could lose or drop what it acknowledged, and says
what to change.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog
from nats.errors import Error as NatsError
from nats.js.kv import KeyValue

from services import deployment_log
from services.eventstore.client import RawClient
from services.eventstore.connection import EventStoreConnection
from services.eventstore.errors import OutcomeUnknown, Unavailable
from services.eventstore.store import EventStore
from services.gate import lease
from services.gate.endpoints import Outbox, ShardEndpoints, pushed
from services.gate.loader import TenantLoader
from services.gate.shard import ShardGate
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.settings import Settings
from services.tenant_log.snapshots import SnapshotStore

DRAIN_S = 2.0
# Less than a supervisor waits for a service to be ready.
OPENS_WITHIN_S = 20.0
OPEN_AGAIN_S = 0.25

_log = structlog.get_logger()


def now_us() -> int:
    """Return the wall clock, microseconds since the epoch."""
    return time.time_ns() // 1_000


class Worker:
    """
    Serves the shards that it holds leases for.

    *door* is the connection on which clients are heard and answered. It is not the one that
    writes the log: a requester chooses where its answer goes, and must not choose an event.
    """

    def __init__(
        self,
        door: RawClient,
        stores: list[EventStore],
        keys: TenantKeys,
        snapshots: SnapshotStore,
        name: str,
    ) -> None:
        self.name = name
        self._door = door
        self._stores = stores
        self._keys = keys
        self._snapshots = snapshots
        self._outbox = Outbox(door)
        self._leases: lease.Leases | None = None
        self._serving: dict[int, tuple[ShardGate, ShardEndpoints]] = {}

    async def run(self, bucket: KeyValue, ttl_s: float, started: asyncio.Event) -> None:
        """Serve until cancelled; *started* is set when the first leases are taken."""
        self._leases = lease.Leases(
            self._door,
            bucket,
            self.name,
            len(self._stores),
            ttl_s=ttl_s,
            on_taken=self._serve,
            on_lost=self._step_down,
            after_round=started.set,
        )
        try:
            await self._leases.run()
        finally:
            await asyncio.shield(self._leases.release_all())

    async def _serve(self, shard: int) -> None:
        leases = self._leases
        assert leases is not None, "a lease was taken"
        store = self._stores[shard]
        loader = TenantLoader(store, self._keys, self._snapshots, actor=self.name, clock=now_us)
        gate = ShardGate(
            shard,
            store,
            loader,
            shards=len(self._stores),
            clock=now_us,
            is_owner=lambda: leases.is_valid(shard),
            push=pushed(self._outbox),
        )
        endpoints = ShardEndpoints(self._door, self._outbox, gate, self.name)
        self._serving[shard] = (gate, endpoints)
        gate.start(store.originators)
        await endpoints.start()

    async def _step_down(self, shard: int) -> None:
        serving = self._serving.pop(shard, None)
        if serving is None:
            return
        gate, endpoints = serving
        await endpoints.stop()
        await gate.drain(DRAIN_S)
        await gate.stop()


class Opened(NamedTuple):
    """What a worker needs of the bus."""

    stores: list[EventStore]
    keys: TenantKeys
    snapshots: SnapshotStore
    leases: KeyValue


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """
    Run a worker until *stop* is set; *ready* is called when it has its share of the shards.

    Raises WrongSettings when a server or stream could lose what it acknowledged.
    """
    name = f"worker-{secrets.token_hex(4)}"
    connection = await EventStoreConnection.open(**settings.nats("worker").options())
    door = await _open_door(settings, connection)
    try:
        opened = await _open(settings, connection, stop)
        if opened is None:
            return
        worker = Worker(door.client, opened.stores, opened.keys, opened.snapshots, name)
        # The states of tenants are long-lived; without this the collector walks them again and
        # again, which showed as pauses of 50 ms at 100,000 remembered commands.
        gc.freeze()
        gc.set_threshold(50_000, 50, 1_000)
        await _until(stop, worker, opened.leases, settings, ready)
    finally:
        await door.close()
        await connection.close()


async def _open_door(settings: Settings, other: EventStoreConnection) -> EventStoreConnection:
    try:
        return await EventStoreConnection.open(**settings.nats("door").options())
    except BaseException:
        await other.close()
        raise


async def _open(
    settings: Settings, connection: EventStoreConnection, stop: asyncio.Event
) -> Opened | None:
    """
    Check the servers and open what is on them, trying again while they elect leaders.

    None when *stop* was set meanwhile.
    """
    ends_s = asyncio.get_running_loop().time() + OPENS_WITHIN_S
    keyring = open_keyring(
        settings.kek_file,
        development=settings.development,
        data_directory=settings.data_dir,
        deployment=settings.deployment,
    )
    # A lease that cannot be renewed within half its time is better asked for anew.
    jetstream = connection.client.jetstream(timeout=settings.lease_ttl_ms / 2_000)
    while not stop.is_set():
        try:
            await deployment_log.check(settings, connection)
            return Opened(
                deployment_log.open_stores(connection, settings.shards),
                TenantKeys(await JetStreamKeyStore.open(jetstream), keyring),
                await SnapshotStore.open(jetstream),
                await jetstream.key_value(lease.BUCKET),
            )
        except (OutcomeUnknown, Unavailable, NatsError, TimeoutError) as problem:
            if asyncio.get_running_loop().time() > ends_s:
                raise
            _log.warning("bus_not_ready", reason=str(problem) or type(problem).__name__)
            await asyncio.sleep(OPEN_AGAIN_S)
    return None


async def _until(
    stop: asyncio.Event,
    worker: Worker,
    bucket: KeyValue,
    settings: Settings,
    ready: Callable[[], None],
) -> None:
    started = asyncio.Event()
    running = asyncio.create_task(worker.run(bucket, settings.lease_ttl_ms / 1_000, started))
    stopping = asyncio.create_task(stop.wait())
    beginning = asyncio.create_task(started.wait())
    await asyncio.wait({running, stopping, beginning}, return_when=asyncio.FIRST_COMPLETED)
    if started.is_set():
        _log.info("worker_ready", worker=worker.name)
        ready()
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (stopping, beginning):
        task.cancel()
    if running.done():
        await running
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
