"""Leases on a real bucket: answers that get lost, rivals, slow step-downs, a bus that is away."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import nats
import pytest
from nats.js.errors import KeyNotFoundError

from contracts import subjects
from services.embedded.polling import until
from services.eventstore.client import RawClient
from services.eventstore.connection import OPTIONS
from services.gate.endpoints import Outbox, ShardEndpoints
from services.gate.lease import BUCKET, Leases, create_bucket
from tests.conftest import TEST_USER

ME, OTHER = "worker-me", "worker-other"
TTL_S = 2.0
SOON_S = 1.0


@pytest.fixture
async def connection(own_nats):
    connection = await nats.connect(own_nats.url_for(TEST_USER), error_cb=_ignore, **OPTIONS)
    await create_bucket(connection.jetstream(), replicas=1, ttl_s=TTL_S)
    yield connection
    await connection.close()


@pytest.fixture
async def bucket(connection):
    return await connection.jetstream(timeout=TTL_S / 2).key_value(BUCKET)


class Holder:
    """A worker's leases, and what it was told about them."""

    def __init__(self, connection, bucket, name=ME, shards=2) -> None:
        self.taken: list[int] = []
        self.lost: list[int] = []
        self.failures = 0
        # While cleared, giving a shard up takes for ever.
        self.may_leave = asyncio.Event()
        self.may_leave.set()
        self.rounds = 0
        self.leases = Leases(
            connection,
            bucket,
            name,
            shards,
            ttl_s=TTL_S,
            on_taken=self._on_taken,
            on_lost=self._on_lost,
            after_round=self._after_round,
        )

    async def _on_taken(self, shard: int) -> None:
        if self.failures:
            self.failures -= 1
            raise nats.errors.ConnectionClosedError
        self.taken.append(shard)

    async def _on_lost(self, shard: int) -> None:
        self.lost.append(shard)
        await self.may_leave.wait()

    def _after_round(self) -> None:
        self.rounds += 1

    async def some_rounds(self) -> None:
        after = self.rounds + 2

        async def passed() -> bool:
            return self.rounds >= after

        await until(passed, every_s=0.01, timeout_s=10)


@asynccontextmanager
async def running(holder: Holder):
    task = asyncio.create_task(holder.leases.run())
    try:
        yield holder
    finally:
        task.cancel()
        await asyncio.wait((task,))
        holder.may_leave.set()
        await holder.leases.release_all()


async def within(seconds: float, condition) -> None:
    async def met() -> bool:
        return condition()

    await until(met, every_s=0.01, timeout_s=seconds)


async def test_a_lease_that_was_stored_although_nobody_said_so_is_found(connection, bucket):
    """Waiting until our own lease expires would leave the shard without anybody for that long."""
    await bucket.create("shard.0", ME.encode())
    async with running(Holder(connection, bucket, shards=1)) as me:
        await within(SOON_S, lambda: me.taken == [0])
        assert me.leases.is_valid(0)


async def test_a_renewal_whose_answer_was_lost_does_not_end_the_lease(connection, bucket):
    """Its revision is not the one we know, but it is ours."""
    async with running(Holder(connection, bucket, shards=1)) as me:
        await within(SOON_S, lambda: me.taken == [0])
        await bucket.put("shard.0", ME.encode())
        await me.some_rounds()
        assert me.lost == []
        assert me.leases.is_valid(0)


async def test_somebody_elses_lease_is_respected(connection, bucket):
    """Whoever finds another name on the entry has lost it."""
    async with running(Holder(connection, bucket, shards=1)) as me:
        await within(SOON_S, lambda: me.taken == [0])
        await bucket.put("shard.0", OTHER.encode())
        await within(SOON_S, lambda: me.lost == [0])
        assert not me.leases.is_valid(0)


async def test_finishing_one_shard_does_not_cost_the_others(connection, bucket):
    """What is in flight may take seconds to finish; a lease lasts less than that."""
    async with running(Holder(connection, bucket)) as me:
        await within(SOON_S, lambda: sorted(me.taken) == [0, 1])
        me.may_leave.clear()
        await bucket.put("shard.0", OTHER.encode())
        await within(SOON_S, lambda: me.lost == [0])
        began = me.rounds
        await within(10, lambda: me.rounds > began + 8)  # two lives of a lease
        assert me.leases.is_valid(1)
        assert me.lost == [0]


