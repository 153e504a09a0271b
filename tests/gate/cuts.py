"""
Kill -9 between any two steps: everything that a worker does outside itself is a step.

`every_cut(scenario)` runs a scenario once for each moment just before and just after each step of
the first worker: the log's append and reads, each call of the key store, each of the snapshots. At
that moment the worker is gone, in the middle of whatever it did. Another one takes over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tests.gate.shards import ENDS_WITHIN_S, LIMIT_NANOS, PRICE_NANOS
from tests.simulation.twins import provision
from tests.simulation.virtual_time import run
from tests.simulation.world import World

STORE = ("add", "read", "versions", "wrappings", "add_wrapping", "drop_wrapping", "erase")
CUTS_MAX = 400


class Cut:
    """Kills *world*'s worker at one moment; *steps* are those that were counted."""

    def __init__(self, world: World, at: int) -> None:
        self.world = world
        self.at = at
        self.steps: list[str] = []
        self.is_done = False
        store = world.keys._store
        for name in STORE:
            self._wrap(store, name)
        self._wrap(world.snapshots, "put")
        self._wrap(world.snapshots, "drop")
        self._wrap(world.log, "append")

    def _wrap(self, owner: Any, name: str) -> None:
        genuine = getattr(owner, name)

        async def step(*arguments, **more):
            await self._moment(f"before {name}")
            done = await genuine(*arguments, **more)
            await self._moment(f"after {name}")
            return done

        setattr(owner, name, step)

    async def _moment(self, what: str) -> None:
        if self.is_done or not self.world.workers:
            return
        self.steps.append(what)
        if len(self.steps) == self.at:
            self.is_done = True
            for worker in list(self.world.workers):
                self.world.kill_worker(worker)
            # What was killed goes on with nothing.
            await asyncio.Event().wait()


async def supervised(world: World) -> None:
    """Start a worker whenever there is none."""
    while True:
        if not world.workers:
            world.start_worker()
        await asyncio.sleep(0.05)


def every_cut(
    scenario: Callable[[World], Awaitable[None]],
    check: Callable[[World], Awaitable[None]],
    **world: Any,
) -> list[str]:
    """
    Run *scenario*, which must end whatever happens, with each cut; *check* what is there then.

    Return the steps of the run that was not cut.
    """

    def cuts() -> Iterator[list[str]]:
        for at in range(1, CUTS_MAX):
            cut = run(at, _once(scenario, check, at, world))
            yield cut.steps
            if not cut.is_done:
                return
        raise AssertionError("the scenario never ends without a cut")

    return list(cuts())[-1]


async def _once(scenario, check, at: int, options: dict[str, Any]) -> Cut:
    async with asyncio.timeout(ENDS_WITHIN_S):
        world = World(at)
        for name, value in options.items():
            setattr(world, name, value)
        world.start_worker()
        await world.ask("cantor", provision(LIMIT_NANOS, PRICE_NANOS))
        await world.ask("fernandez", provision(LIMIT_NANOS, PRICE_NANOS))
        cut = Cut(world, at)
        supervisor = asyncio.create_task(supervised(world))
        try:
            await scenario(world)
            cut.is_done, was_cut = True, cut.is_done
            await check(world)
            cut.is_done = was_cut
        except AssertionError as broken:
            moment = cut.steps[at - 1] if at <= len(cut.steps) else "no cut"
            raise AssertionError(f"cut {at}, {moment}: {broken}") from broken
        finally:
            supervisor.cancel()
        return cut
