"""
What becomes of commands whose commit the log does not take, in virtual time.

Also what keeps commits and batches small enough for it to take them.
"""

from __future__ import annotations

import asyncio

import pytest

from contracts.budget import CallAuthorized, CallSettled, Standing
from contracts.commit import COMMIT_BYTES_MAX, encode_events
from contracts.price_book import Price, PriceBook, PriceEntry, Provenance, SetPriceBook
from contracts.usage import Units, Usage
from domain import gate as domain_gate
from services.eventstore.appending import Append
from services.eventstore.errors import FenceConflict, StreamFull, TooLarge, Unavailable
from services.gate import committer
from services.gate.group import size_guess
from services.tenant_log.replay import fold
from tests.gate.shards import numbers, shard_test, top_up
from tests.simulation.twins import provision
from tests.simulation.virtual_time import run
from tests.simulation.world import World


@pytest.mark.parametrize(
    "problem", [StreamFull("full"), TooLarge("too large"), Unavailable("away"), OSError("?")]
)
def test_a_log_that_takes_nothing_is_said_and_not_tried_in_a_circle(problem):
    """
    Nothing is stored then, and deciding again at once would only fail again, for ever.
    """

    async def main():
        world = World(0)
        worker = world.start_worker()
        await world.ask("cantor", provision(1_000, 10))
        attempts = []
        append = world.log.append

        async def refused(appends):
            attempts.append(appends)
            raise problem

        world.log.append = refused
        (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
        assert answer.code == "cannot_verify"
        assert len(attempts) == 1

        world.log.append = append
        (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
        assert answer.code == "topped_up"
        folded = await fold("cantor", world.log, world.keys)
        assert folded.state.budget.credits_added_nanos == 5

    run(0, main())


@shard_test
async def test_a_tenant_that_another_writes_all_the_time_is_refused_in_the_end(world, worker):
    """
    Deciding again has an end, too.
    """
    attempts = []

    async def stale(appends):
        attempts.append(appends)
        raise FenceConflict("somebody was first")

    world.log.append = stale
    (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 60)
    assert answer.code == "cannot_verify"
    assert len(attempts) < 20


@shard_test
async def test_one_stale_tenant_of_a_batch_does_not_hurt_the_others(world, worker):
    """
    A batch is all or nothing, so it is sent again one by one.
    """
    names = [f"twin-{n}" for n in range(30)]
    for name in names:
        await world.ask(name, provision(1_000, 10))
    world.log.batches.clear()
    # Somebody else writes for twin-7: our writer does not know.
    other = world.start_worker()
    await asyncio.gather(world.send(other, "twin-7", top_up(1)))
    answers = await asyncio.gather(*(world.send(worker, name, top_up(5)) for name in names))
    assert {answer.code for (answer,) in answers} == {"topped_up"}
    for name in names:
        folded = await fold(name, world.log, world.keys)
        assert folded.state.budget.credits_added_nanos == (6 if name == "twin-7" else 5)


@shard_test
async def test_a_batch_is_bounded_in_bytes(world, worker):
    """
    Hundreds of tenants with large commits at once are more than the log takes in one piece.
    """
    names = [f"twin-{n}" for n in range(60)]
    for name in names:
        await world.ask(name, provision(1_000, 10))
    sizes = []
    append = world.log.append

    async def measured(appends):
        sizes.append((len(appends), sum(len(one.state) for one in appends)))
        return await append(appends)

    world.log.append = measured
    answers = await asyncio.gather(
        *(world.send(worker, name, large_book()) for name in names for _ in range(2))
    )
    assert {answer.code for (answer,) in answers} == {"price_book_set"}
    assert max(number for number, _ in sizes) > 1
    assert max(size for _, size in sizes) <= committer.BATCH_BYTES_MAX + COMMIT_BYTES_MAX


def large_book(entries: int = 500) -> SetPriceBook:
    """A price book near its bounds, about half a megabyte."""
    source = Provenance(source="x" * 500, retrieved_on="2026-01-01", note="y" * 500)
    prices = {"requests": Price(10)}
    return SetPriceBook(
        command_id=f"b{next(numbers)}",
        price_book=PriceBook(
            entries=[
                PriceEntry(
                    provider_id="p",
                    sku=f"s{n}" if n else "s",
                    modality="text",
                    prices=prices,
                    provenance=source,
                )
                for n in range(entries)
            ]
        ),
    )


@shard_test
async def test_no_commit_is_too_large_whatever_is_grouped(world, worker):
    """
    A commit that the server does not take would be decided again and refused again, for ever.
    """
    world.log.open.clear()
    asked = [world.send(worker, "cantor", large_book()) for _ in range(12)]
    asked += [world.send(worker, "cantor", top_up(reason="\U0001f600" * 500)) for _ in range(2_500)]
    world.log.open.set()
    answers = await asyncio.gather(*asked)
    assert {answer.code for (answer,) in answers} == {"price_book_set", "topped_up"}
    assert max(len(recorded.state) for recorded in world.log.stored) <= COMMIT_BYTES_MAX


@shard_test
async def test_a_fault_in_one_decision_does_not_silence_its_tenant_or_its_shard(world, worker):
    """
    Its caller is refused, the state is built anew, and what others were told stays true.
    """
    world.log.open.clear()
    before = world.send(worker, "cantor", top_up(7))
    decide = domain_gate.decide
    poison = top_up(9)

    def faulty(state, command, envelope):
        if command is poison:
            state.budget.credits_added_nanos = 10**15  # half changed
            raise ZeroDivisionError
        return decide(state, command, envelope)

    domain_gate.decide = faulty
    try:
        (answer,) = await asyncio.wait_for(world.send(worker, "cantor", poison), 1)
        assert answer.code == "cannot_verify"
    finally:
        domain_gate.decide = decide
    world.log.open.set()
    (answer,) = await asyncio.wait_for(before, 60)
    assert answer.code in ("topped_up", "cannot_verify")
    (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up(1)), 60)
    assert answer.code == "topped_up"
    folded = await fold("cantor", world.log, world.keys)
    assert folded.state.budget.credits_added_nanos in (1, 8)
    assert worker._writers["cantor"].state.budget == folded.state.budget


@shard_test
async def test_a_commit_that_cannot_be_made_does_not_end_committing(world, worker):
    """
    One tenant's bytes that do not encode must not stop the whole shard's commits.
    """
    await world.ask("fernandez", provision(1_000, 10))
    take = worker._writers["cantor"].take

    def broken():
        take()
        raise OverflowError("an integer beyond 64 bits")

    worker._writers["cantor"].take = broken
    (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
    assert answer.code == "cannot_verify"
    (answer,) = await asyncio.wait_for(world.send(worker, "fernandez", top_up()), 5)
    assert answer.code == "topped_up"
    (answer,) = await asyncio.wait_for(world.send(worker, "cantor", top_up()), 5)
    assert answer.code == "topped_up"


def test_the_largest_hot_events_are_not_larger_than_they_are_taken_for():
    """
    Their size is not measured one by one; the bound must be one.
    """
    for event in largest_events():
        assert len(encode_events([event])) <= size_guess([event])


def largest_events() -> list:
    most, text = 9_000_000_000_000_000, "x" * 64
    units, usage = Units(*[most] * 4), Usage(*[10**9] * 6)
    standing = Standing(*[most] * 5)
    head = (most, text, b"12345678", most)
    return [
        CallAuthorized(
            *head,
            "video",
            "video",
            "monthly_hard_limit_reached",
            text,
            text,
            usage,
            "2026-01",
            most,
            most,
            units,
            most,
            most,
            most,
            text,
            most,
            most,
            standing,
        ),
        CallSettled(
            *head,
            most,
            "completed",
            "video",
            text,
            text,
            usage,
            "2026-01",
            most,
            most,
            most,
            True,
            units,
            most,
            most,
            units,
            text,
            "\U0001f600" * 128,
            most,
            most,
            standing,
        ),
    ]


def test_the_simulated_log_has_a_fence():
    """
    The log that these tests stand on must refuse what the real one refuses.
    """

    async def main():
        world = World(0)
        world.start_worker()
        await world.ask("cantor", provision(1_000, 10))
        (recorded,) = world.log.stored
        stale = Append("cantor", 2, recorded.topic, "budget", b"x", expected_seq=recorded.seq - 1)
        with pytest.raises(FenceConflict):
            await world.log.append([stale])

    run(0, main())
