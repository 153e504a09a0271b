"""
Kills what it likes, again and again, and starts it again as a supervisor would.

Every victim is kept alive by a task of its own: start it, wait until it ends, start it again. The
kills come at moments and in an order that a seed decides, also while others are still starting.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from services.embedded.nats_server import NatsServer
from services.embedded.postgres import Postgres
from tests.rig.deployment import Deployment, Process

RESTART_AFTER_S = 0.05
STARTS_MAX = 10


class Kill(NamedTuple):
    """One kill, for the report of a run."""

    victim: str
    at_s: float


class Victim:
    """Something that can be killed, and that starts again by itself."""

    def __init__(self, kind: str, start: Callable[[], Awaitable[Callable[[], bool]]]) -> None:
        self.kind = kind
        self.is_up = asyncio.Event()
        self._start = start
        self._killed = asyncio.Event()
        self._kill: Callable[[], bool] = lambda: False

    async def keep(self) -> None:
        """Start, wait for the kill, start again, until cancelled."""
        while True:
            self._kill = await self._start()
            self._killed.clear()
            self.is_up.set()
            await self._killed.wait()
            await asyncio.sleep(RESTART_AFTER_S)

    def kill(self) -> bool:
        """kill -9, if it runs; whether it did."""
        if not self.is_up.is_set() or not self._kill():
            return False
        self.is_up.clear()
        self._killed.set()
        return True


class Nemesis:
    """Keeps victims running and kills them."""

    def __init__(self, rng: random.Random) -> None:
        self.victims: list[Victim] = []
        self.kills: list[Kill] = []
        self._rng = rng
        self._keepers: list[asyncio.Task[None]] = []

    def process(self, deployment: Deployment, command: str) -> None:
        """Have a `vito` process among the victims."""

        async def start() -> Callable[[], bool]:
            for _ in range(STARTS_MAX):
                process = await deployment.try_start(command)
                if process.is_running:
                    return lambda: _killed(process)
                # A server was killed while it asked for something; its supervisor tries again.
                await asyncio.sleep(RESTART_AFTER_S)
            raise AssertionError(f"{command} does not start: {process.said()[-3_000:]}")

        self.victims.append(Victim(command, start))

    def server(self, server: NatsServer | Postgres, *, away_s: float = 0.0) -> None:
        """Have a server among the victims; once in a while it stays away for *away_s*."""
        is_first = True

        async def start() -> Callable[[], bool]:
            nonlocal is_first
            if not is_first and self._rng.random() < 1 / 3:
                await asyncio.sleep(away_s)
            is_first = False
            if server.pid is None:
                await server.start()
            return lambda: _killed(server)

        self.victims.append(Victim(server.name, start))

    async def begin(self) -> None:
        """Start everything and wait until it is up."""
        self._keepers = [asyncio.create_task(victim.keep()) for victim in self.victims]
        await self.all_up()

    async def all_up(self) -> None:
        """Wait until everything runs; raises what kept something from starting."""
        waiting = [asyncio.create_task(victim.is_up.wait()) for victim in self.victims]
        everything = asyncio.gather(*waiting)
        await asyncio.wait((everything, *self._keepers), return_when=asyncio.FIRST_COMPLETED)
        for keeper in self._keepers:
            if keeper.done():
                keeper.result()
        await everything

    async def rage(self, kills: int, *, pause_s: tuple[float, float]) -> None:
        """Kill *kills* times, each a random while after the one before."""
        loop = asyncio.get_running_loop()
        while len(self.kills) < kills:
            await asyncio.sleep(self._rng.uniform(*pause_s))
            victim = self._rng.choice(self.victims)
            if victim.kill():
                self.kills.append(Kill(victim.kind, loop.time()))
            for keeper in self._keepers:
                if keeper.done():
                    keeper.result()

    async def end(self) -> None:
        """Keep nothing any more; what runs goes on running."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def report(self) -> str:
        """Say how often what was killed."""
        counts = Counter(kill.victim for kill in self.kills)
        return ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))


def _killed(victim: Process | NatsServer | Postgres) -> bool:
    is_running = victim.is_running if isinstance(victim, Process) else victim.pid is not None
    victim.kill()
    return is_running
