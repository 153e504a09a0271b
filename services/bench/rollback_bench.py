"""
A prompt rolled back under running agents: how soon every one of them has the other version.

Each agent has a connection of its own and follows the bundle as agents do, and has read the whole
prompt when it counts. Measured from before the command is sent, so the durable commit is in it. All
agents are in one process and take turns there; on machines of their own they would be sooner.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from time import perf_counter

import msgspec

from services.bench.bus import Bus, fresh_bus
from services.bench.domain_bench import provision
from services.bench.quantiles import Latency
from services.client import GateClient
from services.client.connection import of_login

TENANT = "cantor"
AGENTS = 50
ROLLBACKS = 200
PROMPT_CHARS = 8_000
HEARD_WITHIN_S = 5.0


class RollbackFigures(msgspec.Struct, frozen=True):
    """*last_agent* is when the last of all agents had it; *missed* and *out_of_order* must be 0."""

    agents: int
    rollbacks: int
    last_agent: Latency
    answered: Latency
    missed: int
    out_of_order: int


class Agents:
    """What running agents have: the newest revision of each, and when all had one."""

    def __init__(self, count: int) -> None:
        self.revisions = [0] * count
        self.received = 0
        self.out_of_order = 0
        self._waiting: dict[int, tuple[int, asyncio.Event]] = {}

    async def follow(self, number: int, gate: GateClient, began: asyncio.Event) -> None:
        """Be agent *number* until cancelled."""
        async with aclosing(gate.bundles()) as bundles:
            async for bundle in bundles:
                assert bundle.content is not None, "an agent has the whole bundle"
                self.out_of_order += bundle.revision <= self.revisions[number]
                self.revisions[number] = bundle.revision
                self.received += began.is_set()
                began.set()
                self._had(bundle.revision)

    async def all_have(self, revision: int) -> None:
        """Wait until every agent has this revision or a newer one."""
        missing = sum(had < revision for had in self.revisions)
        if missing:
            heard = asyncio.Event()
            self._waiting[revision] = (missing, heard)
            await asyncio.wait_for(heard.wait(), HEARD_WITHIN_S)

    def _had(self, revision: int) -> None:
        missing, heard = self._waiting.pop(revision, (0, None))
        if heard is None:
            return
        if missing == 1:
            heard.set()
        else:
            self._waiting[revision] = (missing - 1, heard)


async def measure(*, agents: int = AGENTS, rollbacks: int = ROLLBACKS) -> RollbackFigures:
    """Measure on a fresh bus with one worker. Takes a few seconds."""
    async with fresh_bus() as bus, AsyncExitStack() as stack:
        await bus.start_worker()
        editor = await stack.enter_async_context(_client(bus))
        await _prepare(editor)
        following = Agents(agents)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = []
        for number in range(agents):
            gate, began = await stack.enter_async_context(_client(bus)), asyncio.Event()
            tasks.append(group.create_task(following.follow(number, gate, began)))
            await began.wait()
        try:
            return await _roll_back(editor, following, rollbacks)
        finally:
            for task in tasks:
                task.cancel()


def _client(bus: Bus) -> AbstractAsyncContextManager[GateClient]:
    return GateClient.connect(**of_login(bus.settings.nats("client")), tenant=TENANT)


async def _prepare(editor: GateClient) -> None:
    told = provision()
    await editor.provision(
        display_name=told.display_name,
        organisation=told.organisation,
        policy=told.policy,
        price_book=told.price_book,
    )
    for version in range(2):
        text = f"Versión {version}. " + "¡Goooool! " * (PROMPT_CHARS // 10)
        await editor.save_prompt(text, expected_version=version)
    await editor.activate_prompt(2)


async def _roll_back(editor: GateClient, following: Agents, rollbacks: int) -> RollbackFigures:
    last_s: list[float] = []
    answered_s: list[float] = []
    for number in range(rollbacks):
        began_s = perf_counter()
        receipt = await editor.roll_back_prompt(1 + number % 2)
        answered_s.append(perf_counter() - began_s)
        assert receipt.decision_id is not None, receipt.code
        await following.all_have(int(receipt.decision_id.rpartition(".")[2]))
        last_s.append(perf_counter() - began_s)
    agents = len(following.revisions)
    return RollbackFigures(
        agents,
        rollbacks,
        Latency.of(last_s),
        Latency.of(answered_s),
        agents * rollbacks - following.received,
        following.out_of_order,
    )
