"""Rotating, wrapping again and erasing, under load, with a kill between any two steps."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from contracts.data_key import DataKeyRotated, RewrapDataKey, RotateDataKey
from contracts.secret import OpenSecret, PutSecret
from contracts.tenant import EraseTenant, TenantErased
from domain.access import Key, Member
from services.sealing.keyring import Keyring
from services.sealing.tenant_keys import TenantKeys
from services.sealing.wrapped_keys import KeyErased
from services.tenant_log.codec import GENESIS, Link, follow, hash_of
from services.tenant_log.replay import commits
from tests.gate.cuts import every_cut
from tests.gate.shards import authorize, events_of, numbers, shard_test, top_up
from tests.gate.test_secrets import VALUE, tell
from tests.simulation.twins import provision
from tests.simulation.world import World, check

KEKS = {1: bytes(32), 2: b"2" * 32}


async def load(world: World, tenant: str = "cantor", *, calls: int = 6) -> None:
    """Somebody who uses the twin all the while, and whose every answer must be in the log."""
    for _ in range(calls):
        await world.ask(tenant, top_up())


async def ended(world: World, tenant: str, command) -> None:
    """Ask until the command is done; what became of the first attempt does not matter."""
    while True:
        answer = await world.ask(tenant, command)
        if answer.status != 503:
            return


async def open_again(world: World, tenant: str = "cantor") -> str:
    granted = await world.ask(tenant, authorize())
    opened = await world.ask(
        tenant,
        OpenSecret(
            command_id=f"o{next(numbers)}", name="openai", reservation_id=granted.reservation_id
        ),
    )
    return opened.value


def put(value: str = VALUE) -> PutSecret:
    return PutSecret(command_id=f"p{next(numbers)}", name="openai", value=value)


# -- the data key ------------------------------------------------------------------


async def rotating(world: World) -> None:
    await world.ask("cantor", put())
    await asyncio.gather(
        load(world),
        load(world),
        ended(world, "cantor", RotateDataKey(command_id="rotate")),
    )
    await load(world, calls=2)


async def is_rotated_once(world: World) -> None:
    """Nothing is lost, the new key seals what is new, and what is old still opens."""
    await check(world, "cantor")
    told = [e for e in await events_of(world, "cantor") if isinstance(e, DataKeyRotated)]
    assert [event.version for event in told] == [2]
    assert await world.keys.versions("cantor") == (1, 2)
    sealed_with = [c.line.key_version async for c in commits("cantor", world.log, world.keys)]
    assert sealed_with == sorted(sealed_with)
    assert (sealed_with[0], sealed_with[-1]) == (1, 2)
    assert await open_again(world) == VALUE


def test_a_rotation_survives_a_kill_between_any_two_steps():
    """A key that nobody told of is completed, not doubled; no commit is unreadable."""
    steps = every_cut(rotating, is_rotated_once)

    assert steps.index("after add") < len(steps) - 1 - steps[::-1].index("before append")


@shard_test
async def test_a_rotation_says_the_version_and_seals_at_once(world, worker):
    """The very commit that tells of it is sealed with it."""
    receipt = await tell(world, worker, RotateDataKey(command_id="k"))
    last = [c async for c in commits("cantor", world.log, world.keys)][-1]

    assert (receipt.code, receipt.version) == ("data_key_rotated", 2)
    assert (last.line.key_version, type(last.events[0])) == (2, DataKeyRotated)
    again = await tell(world, worker, RotateDataKey(command_id="k"))
    assert msgspec.structs.replace(again, replayed=False) == receipt
    assert await world.keys.versions("cantor") == (1, 2)


@shard_test
async def test_a_refused_rotation_makes_no_key(world, worker):
    """Who may not rotate, or just did, must not fill the key store."""
    access = worker._writers["cantor"].state.access
    access.members |= {"ana": Member("owner"), "eva": Member("editor")}
    access.keys["agent"] = Key(["agent"])
    for actor in ("person_eva", "person_no", "key_agent"):
        assert (await tell(world, worker, RotateDataKey(command_id=actor), actor)).status == 403
    assert await world.keys.versions("cantor") == (1,)

    assert (await tell(world, worker, RotateDataKey(command_id="1"), "person_ana")).status == 200
    assert (await tell(world, worker, RotateDataKey(command_id="2"), "person_ana")).status == 429
    assert await world.keys.versions("cantor") == (1, 2)


@shard_test
async def test_of_one_twin_one_errand_runs_at_a_time(world, worker):
    """The second one is asked to come again, and finds that it was done a moment ago."""
    asked = [tell(world, worker, RotateDataKey(command_id=f"k{n}")) for n in range(5)]
    answers = await asyncio.gather(*asked)

    assert sorted({answer.code for answer in answers}) == ["data_key_rotated", "overloaded"]
    assert await world.keys.versions("cantor") == (1, 2)


@shard_test
async def test_a_twin_that_is_none_has_no_key_to_rotate(world, worker):
    """And gets none by asking."""
    (refused,) = await world.send(worker, "nobody", RotateDataKey(command_id="k"))
    (other,) = await world.send(worker, "nobody", RewrapDataKey(command_id="w"))

    assert (refused.code, other.code) == ("twin_unknown", "twin_unknown")
    assert await world.keys.versions("nobody") == ()


@shard_test
async def test_a_key_store_that_is_away_refuses_the_errand_only(world, worker):
    """Decisions go on; who asked is told to ask again, and then it is one rotation."""
    await asyncio.sleep(1)
    world.faults.unreadable = 1.0
    refused = await tell(world, worker, RotateDataKey(command_id="k"))
    assert (refused.code, refused.status) == ("cannot_verify", 503)
    assert (await tell(world, worker, top_up())).status == 200

    world.faults.unreadable = 0.0
    assert (await tell(world, worker, RotateDataKey(command_id="k"))).version == 2


# -- the deployment's key ------------------------------------------------------------


async def rewrapping(world: World) -> None:
    await world.ask("cantor", put())
    await world.ask("cantor", RotateDataKey(command_id="rotate"))
    # A restart with the new keyring, as the runbook says.
    world.keys = with_kek(world, 2)
    for worker in list(world.workers):
        world.kill_worker(worker)
    await asyncio.gather(
        load(world),
        ended(world, "cantor", RewrapDataKey(command_id="rewrap")),
        ended(world, "fernandez", RewrapDataKey(command_id="rewrap")),
    )


def with_kek(world: World, active: int, *versions: int) -> TenantKeys:
    keyring = Keyring("simulation", active, {v: KEKS[v] for v in versions or KEKS})
    return TenantKeys(world.keys._store, keyring, monotonic_s=world.loop.time, cache_age_s=0.2)


async def is_rewrapped(world: World) -> None:
    """Every key opens with the new KEK alone; the log is what it was."""
    store = world.keys._store
    for tenant, versions in (("cantor", (1, 2)), ("fernandez", (1,))):
        assert await store.versions(tenant) == versions
        for version in versions:
            (wrapped,) = await store.wrappings(tenant, version)
            assert Keyring.kek_version(wrapped) == 2
    world.keys = with_kek(world, 2, 2)
    await check(world, "cantor")
    await check(world, "fernandez")
    for worker in list(world.workers):
        world.kill_worker(worker)
    assert await open_again(world) == VALUE


def test_wrapping_again_survives_a_kill_between_any_two_steps():
    """At every moment each version has a wrapping that opens, and in the end the new one only."""
    steps = every_cut(rewrapping, is_rewrapped)

    assert {"after add_wrapping", "before drop_wrapping", "after drop_wrapping"} <= set(steps)


@shard_test
async def test_wrapping_again_says_how_many_and_writes_no_commit(world, worker):
    """And the second time there is nothing to do."""
    world.keys = with_kek(world, 2)
    world.kill_worker(worker)
    heir = world.start_worker()
    last = world.log.last_seq("cantor")
    first = await tell(world, heir, RewrapDataKey(command_id="w"))
    again = await tell(world, heir, RewrapDataKey(command_id="w"))

    assert (first.code, first.facts) == ("key_rewrapped", {"wrapped": 1, "kek_version": 2})
    assert again.facts == {"wrapped": 0, "kek_version": 2}
    assert world.log.last_seq("cantor") == last


@shard_test
async def test_who_may_not_is_refused_and_that_is_recorded(world, worker):
    """It is the platform's key."""
    worker._writers["cantor"].state.access.members["ana"] = Member("owner")
    refused = await tell(world, worker, RewrapDataKey(command_id="w"), "person_ana")
    assert refused.status == 403
    assert type((await events_of(world, "cantor"))[-1]).__name__ == "CallerRefused"

    assert (await tell(world, worker, RewrapDataKey(command_id="w"), "admin_eva")).status == 200


