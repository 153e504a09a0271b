"""Traffic against the real rules: open loop, honest latencies, and books that balance."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from contracts.views import BudgetView
from services.client import GateClient
from services.client.patience import Timing
from services.demo import traffic as traffic_module
from services.demo.check import check, committed_nanos, held_nanos
from services.demo.schedule import turns
from services.demo.tally import Tally
from services.demo.trace import Row, read_trace
from services.demo.traffic import TalliedClient, Traffic
from services.demo.turns import PROVIDERS
from services.live.parts import open_parts
from services.sandbox.server import Sandbox
from services.settings import Settings
from services.twins import TWINS
from services.twins.calibration import Studio
from services.twins.provisioning import provision_demo_twins
from services.vendors.adapter import Vendors
from services.vendors.counting import CountingAdapter
from services.vendors.counting_vendor import Behaviour, CountingVendor
from services.vendors.outbound import Outbound
from tests.client.fake_gate import FakeGate


@pytest.fixture
async def played(own_nats):
    """Clients of both twins with their tallies, and vendors on real HTTP."""
    fake = FakeGate()
    await fake.listen(own_nats.url_for("unrestricted"))
    async with (
        AsyncExitStack() as stack,
        Sandbox() as sandbox,
        CountingVendor() as vendor,
        Outbound(vendor.url) as outbound,
        GateClient.connect(own_nats.url_for("client"), tenant="cantor") as plain,
        TalliedClient.connect(own_nats.url_for("client"), tenant="cantor") as first,
    ):
        settings = Settings.from_env({"VITO_SANDBOX_URL": sandbox.url})
        studio = Studio(parts=await open_parts(settings, stack))
        await provision_demo_twins(plain, studio)
        clients = {twin.tenant: first.for_tenant(twin.tenant) for twin in TWINS}
        for client in clients.values():
            client.tally = Tally()
        yield clients, Vendors(*(CountingAdapter(name, outbound) for name in PROVIDERS)), vendor
    await fake.close()


class TestTraffic:
    async def test_two_seconds_of_the_trace_balance_to_the_nano(self, played):
        """The whole way, hang-ups included: every receipt is in the meters, nothing stays held."""
        clients, vendors, vendor = played
        before = {name: await client.show(BudgetView) for name, client in clients.items()}
        traffic = Traffic(clients, vendors, speed=40.0, timing=Timing())
        await traffic.run(turns(read_trace(), speed=40.0, lasts_us=2_000_000, run="r"))
        for client in clients.values():
            await client.errands.drain()

        for name, client in clients.items():
            after = await client.show(BudgetView)
            findings = check(name, client.tally, before[name], after, None)
            assert all(finding.holds for finding in findings), findings
        tallies = [client.tally for client in clients.values()]
        assert traffic.sent > 100
        assert sum(tally.receipts for tally in tallies) >= vendor.calls > 100
        assert sum(tally.unanswered for tally in tallies) == 0

    async def test_ctrl_c_leaves_no_hold_and_no_call_unbooked(self, played):
        """Who ends the demo early must not leave the twins with money held for nobody."""
        clients, vendors, vendor = played
        vendor.behaviour = Behaviour(delay_s=0.2)
        # What the samples of the mirror test have cost.
        before = {n: committed_nanos(await c.show(BudgetView)) for n, c in clients.items()}
        traffic = Traffic(clients, vendors, speed=40.0, timing=Timing())
        schedule = turns(read_trace(), speed=40.0, lasts_us=60_000_000, run="r")
        playing = asyncio.ensure_future(traffic.run(schedule))
        while vendor.calls < 20:  # noqa: ASYNC110 - the vendor has no event of ours
            await asyncio.sleep(0.01)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await clients["cantor"].errands.drain()

        assert traffic.in_flight == 0
        for name, client in clients.items():
            view = await client.show(BudgetView)
            assert held_nanos(view) == 0
            assert committed_nanos(view) - before[name] == client.tally.booked_nanos
        assert sum(client.tally.receipts for client in clients.values()) >= vendor.calls

    async def test_a_stall_shows_in_the_latency_of_what_it_delayed(self, played, monkeypatch):
        """No coordinated omission: latency counts from when a call was due."""
        clients, vendors, _ = played
        now = {"us": 0}
        timing = Timing(monotonic_us=lambda: now["us"], sleep=lambda _: asyncio.sleep(0))
        for client in clients.values():
            client.timing = timing
        monkeypatch.setattr(traffic_module, "calls", lambda turn, speed: [])
        seen = []

        async def late(traffic, turn, due_us):
            seen.append(traffic._timing.monotonic_us() - due_us)

        monkeypatch.setattr(Traffic, "_turn", late)
        rows = [Row(0, 100, 1), Row(100, 100, 1)]
        now["us"] = 1_000
        traffic = Traffic(clients, vendors, speed=1.0, timing=timing)
        schedule = turns(rows, speed=1.0, lasts_us=200, run="r")

        def stalled():
            for turn in schedule:
                now["us"] += 5_000
                yield turn

        await traffic.run(stalled())

        assert seen == [10_000, 9_900]

    async def test_what_is_in_flight_is_bounded(self, played, monkeypatch):
        """A gate that has stopped must not make the demo grow without end."""
        clients, vendors, _ = played
        monkeypatch.setattr(traffic_module, "IN_FLIGHT_MAX", 3)
        most = 0
        finish = asyncio.Event()

        async def turn_of(traffic, _turn, _due_us):
            nonlocal most
            most = max(most, traffic.in_flight)
            if traffic.sent == 3:
                finish.set()
            await finish.wait()

        monkeypatch.setattr(Traffic, "_turn", turn_of)
        traffic = Traffic(clients, vendors, speed=1.0, timing=Timing())
        rows = [Row(number, 100, 1) for number in range(20)]
        await traffic.run(turns(rows, speed=1.0, lasts_us=20, run="r"))

        assert (most, traffic.sent) == (3, 20)

    async def test_a_bug_in_a_turn_ends_the_demo(self, played, monkeypatch):
        """A demo that hides its own faults would prove nothing."""
        clients, vendors, _ = played

        async def broken(_traffic, _turn, _due_us):
            raise ZeroDivisionError

        monkeypatch.setattr(Traffic, "_turn", broken)
        with pytest.raises(ZeroDivisionError):
            await Traffic(clients, vendors, speed=1.0, timing=Timing()).run(
                turns([Row(0, 1, 1)], speed=1.0, lasts_us=1, run="r")
            )
