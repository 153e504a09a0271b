"""
What time brings to a shard by itself, in virtual time; how it ends; what its snapshots are worth.
"""

from __future__ import annotations

import asyncio

from contracts.budget import HoldsExpired
from services.tenant_log.replay import fold
from tests.gate.shards import authorize, events_of, shard_test, top_up
from tests.simulation.twins import provision


@shard_test
async def test_a_lease_that_is_late_does_not_cancel_the_time(world, worker):
    """
    The timer rings while the lease is being renewed; nobody asks afterwards.
    """
    (granted,) = await world.send(worker, "cantor", authorize(ttl_ms=1_000))
    assert granted.status == 200
    await asyncio.sleep(0.8)
    world.idle.add(worker)
    await asyncio.sleep(0.5)
    world.idle.discard(worker)
    await asyncio.sleep(1)
    assert any(isinstance(event, HoldsExpired) for event in await events_of(world, "cantor"))


@shard_test
async def test_more_holds_than_fit_an_event_expire_all_by_themselves(world, worker):
    """
    What is left over by one event must not wait for the next command.
    """
    await world.ask("fernandez", provision(10**9, 1))
    for _ in range(6):
        calls = [authorize(ttl_ms=1_000) for _ in range(256)]
        answers = await world.send(worker, "fernandez", *calls)
        assert {answer.status for answer in answers} == {200}
    await asyncio.sleep(3)
    folded = await fold("fernandez", world.log, world.keys)
    assert not folded.state.budget.holds


@shard_test
async def test_stopping_answers_whoever_waits_and_leaves_nothing_behind(world, worker):
    """
    A client that is told 503 asks the next owner; one that is told nothing waits for its timeout.
    """
    await world.send(worker, "cantor", authorize(ttl_ms=60_000))
    world.log.open.clear()
    waiting = [world.send(worker, "cantor", top_up()) for _ in range(20)]
    world.faults.slow_s = 5.0
    loading_one = world.send(worker, "unheard-of", top_up())
    await asyncio.sleep(0)
    await worker.drain(0.1)
    await worker.stop()
    for answered in [*waiting, loading_one]:
        (answer,) = await asyncio.wait_for(answered, 1)
        assert answer.code == "cannot_verify"
    world.log.open.set()
    stored = len(world.log.stored)
    await asyncio.sleep(120)
    assert not worker._tasks
    assert not len(worker._timers)
    assert not worker._writers
    assert len(world.log.stored) <= stored + 1, "a stopped worker goes on writing"


@shard_test
async def test_handing_over_does_not_wait_for_tenants_that_nobody_asked_for(world, worker):
    """
    A shard of many tenants takes a while to load; its next owner need not wait for it.
    """
    for number in range(40):
        await world.ask(f"twin-{number}", provision(1_000, 10))
    world.faults.slow_s = 1.0
    leaver = world.start_worker()
    await asyncio.sleep(1)
    began_s = world.loop.time()
    await leaver.drain(60.0)
    assert world.loop.time() - began_s < 10
    await leaver.stop()


@shard_test
async def test_a_stopped_shard_stays_silent_even_if_its_lease_comes_back(world, worker):
    """
    The worker that takes the shard again serves it with a new gate; the old one is done.
    """
    await worker.drain(1.0)
    await worker.stop()
    asked = world.send(worker, "cantor", top_up())
    await asyncio.sleep(10)
    assert not asked.done()
    assert not worker._tasks


@shard_test
async def test_a_snapshot_is_taken_and_the_next_worker_starts_from_it(world, _worker):
    """
    It stands exactly on the commit it was taken at, while decisions go on.
    """
    first = world.start_worker(snapshot_due_us=2_000)
    for _ in range(40):
        calls = [world.send(first, "cantor", top_up(1)) for _ in range(5)]
        await asyncio.gather(*calls)
    assert "cantor" in world.snapshots.kept
    whole = await fold("cantor", world.log, world.keys)
    quick = await fold("cantor", world.log, world.keys, world.snapshots)
    assert quick.commits < whole.commits / 2
    assert quick.state == whole.state