# -- erasing -------------------------------------------------------------------------


def erase(tenant: str = "cantor") -> EraseTenant:
    return EraseTenant(command_id="erase", confirm=tenant)


async def erasing(world: World) -> None:
    world.workers[0]._snapshot_due_us = 0
    await world.ask("cantor", put())

    async def use() -> None:
        for _ in range(6):
            for worker in world.workers[:1]:
                await asyncio.wait({world.send(worker, "cantor", top_up())}, timeout=0.2)

    await asyncio.gather(use(), load(world, "fernandez"), ended(world, "cantor", erase()))


async def is_erased(world: World) -> None:
    """No key, no snapshot, no state; the chain is whole, and the neighbour has everything."""
    store = world.keys._store
    assert (await store_says(store)) == "erased"
    assert "cantor" not in world.snapshots.kept
    assert not store._tenants.get("cantor")
    assert all("cantor" not in worker._writers for worker in world.workers)
    link = GENESIS
    for recorded in world.log.stored:
        if recorded.originator_id == "cantor":
            line, _, _ = follow("cantor", link, recorded.state)
            link = Link(line.index, hash_of(recorded.state))
    position = msgspec.json.decode(store._erased["cantor"])["position"]
    assert position in (0, link.index)
    await check(world, "fernandez")
    for command in (top_up(), provision(1, 1), erase(), put()):
        answer = await world.ask("cantor", command)
        assert (answer.code, answer.status) == ("twin_erased", 410)
    assert (await world.ask("fernandez", top_up())).status == 200


