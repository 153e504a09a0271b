"""A busy minute of one shard: clients, crashes, lost answers, lost leases, full disks."""

from __future__ import annotations

import asyncio

from contracts.budget import AuthorizeCall, ReleaseCall, SettleCall, TopUpCredits
from contracts.usage import Usage
from services.tenant_log.replay import fold
from tests.simulation.memory_log import Faults, MemoryLog
from tests.simulation.twins import provision
from tests.simulation.virtual_time import run
from tests.simulation.world import LIMIT_NANOS, PRICE_NANOS, World, check

TENANTS = ("cantor", "fernandez", *(f"twin-{n}" for n in range(11)))
CLIENTS_OF_CANTOR = 5
# The longest hold is 3 s, and a worker may fail to load a tenant a few times.
LAST_HOLD_S = 20
ENDS_WITHIN_S = 600
TROUBLE = Faults(lost_ack=0.1, away=0.02, full=0.02, unreadable=0.05)


def play(seed: int, *, log: type[MemoryLog] = MemoryLog) -> World:
    """Run a scenario in virtual time; raises AssertionError when a promise is broken."""

    async def main() -> World:
        async with asyncio.timeout(ENDS_WITHIN_S):
            return await scenario(seed, log)

    return run(seed, main())


async def scenario(seed: int, log: type[MemoryLog]) -> World:
    faults = Faults(**{name: getattr(TROUBLE, name) for name in TROUBLE.__struct_fields__})
    world = World(seed, faults, log=log)
    world.steps_back = 0.05
    world.start_worker()
    for tenant in TENANTS:
        await world.ask(tenant, provision(LIMIT_NANOS, PRICE_NANOS))
    trouble = asyncio.create_task(chaos(world))
    await asyncio.gather(
        *(
            client(world, tenant, f"c{n}")
            for tenant in TENANTS
            for n in range(CLIENTS_OF_CANTOR if tenant == "cantor" else 1)
        )
    )
    trouble.cancel()
    await heal(world)
    await asyncio.sleep(LAST_HOLD_S)
    for tenant in TENANTS:
        state = await check(world, tenant)
        assert not state.budget.holds, "a hold outlived its time"
        folded = await fold(tenant, world.log, world.keys, world.snapshots)
        assert folded.state.budget == state.budget
    return world


async def heal(world: World) -> None:
    """End every fault; one worker is left, and it is a new one."""
    for name in ("lost_ack", "away", "full", "unreadable"):
        setattr(world.faults, name, 0.0)
    for worker in list(world.workers):
        world.kill_worker(worker)
    world.idle.clear()
    world.start_worker()


async def client(world: World, tenant: str, name: str) -> None:
    """Hold, then settle, release or forget; more than fits, so that the limit is reached."""
    for number in range(world.rng.randint(2, 8)):
        await asyncio.sleep(world.rng.random())
        granted = await world.ask(
            tenant,
            AuthorizeCall(
                command_id=f"{name}-{number}",
                modality="text",
                provider_id="p",
                sku="s",
                estimate=Usage(requests=world.rng.randint(1, 8)),
                ttl_ms=1_000 * world.rng.randint(1, 3),
            ),
        )
        await asyncio.sleep(world.rng.random() * 1.5)
        if granted.status == 200:
            await book(world, tenant, granted.reservation_id, f"{name}-{number}")


async def book(world: World, tenant: str, reservation_id: str, name: str) -> None:
    fate = world.rng.random()
    if fate < 0.6:
        usage = Usage(requests=world.rng.randint(0, 9))
        await world.ask(
            tenant, SettleCall(command_id=f"{name}-s", reservation_id=reservation_id, usage=usage)
        )
    elif fate < 0.8:
        await world.ask(tenant, ReleaseCall(command_id=f"{name}-r", reservation_id=reservation_id))
    elif fate < 0.85:
        await world.ask(tenant, TopUpCredits(command_id=f"{name}-t", amount_nanos=PRICE_NANOS))


async def chaos(world: World) -> None:
    """Start workers beside the others; kill them, stop them, or take their lease for a while."""
    leaving: set[asyncio.Task] = set()
    while True:
        await asyncio.sleep(world.rng.random())
        fate = world.rng.random()
        if len(world.workers) < 2 or fate < 0.4:
            world.start_worker()
            continue
        victim = world.rng.choice(world.workers)
        if fate < 0.7:
            world.kill_worker(victim)
        elif fate < 0.85:
            leaving.add(asyncio.create_task(stop(world, victim)))
        else:
            leaving.add(asyncio.create_task(lose_lease(world, victim)))


async def stop(world: World, victim) -> None:
    """A clean stop: what is in flight is finished, for a while."""
    world.workers.remove(victim)
    await victim.drain(world.rng.random() * 0.02)
    await victim.stop()


async def lose_lease(world: World, victim) -> None:
    """The lease runs out and is renewed after all; nobody is told."""
    world.idle.add(victim)
    await asyncio.sleep(world.rng.random() * 2)
    world.idle.discard(victim)
