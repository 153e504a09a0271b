"""
Loading a tenant's state, in virtual time: whatever goes wrong, who waits is answered.

Each of these was a way for one tenant or one lost answer to silence others.
"""

from __future__ import annotations

import asyncio

import msgspec

from contracts.budget import HoldsExpired
from services.gate import loading
from tests.gate.shards import authorize, events_of, shard_test, top_up
from tests.simulation.twins import provision


@shard_test
async def test_whoever_waits_is_answered_when_a_tenant_cannot_be_loaded(world, _worker):
    """
    The key store fails with errors of the library; nobody may wait for ever because of one.
    """
    await asyncio.sleep(1)  # until the keys are asked for again
    world.faults.unreadable = 1.0
    worker = world.start_worker()
    (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
    assert (answer.code, answer.status) == ("cannot_verify", 503)
    assert answer.retry_after_ms

    world.faults.unreadable = 0.0
    (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
    assert answer.code == "topped_up"


@shard_test
async def test_a_fault_of_ours_while_loading_also_answers(world, _worker):
    """
    A bug must show in the log and as a 503, and not as silence that lasts until a restart.
    """
    worker = world.start_worker()

    async def broken(*_arguments, **_more):
        raise ZeroDivisionError

    worker._loader.load = broken
    (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
    assert answer.code == "cannot_verify"


@shard_test
async def test_a_tenant_whose_log_is_broken_does_not_hold_up_the_others(world, _worker):
    """
    Its log is not folded again for every command: that is time of everybody in the shard.
    """
    await world.ask("fernandez", provision(1_000, 10))
    stored = world.log.stored
    index = next(i for i, r in enumerate(stored) if r.originator_id == "cantor")
    stored[index] = altered(stored[index])
    reads = []
    read = world.log.read

    def counted(tenant, **more):
        reads.append(tenant)
        return read(tenant, **more)

    world.log.read = counted
    worker = world.start_worker()
    for _ in range(50):
        (broken,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
        assert broken.code == "cannot_verify"
        (fine,) = await asyncio.wait_for(world.send(worker, "fernandez", top_up()), 5)
        assert fine.code == "topped_up"
    assert reads.count("cantor") <= 2


def altered(recorded):
    """The same commit with its last bit turned over."""
    state = recorded.state[:-1] + bytes([recorded.state[-1] ^ 1])
    return msgspec.structs.replace(recorded, state=state)


@shard_test
async def test_a_tenant_that_could_not_be_loaded_ahead_is_tried_again(world, worker):
    """
    Otherwise its holds would stay held until somebody happened to ask.
    """
    (granted,) = await world.send(worker, "cantor", authorize(ttl_ms=1_000))
    assert granted.status == 200
    world.kill_worker(worker)
    world.faults.unreadable = 1.0
    world.start_worker()
    await asyncio.sleep(5)
    world.faults.unreadable = 0.0
    await asyncio.sleep(5)
    assert any(isinstance(event, HoldsExpired) for event in await events_of(world, "cantor"))


@shard_test
async def test_loading_is_bounded(world, _worker):
    """
    A thousand clients of one twin that is slow to load must not fill memory.
    """
    worker = world.start_worker()
    answers = [world.send(worker, "unheard-of", top_up()) for _ in range(loading.WAITERS_MAX + 10)]
    codes = [answer.code for (answer,) in await asyncio.gather(*answers)]
    assert codes.count("overloaded") == 10
    assert codes.count("twin_unknown") == loading.WAITERS_MAX


@shard_test
async def test_made_up_names_are_not_remembered_for_ever(world, worker):
    """
    Whoever may ask for any twin could fill memory with twins that do not exist.
    """
    for start in range(0, 3_000, 100):
        names = [f"nobody-{n}" for n in range(start, start + 100)]
        await asyncio.gather(*(world.send(worker, name, top_up()) for name in names))
    assert len(worker._writers) <= 1_100
    assert not world.log.last_seq("nobody-1"), "no log is begun for a name that was made up"


@shard_test
async def test_a_tenant_whose_keys_were_erased_is_refused_and_the_others_go_on(world, worker):
    """
    Nobody can read its log any more, so nothing about it can be decided; it is not asked in vain.
    """
    await world.ask("fernandez", provision(1_000, 10))
    world.kill_worker(worker)
    await world.keys.delete("cantor")
    heir = world.start_worker()
    for _ in range(10):
        (gone,) = await asyncio.wait_for(world.send(heir, "cantor", top_up()), 5)
        assert (gone.code, gone.status) == ("twin_erased", 410)
        (fine,) = await asyncio.wait_for(world.send(heir, "fernandez", top_up()), 5)
        assert fine.code == "topped_up"