async def test_a_lease_is_given_back_although_its_last_renewal_was_cut_off(connection, bucket):
    """
    Goal: whoever stops leaves no lease behind that the next one must wait for.
    Method: a renewal is stored, and the stop comes before its answer, so its revision is unknown.
    """
    holder = Holder(connection, bucket, shards=1)
    async with running(holder) as me:
        await within(SOON_S, lambda: me.taken == [0])
    await bucket.create("shard.0", ME.encode())
    holder.leases._held(0, 1, 0)
    await holder.leases.release_all()

    with pytest.raises(KeyNotFoundError):
        await bucket.get("shard.0")


async def test_a_late_farewell_does_not_delete_the_next_ones_lease(connection, bucket):
    """It took longer than the lease; by then another worker serves."""
    async with running(Holder(connection, bucket, shards=1)) as me:
        await within(SOON_S, lambda: me.taken == [0])
        me.may_leave.clear()
        me.leases._leave(0, gives_back=True)
        async with running(Holder(connection, bucket, OTHER, shards=1)) as other:
            await within(3 * TTL_S, lambda: other.taken == [0])
            me.may_leave.set()
            await within(SOON_S, lambda: not me.leases._leaving)
            await other.some_rounds()
            assert other.lost == []


async def test_a_shard_that_could_not_be_served_is_given_back(connection, bucket):
    """A lease without anybody behind it is a shard that nobody answers for."""
    holder = Holder(connection, bucket, shards=2)
    holder.failures = 1
    async with running(holder) as me:
        await within(2 * TTL_S, lambda: sorted(me.taken) == [0, 1])


async def test_two_share_and_a_leaver_is_replaced_before_its_leases_end(connection, bucket):
    """A clean stop costs its shards less than a lease."""
    async with running(Holder(connection, bucket, shards=8)) as me:
        async with running(Holder(connection, bucket, OTHER, shards=8)) as other:
            await within(3 * TTL_S, lambda: me.leases.owned and other.leases.owned)
            await within(3 * TTL_S, lambda: len(me.leases.owned + other.leases.owned) == 8)
        await within(2 * TTL_S, lambda: len(me.leases.owned) == 8)


async def test_leases_survive_a_bus_that_is_away_for_longer_than_they_last(
    own_nats, connection, bucket
):
    """Nothing can be renewed then; afterwards the shards are served again, by themselves."""
    async with running(Holder(connection, bucket)) as me:
        await within(SOON_S, lambda: sorted(me.taken) == [0, 1])
        own_nats.kill()
        await within(5 * TTL_S, lambda: sorted(me.lost) == [0, 1])
        assert me.leases.owned == []
        await own_nats.start()
        await within(10, lambda: sorted(me.leases.owned) == [0, 1])


class NoShard:
    """A shard that takes nothing."""

    shard = 0

    def receive(self, tenant, waiter) -> None:
        raise AssertionError("nothing is sent")


async def test_endpoints_stop_at_once_although_the_bus_is_away(own_nats):
    """Waiting for its confirmation, subscription by subscription, takes minutes."""
    client = RawClient()
    await client.connect(own_nats.url_for(TEST_USER), error_cb=_ignore, **OPTIONS)
    try:
        endpoints = ShardEndpoints(client, Outbox(client), NoShard(), ME)
        await endpoints.start()
        own_nats.kill()
        async with asyncio.timeout(SOON_S):
            await endpoints.stop()
        await own_nats.start()
        async with asyncio.timeout(10):
            while not client.is_connected:  # noqa: ASYNC110 - the library sets no event
                await asyncio.sleep(0.01)
        asked = client.request(subjects.served(0, "cmd", "budget", "settle").replace("*", "x"))
        with pytest.raises(nats.errors.NoRespondersError):
            await asked
        with pytest.raises(nats.errors.NoRespondersError):
            await client.request("$SRV.PING.vito-gate")
    finally:
        await client.close()


async def _ignore(_problem: Exception) -> None:
    """A killed server is what this is about."""
