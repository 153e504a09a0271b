"""A shard inside the test on a real stream: batches, rivals, snapshots."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from contracts.subjects import shard_of
from services import deployment_log
from services.eventstore.connection import EventStoreConnection
from services.gate.committer import PLAIN_IN_FLIGHT_MAX
from services.gate.loader import TenantLoader
from services.gate.shard import ShardGate
from services.gate.worker import now_us
from services.gate.writer import Waiter
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.tenant_log.replay import fold
from services.tenant_log.snapshots import SnapshotStore
from tests.gate.served import stored
from tests.gate.shards import authorize, top_up
from tests.simulation.twins import provision

SHARDS, SHARD = 2, 0
LIMIT_NANOS, PRICE_NANOS = 10**12, 10
NAMES = [n for n in (f"twin-{i}" for i in range(200)) if shard_of(n, SHARDS) == SHARD][:40]


class Inside:
    """One shard's gate with the rights of a worker."""

    def __init__(self, gate: ShardGate, loader: TenantLoader, store) -> None:
        self.gate = gate
        self.loader = loader
        self.store = store

    async def ask(self, tenant: str, *commands):
        answered = asyncio.get_running_loop().create_future()
        self.gate.receive(tenant, Waiter(list(commands), "operator", answered.set_result))
        answers = await asyncio.wait_for(answered, 20)
        return answers[0] if len(commands) == 1 else answers

    async def ask_all(self, names, command):
        return await asyncio.gather(*(self.ask(name, command()) for name in names))


@asynccontextmanager
async def shard_on(deployment, **more):
    """Serve shard 0 of a deployment in this process, beside whoever else does."""
    settings = deployment.settings
    connection = await EventStoreConnection.open(**settings.nats("worker").options())
    jetstream = connection.client.jetstream(timeout=2)
    keyring = open_keyring(
        None, development=True, data_directory=settings.data_dir, deployment=settings.deployment
    )
    keys = TenantKeys(await JetStreamKeyStore.open(jetstream), keyring)
    store = deployment_log.open_stores(connection, SHARDS)[SHARD]
    snapshots = await SnapshotStore.open(jetstream)
    loader = TenantLoader(store, keys, snapshots, actor="inside", clock=now_us)
    gate = ShardGate(
        SHARD, store, loader, shards=SHARDS, clock=now_us, is_owner=lambda: True, **more
    )
    gate.start(store.originators)
    try:
        yield Inside(gate, loader, store)
    finally:
        await gate.drain(2.0)
        await gate.stop()
        await connection.close()


async def batches_in(deployment) -> list[str]:
    """The batch that each stored message came in, those that came alone left out."""
    found = await stored(deployment, NAMES[0])
    return [headers["Nats-Batch-Id"] for _, headers in found if "Nats-Batch-Id" in headers]


async def test_many_tenants_at_once_travel_as_batches(deployment):
    """
    A disk sync for each of them would be the ceiling of what a shard can do.
    """
    async with shard_on(deployment) as inside:
        await inside.ask_all(NAMES, lambda: provision(LIMIT_NANOS, PRICE_NANOS))
        before = len(await batches_in(deployment))
        answers = await inside.ask_all(NAMES, top_up)
        assert {answer.code for answer in answers} == {"topped_up"}
        batched = (await batches_in(deployment))[before:]
        assert len(batched) >= len(NAMES) - PLAIN_IN_FLIGHT_MAX
        assert len(set(batched)) < len(batched) / 5


async def test_few_tenants_travel_alone(deployment):
    """
    A batch costs more than a few plain messages do.
    """
    async with shard_on(deployment) as inside:
        await inside.ask_all(NAMES[:3], lambda: provision(LIMIT_NANOS, PRICE_NANOS))
        await inside.ask_all(NAMES[:3], top_up)
    assert await batches_in(deployment) == []


async def test_one_stale_tenant_of_a_batch_does_not_hurt_the_others(deployment):
    """
    The server refuses the whole batch for one fence; each of the others is stored, once.
    """
    async with shard_on(deployment) as inside, shard_on(deployment) as rival:
        await inside.ask_all(NAMES, lambda: provision(LIMIT_NANOS, PRICE_NANOS))
        assert (await rival.ask(NAMES[7], top_up(1))).code == "topped_up"
        answers = await inside.ask_all(NAMES, lambda: top_up(5))
        assert {answer.code for answer in answers} == {"topped_up"}
        for name in NAMES:
            writer = await inside.loader.load(name, create_key=False)
            expected = 6 if name == NAMES[7] else 5
            assert writer.state.budget.credits_added_nanos == expected


async def test_two_gates_on_one_shard_never_disagree(deployment):
    """
    Both believe they own it, both are asked the same commands: one decision each, one log.
    """
    names = NAMES[:12]
    async with shard_on(deployment) as one, shard_on(deployment) as two:
        await one.ask_all(names, lambda: provision(LIMIT_NANOS, PRICE_NANOS))
        for _ in range(5):
            commands = [(name, top_up(1)) for name in names]
            both = await asyncio.gather(
                *(one.ask(name, command) for name, command in commands),
                *(two.ask(name, command) for name, command in commands),
            )
            for left, right in zip(both[: len(names)], both[len(names) :], strict=True):
                decided = {a.decision_id for a in (left, right) if a.code == "topped_up"}
                assert len(decided) == 1
        for name in names:
            writer = await one.loader.load(name, create_key=False)
            assert writer.state.budget.credits_added_nanos == 5


@pytest.mark.parametrize("drops_it", [False, True])
async def test_a_snapshot_is_taken_and_used_and_may_be_dropped(deployment, drops_it):
    """
    A tenant with a long log is ready at once; without its snapshot it is ready all the same.
    """
    name = NAMES[0]
    async with shard_on(deployment, snapshot_due_us=4_000) as inside:
        await inside.ask(name, provision(LIMIT_NANOS, PRICE_NANOS))
        for _ in range(60):
            answers = await inside.ask(name, *(authorize() for _ in range(20)))
            assert {answer.status for answer in answers} == {200}
    async with shard_on(deployment) as inside:
        snapshots = inside.loader._snapshots
        assert await snapshots.find(name) is not None
        if drops_it:
            await snapshots.drop(name)
        keys = inside.loader._keys
        whole = await fold(name, inside.store, keys)
        quick = await fold(name, inside.store, keys, snapshots)
        assert quick.state == whole.state
        assert whole.commits == 61
        assert quick.commits == whole.commits if drops_it else quick.commits < 40
        assert (await inside.ask(name, top_up(3))).position == 62
