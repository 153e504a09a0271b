"""What tests of one shard in virtual time have in common: commands, a world, the log's events."""

from __future__ import annotations

import asyncio
from itertools import count

from contracts.budget import AuthorizeCall, TopUpCredits
from contracts.usage import Usage
from services.tenant_log.replay import commits
from tests.simulation.twins import provision
from tests.simulation.virtual_time import run
from tests.simulation.world import World

LIMIT_NANOS = 1_000
PRICE_NANOS = 10
ENDS_WITHIN_S = 3_600
numbers = count(1)


def top_up(amount_nanos: int = 5, **more) -> TopUpCredits:
    return TopUpCredits(command_id=f"t{next(numbers)}", amount_nanos=amount_nanos, **more)


def authorize(requests: int = 1, ttl_ms: int = 60_000) -> AuthorizeCall:
    return AuthorizeCall(
        command_id=f"a{next(numbers)}",
        modality="text",
        provider_id="p",
        sku="s",
        estimate=Usage(requests=requests),
        ttl_ms=ttl_ms,
    )


async def events_of(world: World, tenant: str) -> list:
    return [event async for c in commits(tenant, world.log, world.keys) for event in c.events]


def shard_test(scenario):
    """Run a test in virtual time, in a world with one worker and the twin `cantor`."""

    def test():
        async def main():
            async with asyncio.timeout(ENDS_WITHIN_S):
                world = World(0)
                worker = world.start_worker()
                await world.ask("cantor", provision(LIMIT_NANOS, PRICE_NANOS))
                await scenario(world, worker)

        run(0, main())

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    return test
