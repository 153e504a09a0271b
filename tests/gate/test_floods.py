"""
Floods, in virtual time: too many commands are refused, too many refusals are counted exactly.
"""

from __future__ import annotations

import asyncio

from contracts.budget import CallRefused, RefusalsCounted
from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance
from contracts.tenant import ProvisionTenant
from domain.flood import REFUSALS_RECORDED_PER_S
from services.gate import writer
from services.gate.waiter import RETRY_AFTER_MS
from tests.gate.shards import authorize, events_of, shard_test, top_up
from tests.simulation.twins import provision

DEAR = 9_000_000_000_000_000


@shard_test
async def test_too_many_waiting_commands_are_refused_at_once(world, worker):
    """
    A log that hangs must not fill memory; who comes later is told when to come back.
    """
    world.log.open.clear()
    waiting = [world.send(worker, "cantor", top_up()) for _ in range(writer.WAITING_MAX)]
    (late,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 1)
    assert (late.code, late.status, late.decision_id) == ("overloaded", 503, None)
    assert late.retry_after_ms == RETRY_AFTER_MS
    world.log.open.set()
    answers = await asyncio.gather(*waiting)
    assert {answer.code for (answer,) in answers} == {"topped_up"}
    (again,) = await world.send(worker, "cantor", top_up())
    assert again.code == "topped_up"


@shard_test
async def test_lists_count_by_their_commands(world, worker):
    """
    A message of 256 authorisations waits with 256 decisions.
    """
    await world.ask("fernandez", provision(10**9, 1))
    world.log.open.clear()
    for _ in range(writer.WAITING_MAX // 256):
        world.send(worker, "fernandez", *(authorize() for _ in range(256)))
    (late,) = await asyncio.wait_for(world.send(worker, "fernandez", top_up()), 1)
    assert late.code == "overloaded"
    world.log.open.set()


@shard_test
async def test_a_flood_of_refusals_is_counted_exactly_and_bounded(world, worker):
    """
    Refusals are decisions; a thousand a second of them must not be a thousand events.
    """
    began_s = world.loop.time()
    refused = 0
    for _ in range(5):
        answers = await asyncio.gather(
            *(world.send(worker, "cantor", authorize(requests=500)) for _ in range(1_000))
        )
        assert {answer.code for (answer,) in answers} == {"monthly_hard_limit_reached"}
        refused += len(answers)
        await asyncio.sleep(0.3)
    await asyncio.sleep(3)
    took_s = int(world.loop.time() - began_s) + 2
    check_refusals(await events_of(world, "cantor"), refused, took_s)


def check_refusals(events: list, refused: int, took_s: int) -> None:
    recorded = [event for event in events if isinstance(event, CallRefused)]
    counted = [event for event in events if isinstance(event, RefusalsCounted)]
    assert len(recorded) + sum(sum(event.counts.values()) for event in counted) == refused
    assert len(recorded) + len(counted) <= (REFUSALS_RECORDED_PER_S + 1) * took_s


@shard_test
async def test_a_flood_is_still_counted_when_its_writer_is_lost(world, worker):
    """
    They were answered as refused; another worker's commit must not make them unsaid.
    """
    refused = 0
    for round_ in range(4):
        answers = await asyncio.gather(
            *(world.send(worker, "cantor", authorize(requests=500)) for _ in range(200))
        )
        refused += len([a for (a,) in answers if a.code == "monthly_hard_limit_reached"])
        if round_ < 3:
            other = world.start_worker()
            await world.send(other, "cantor", top_up(1))
            world.kill_worker(other)
            await world.send(worker, "cantor", top_up(1))
    await asyncio.sleep(3)
    check_refusals(await events_of(world, "cantor"), refused, 1_000)


@shard_test
async def test_a_flood_is_written_down_by_a_worker_that_steps_down(world, worker):
    """
    A clean stop loses nothing, not even a count.
    """
    answers = await asyncio.gather(
        *(world.send(worker, "cantor", authorize(requests=500)) for _ in range(300))
    )
    await worker.drain(2.0)
    await worker.stop()
    check_refusals(await events_of(world, "cantor"), len(answers), 1_000)


@shard_test
async def test_a_flood_for_absurd_amounts_does_not_end_the_shard(world, worker):
    """
    The sum of what was asked for can pass 64 bits, which no event holds.
    """
    await world.ask("fernandez", dear())
    calls = [authorize(requests=1) for _ in range(3_000)]
    answers = await asyncio.gather(*(world.send(worker, "fernandez", call) for call in calls))
    assert {answer.status for (answer,) in answers} == {402}
    await asyncio.sleep(3)
    (fine,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
    assert fine.code == "topped_up"
    check_refusals(await events_of(world, "fernandez"), 3_000, 1_000)


def dear() -> ProvisionTenant:
    source = Provenance(source="test", retrieved_on="2026-01-01")
    return ProvisionTenant(
        command_id="provision",
        display_name="Twin",
        organisation="Test",
        policy=Policy(
            rate=RatePolicy(requests=1_000_000, burst=1_000_000),
            budget=BudgetPolicy(monthly_hard_limit_nanos=10),
            modalities=["text"],
        ),
        price_book=PriceBook([PriceEntry("p", "s", "text", {"requests": Price(DEAR)}, source)]),
        activation="immediate",
    )
