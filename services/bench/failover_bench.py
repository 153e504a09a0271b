"""How long a tenant stays without answers when its worker is killed."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import perf_counter

import msgspec

from contracts.replies import Decision
from contracts.usage import Usage
from services.bench.bus import Bus, fresh_bus
from services.bench.domain_bench import provision
from services.client import GateClient
from services.client.patience import Patience
from services.embedded.child import Child

TENANT = "hot"


class FailoverFigures(msgspec.Struct, frozen=True):
    """*silence_s* is the longest gap between two answers; *lost* and *doubled* must be 0."""

    silence_s: float
    acknowledged: int
    lost: int
    doubled: int


async def measure() -> FailoverFigures:
    """Kill one of two workers under load, whichever owns the tenant: kill both in turn."""
    async with fresh_bus() as bus:
        workers = [await bus.start_worker(), await bus.start_worker()]
        login = bus.settings.nats("client")
        async with GateClient.connect(
            list(login.urls),
            tenant=TENANT,
            user=login.user,
            password=login.password.reveal(),
            patience=Patience(deadline_s=30.0, attempt_s=0.5),
        ) as client:
            return await _kill_in_turn(bus, client, workers)


async def _kill_in_turn(bus: Bus, client: GateClient, workers: list[Child]) -> FailoverFigures:
    told = provision()
    await client.provision(
        display_name=told.display_name,
        organisation=told.organisation,
        policy=told.policy,
        price_book=told.price_book,
        activation="immediate",
    )
    answered_s: list[float] = []
    decisions: list[str] = []
    stop = asyncio.Event()
    load = [asyncio.create_task(_load(client, answered_s, decisions, stop)) for _ in range(4)]
    for worker in workers:
        await asyncio.sleep(1.5)
        worker.kill()
        await bus.start_worker()
        await asyncio.sleep(3)
    stop.set()
    await asyncio.gather(*load)
    silence = max(b - a for a, b in pairwise(answered_s))
    lost = 0
    for name in decisions:
        command_id, _, decision_id = name.partition(" ")
        again = await _ask(client, command_id)
        lost += again.decision_id != decision_id
    doubled = len(decisions) - len({name.partition(" ")[2] for name in decisions})
    return FailoverFigures(silence, len(decisions), lost, doubled)


async def _load(
    client: GateClient, answered_s: list[float], decisions: list[str], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        command_id = f"f-{len(decisions)}-{id(asyncio.current_task())}"
        decision = await _ask(client, command_id)
        answered_s.append(perf_counter())
        decisions.append(f"{command_id} {decision.decision_id}")
        await asyncio.sleep(0.01)


async def _ask(client: GateClient, command_id: str) -> Decision:
    return await client.authorize(
        modality="text",
        provider_id="openai",
        sku="gpt-4o-mini",
        estimate=Usage(input_tokens=374, output_tokens=44),
        command_id=command_id,
    )
