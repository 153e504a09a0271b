"""A crowd that talks with twins in LiveKit rooms, and whose agents are killed -9 meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import random

import psutil

from contracts.agent_job import AgentJob
from services.distribution.invitation import invitation
from services.distribution.media_key import MediaKey
from services.secret import Secret
from tests.agent.visiting import Visitor
from tests.rig.media_server import MediaServer
from tests.rig.talking_twin import until

# As long as an agent takes to come on a machine that does everything else as well.
COMES_WITHIN_S = 40.0
ANSWERS_WITHIN_S = 20.0
# Each conversation has a process of its own.
TOGETHER = 2
ATTEMPTS_MAX = 20
LEAVES_EARLY = 0.25
KILL_WITHIN_S = 0.5
QUESTIONS = ("Hola", "¿Y el mundial?", "Tell me about the final.")


class RoomCrowd:
    """
    *sessions* began, *finished* were heard out or left of their own will, *killed* died with their
    agent, and whoever was in them came back into a room of a new one.
    """

    def __init__(self, stack, seed):
        self.stack = stack
        self.rng = random.Random(seed)
        self.sessions = self.finished = self.killed = self.answers = 0
        self._numbers = itertools.count(1)
        self._begun = asyncio.Event()

    async def run(self, visits, kills):
        """Have *visits* people talk, while the agent is killed *kills* times."""
        async with MediaServer() as self.server:
            agent = await self._start()
            visiting = asyncio.create_task(self._visits(visits))
            try:
                for _ in range(kills):
                    spare = await self._start()
                    self._begun.clear()
                    await self._next(visiting)
                    await asyncio.sleep(self.rng.uniform(0.0, KILL_WITHIN_S))
                    _kill(agent)
                    agent = spare
                await visiting
            finally:
                visiting.cancel()
            # Its books are closed by itself.
            await agent.stop(timeout_s=60.0)

    async def _next(self, visiting):
        """Wait until somebody has just been answered, or everybody has gone."""
        begun = asyncio.create_task(self._begun.wait())
        await asyncio.wait((begun, visiting), return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()

    async def _start(self):
        return await self.stack.bus.start(
            "agent",
            VITO_LIVEKIT_URL=self.server.url,
            VITO_LIVEKIT_KEY=self.server.key,
            VITO_LIVEKIT_SECRET=self.server.secret,
            VITO_LEASE_S="5",
        )

    async def _visits(self, visits):
        places = asyncio.Semaphore(TOGETHER)
        tenants = sorted(self.stack.keys)

        async def visit(number):
            async with places:
                await self._visit(tenants[number % len(tenants)])

        async with asyncio.TaskGroup() as talking:
            for number in range(visits):
                talking.create_task(visit(number))

    async def _visit(self, tenant):
        for _ in range(ATTEMPTS_MAX):
            visitor = Visitor()
            try:
                await self._talk(visitor, tenant)
            except TimeoutError:
                self.killed += 1
                continue
            finally:
                await visitor.leave()
            self.finished += 1
            return
        raise AssertionError(f"{tenant}: nobody answered {ATTEMPTS_MAX} times")

    async def _talk(self, visitor, tenant):
        name = f"room-{next(self._numbers)}"
        media = MediaKey(self.server.url, self.server.key, Secret(self.server.secret))
        modality = self.rng.choice(("text", "voice"))
        job = AgentJob(tenant=tenant, session_id=name, modality=modality, language="es")
        deployment = self.stack.bus.settings.deployment
        token = invitation(media, job, room=name, identity=f"guest-{name}", deployment=deployment)
        await visitor.join(self.server, token=token.reveal())
        await until(lambda: visitor.states, within_s=COMES_WITHIN_S)
        self.sessions += 1
        for _ in range(self.rng.randint(1, 2)):
            read = len(visitor.read)
            await visitor.write(self.rng.choice(QUESTIONS))
            self._begun.set()
            if self.rng.random() < LEAVES_EARLY:
                return
            await until(lambda at=read: any(visitor.read[at:]), within_s=ANSWERS_WITHIN_S)
            self.answers += 1


def _kill(agent):
    """End an agent and all its conversations with kill -9."""
    processes = psutil.Process(agent.pid).children(recursive=True)
    agent.kill()
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
