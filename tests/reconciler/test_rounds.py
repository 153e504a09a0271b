"""When it is looked: rounds that drift apart, hints that are gathered, and nothing unbounded."""

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from services.client.patience import Timing
from services.client.read_side import ReadSideProblem
from services.reconciler import rounds as module
from services.reconciler.figures import Figures
from services.reconciler.hint import Hint
from services.reconciler.rounds import Rounds
from services.sandbox.clock import HandClock
from services.vendors.reconciliation import Finding, Report

CANTOR = Hint("cantor", "tavus")
EVERY_S = 300
AGAIN_S = 120 + 30


class Looks:
    """Stands for `Reconciling`: writes down who was looked at, and when."""

    provider_ids = frozenset(("tavus", "livekit"))

    def __init__(self, clock):
        self.clock = clock
        self.rounds_us = []
        self.hints = []
        self.fails = False

    async def once(self):
        self.rounds_us.append(self.clock.now_us())
        if self.fails:
            raise ReadSideProblem("The query API did not answer.", "look at it.")
        finding = Finding(
            what="booked_late", ref="c1", reservation_id="cantor.5", hold="expired", cost_nanos=7
        )
        return [Report(tenant="cantor", provider_id="tavus", sessions=1, findings=[finding])]

    async def look(self, tenant, provider_id):
        self.hints.append((self.clock.now_us() - self.start_us, tenant, provider_id))
        return Report(tenant=tenant, provider_id=provider_id)


class World:
    def __init__(self, chance):
        self.clock = HandClock()
        self.looks = Looks(self.clock)
        self.looks.start_us = self.clock.now_us()
        self.figures = Figures()

        async def sleep(for_s):
            await self.clock.sleep_ms(round(for_s * 1_000))

        timing = Timing(
            monotonic_us=self.clock.now_us,
            wall_us=self.clock.now_us,
            sleep=sleep,
            chance=lambda: chance,
        )
        self.rounds = Rounds(self.looks, self.figures, every_s=EVERY_S, hold_s=120, timing=timing)

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)

    async def pass_s(self, seconds):
        for _ in range(seconds):
            self.clock.advance_ms(1_000)
            await self.settle()

    def figure(self, name, **labels):
        return self.figures.registry.get_sample_value(f"vito_reconcile_{name}", labels)

    def looked_s(self):
        return [at_us / 1_000_000 for at_us, *_ in self.looks.hints]


@asynccontextmanager
async def world(chance=0.5):
    made, stop = World(chance), asyncio.Event()
    running = asyncio.create_task(made.rounds.run(stop))
    await made.settle()
    yield made
    stop.set()
    async with asyncio.timeout(5):
        await running


class TestRounds:
    @pytest.mark.parametrize(("chance", "first_s", "every_s"), [(0.0, 0, 270), (0.5, 2.5, 300)])
    async def test_they_come_one_after_the_other_with_jitter(self, chance, first_s, every_s):
        """Two processes that were started together must not ask every vendor together."""
        async with world(chance) as at:
            await at.pass_s(3 + 2 * every_s)
            began_us = at.looks.rounds_us

        gaps = [(b - a) / 1_000_000 for a, b in pairwise(began_us)]
        assert (began_us[0] - at.looks.start_us) / 1_000_000 == pytest.approx(first_s, abs=1)
        assert gaps == pytest.approx([every_s, every_s], abs=1)

    async def test_what_was_found_is_counted(self):
        """For whoever watches: how many, at what cost, and when it was looked last."""
        async with world() as at:
            await at.pass_s(3)

            assert at.figure("looks_total", provider_id="tavus", result="done") == 1
            found = at.figure("findings_total", provider_id="tavus", what="booked_late")
            assert (found, at.figure("booked_nanos_total", provider_id="tavus")) == (1, 7)
            assert at.figure("rounds_total", result="done") == 1
            assert at.figure("last_round_unixtime") == pytest.approx(
                at.clock.now_us() / 1_000_000, abs=1
            )

    async def test_one_that_cannot_be_made_is_counted_and_the_next_one_comes(self):
        """The read side may be away for a while; that must not end the service."""
        async with world() as at:
            at.looks.fails = True
            await at.pass_s(3)
            at.looks.fails = False
            await at.pass_s(EVERY_S)

            results = [at.figure("rounds_total", result=name) for name in ("failed", "done")]
            assert results == [1, 1]


class TestHints:
    async def test_one_is_looked_for_soon_and_once_more_after_the_hold(self):
        """At first the hold may be open, and its cost nobody's to book yet."""
        async with world() as at:
            at.rounds.hint(CANTOR)
            await at.pass_s(AGAIN_S + 20)

            assert at.looked_s() == pytest.approx([1, AGAIN_S], abs=1)

    async def test_many_of_the_same_are_one(self):
        """A vendor repeats its webhooks until it is answered, and sends several for one end."""
        async with world() as at:
            for _ in range(50):
                at.rounds.hint(CANTOR)
            await at.pass_s(2)
            at.rounds.hint(CANTOR)
            at.rounds.hint(CANTOR)
            await at.pass_s(15)

            # The second one after the gap, and not before.
            assert at.looked_s() == pytest.approx([1, 11], abs=1)

    async def test_others_are_not_held_up(self):
        """Each twin and vendor has a time of its own."""
        async with world() as at:
            at.rounds.hint(CANTOR)
            at.rounds.hint(Hint("cantor", "livekit"))
            at.rounds.hint(Hint("fernandez", "tavus"))
            await at.pass_s(3)

            assert len(at.looks.hints) == 3

    async def test_what_nobody_asks_is_not_looked_for(self):
        """A hint about a vendor that keeps no sessions is nothing."""
        async with world() as at:
            at.rounds.hint(Hint("cantor", "openai"))
            await at.pass_s(200)

            assert at.looks.hints == []

    async def test_they_are_bounded(self, monkeypatch):
        """Whoever floods finds a round instead."""
        monkeypatch.setattr(module, "HINTS_MAX", 3)
        async with world() as at:
            for number in range(5):
                at.rounds.hint(Hint(f"t-{number}", "tavus"))
            await at.pass_s(3)

            assert len(at.looks.hints) == 3
            assert at.figure("hints_total", result="dropped") == 2