async def store_says(store) -> str:
    try:
        await store.versions("cantor")
    except KeyErased:
        return "erased"
    return "there"


def test_an_erasure_survives_a_kill_between_any_two_steps():
    """Whoever comes next completes it, before anybody is told that it is done."""
    steps = every_cut(erasing, is_erased)

    assert steps.index("before erase") < steps.index("before drop")


@shard_test
async def test_an_erasure_is_answered_when_nothing_is_left(world, worker):
    """`erased` means that; the mark in the place of the keys says when, where and who."""
    await tell(world, worker, put())
    worker._writers["cantor"].state.access.members["ana"] = Member("owner")
    store = world.keys._store
    assert (await tell(world, worker, erase(), "person_ana")).status == 403

    receipt = await tell(world, worker, erase(), "admin_eva")

    assert (receipt.code, receipt.status) == ("erased", 200)
    assert await store_says(store) == "erased"
    note = msgspec.json.decode(store._erased["cantor"])
    assert (note["position"], note["by"]) == (receipt.position, "admin_eva")
    assert world.keys._cache.get("cantor") is None
    assert "cantor" not in worker._writers
    assert len(worker._timers) == 0


@shard_test
async def test_the_last_commit_says_so_before_the_key_is_gone(world, worker):
    """A projector that reads in time removes its rows; one that comes late cannot read any."""
    world.keys._store.erase = never
    answered = world.send(worker, "cantor", erase())
    await asyncio.sleep(5)

    assert not answered.done()
    assert isinstance((await events_of(world, "cantor"))[-1], TenantErased)
    # Already nobody decides about it, though the keys are still there.
    (refused,) = await world.send(worker, "cantor", top_up())
    assert refused.code == "twin_erased"
    (early,) = await world.send(worker, "cantor", erase())
    assert early.code == "cannot_verify"


async def never(*_arguments):
    await asyncio.Event().wait()


@shard_test
async def test_an_erasure_that_breaks_off_is_tried_again_by_itself(world, worker):
    """Nobody asks for an erased twin any more, so nobody may be needed to finish it."""
    store, genuine, failures = world.keys._store, world.keys._store.erase, [3]

    async def flaky(*arguments):
        if failures[0]:
            failures[0] -= 1
            raise ConnectionError("the bus is away")
        await genuine(*arguments)

    store.erase = flaky
    refused = await tell(world, worker, erase())
    assert (refused.code, refused.status) == ("cannot_verify", 503)
    await asyncio.sleep(20)

    assert failures == [0]
    assert await store_says(store) == "erased"


@shard_test
async def test_what_others_can_learn_of_an_erased_twin(world, worker):
    """Strangers get what they get of a name that never was; the platform learns that it is gone."""
    await tell(world, worker, erase())
    for actor in ("person_ana", "key_agent", "visitor_1"):
        gone = await tell(world, worker, top_up(), actor)
        (none,) = [await told(world, worker, "nobody", actor)]
        assert (gone.code, gone.status) == (none.code, none.status) == ("caller_unknown", 403)
    assert (await tell(world, worker, top_up(), "admin_eva")).code == "caller_not_allowed"
    assert (await tell(world, worker, erase(), "admin_eva")).code == "twin_erased"


async def told(world, worker, tenant, actor):
    from services.gate.waiter import Waiter  # noqa: PLC0415 - see `tell`

    answered = asyncio.get_running_loop().create_future()
    worker.receive(tenant, Waiter([top_up()], actor, lambda a: answered.set_result(a[0])))
    return await answered


@shard_test
async def test_a_snapshot_that_is_being_stored_is_waited_for(world, worker):
    """It would be there after everything was dropped, for ever."""
    worker._snapshot_due_us = 0
    going, put_genuine = asyncio.Event(), world.snapshots.put

    async def slow(*arguments):
        await going.wait()
        await put_genuine(*arguments)

    world.snapshots.put = slow
    await tell(world, worker, top_up())
    await tell(world, worker, top_up())
    await asyncio.sleep(0.1)
    answered = world.send(worker, "cantor", erase())
    await asyncio.sleep(5)
    assert not answered.done()
    going.set()

    assert (await answered)[0].code == "erased"
    assert world.snapshots.kept == {}


@shard_test
async def test_a_log_that_says_erased_ends_keys_that_came_back(world, worker):
    """Restored from an old backup of the keys beside the newer log, the twin stays erased."""
    store = world.keys._store
    kept = [dict(wrappings) for wrappings in store._tenants["cantor"]]
    await tell(world, worker, erase())
    store._tenants["cantor"], store._erased = kept, {}
    world.kill_worker(worker)
    world.start_worker()
    await asyncio.sleep(5)

    assert await store_says(store) == "erased"


@shard_test
async def test_a_snapshot_whose_key_does_not_unwrap_is_not_stored(world, worker):
    """A wrong keyring costs the next start time, and not this worker's shard."""
    worker._snapshot_due_us = 0
    wrong = Keyring("simulation", 1, {1: b"w" * 32})
    worker._loader._keys = TenantKeys(world.keys._store, wrong)
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert (await tell(world, worker, top_up())).status == 200
        await asyncio.sleep(1)

    assert world.snapshots.kept == {}
    assert {line["event"] for line in lines} == {"snapshot_not_saved"}


@shard_test
async def test_a_worker_that_gives_a_shard_up_keeps_no_keys_of_it(world, worker):
    """An erasure elsewhere is complete at once only if nobody else has the key."""
    world.keys._cache_age_s = 3_600
    await tell(world, worker, RotateDataKey(command_id="k"))
    assert "cantor" in world.keys._cache
    await worker.drain(1)
    await worker.stop()
    world.workers.remove(worker)

    assert world.keys._cache == {}
