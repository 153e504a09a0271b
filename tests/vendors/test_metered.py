"""A metered call: whatever happens in between, the books are closed once and right."""

import asyncio
import contextlib

import msgspec
import pytest

from contracts.usage import Usage
from services.client import CannotVerify, NoGrant
from services.client.patience import Patience
from services.vendors.adapter import VendorCutOff, VendorFailed, Vendors, VendorUnreachable, Way
from services.vendors.counting import CountingAdapter
from services.vendors.counting_vendor import Behaviour
from services.vendors.metered import metered_call
from services.vendors.outbound import Outbound
from tests.client.twin import CENT, FAST, option, policy


def outcomes(fake_gate):
    """What was told to the gate about calls, in order."""
    return [type(command).__name__ for command in fake_gate.heard]


class TestCompleted:
    async def test_books_what_the_vendor_reported(self, client, vendors, way, vendor, fake_gate):
        """The estimate was three, the truth is two, and nothing stays held."""
        done = await metered_call(client, vendors, way)

        assert (done.receipt.cost_nanos, done.receipt.held_nanos) == (2 * CENT, 0)
        assert done.answer.usage == Usage(requests=2)
        assert vendor.calls == 1
        assert fake_gate.heard[-1].vendor_ref == done.answer.vendor_ref

    async def test_a_refused_call_never_reaches_the_vendor(self, client, vendors, way, vendor):
        """EV-01 in small: 402 and the counter does not move."""
        await client.set_policy(policy(limit_cents=2))
        done = await metered_call(client, vendors, way)

        assert (done.decision.status, done.answer, done.receipt) == (402, None, None)
        assert vendor.calls == 0

    async def test_a_throttled_call_waits_for_its_slot(self, client, vendors, way, vendor):
        """The delay is exact, so the vendor must not see the call before it."""
        await client.set_policy(policy(rate=_one_per(100)))
        await metered_call(client, vendors, way)
        done = await metered_call(client, vendors, way)

        first, second = vendor.arrivals_us
        assert done.decision.decision == "THROTTLE"
        assert second - first >= done.decision.delay_us

    async def test_a_stepped_down_call_is_made_in_the_way_that_was_granted(
        self, client, vendors, vendor, fake_gate
    ):
        """The product and the request are those of the fallback."""
        rules = policy(limit_cents=5)
        await client.set_policy(
            msgspec.structs.replace(rules, modalities=["voice", "text"], ladder=["voice", "text"])
        )
        done = await metered_call(
            client,
            vendors,
            Way(option("voice", sku="talk", stream_ms=100_000), {"say": "aloud"}),
            Way(option("text", sku="write", output_tokens=10), {"usage": {"output_tokens": 4}}),
        )

        assert (done.decision.decision, done.decision.modality) == ("DOWNGRADE", "text")
        assert done.answer.usage == Usage(output_tokens=4)

    async def test_a_command_that_was_decided_before_is_not_called_again(
        self, client, vendors, way, vendor
    ):
        """The first caller holds the grant; a second call would have no booking of its own."""
        await metered_call(client, vendors, way, command_id="mine")
        with pytest.raises(NoGrant):
            await metered_call(client, vendors, way, command_id="mine")

        assert vendor.calls == 1


class TestFailed:
    async def test_an_unreachable_vendor_costs_nothing(self, client, way, fake_gate):
        """Not a byte was sent: the hold is given back."""
        async with Outbound("http://127.0.0.1:1") as outbound:
            with pytest.raises(VendorUnreachable):
                await metered_call(client, Vendors(CountingAdapter("acme", outbound)), way)

        assert outcomes(fake_gate)[-1] == "ReleaseCall"
        _closed(fake_gate, committed=0)

    async def test_an_error_that_the_vendor_does_not_bill_costs_nothing(
        self, client, vendors, way, vendor, fake_gate
    ):
        """It is settled, not released: there was a call, and the audit log must show it."""
        vendor.behaviour = Behaviour(status=500)
        with pytest.raises(VendorFailed):
            await metered_call(client, vendors, way)

        assert fake_gate.heard[-1].outcome == "failed"
        _closed(fake_gate, committed=0)

    async def test_an_answer_that_breaks_off_costs_all_that_was_held(
        self, client, vendors, way, vendor, fake_gate
    ):
        """Nobody knows what the vendor generated; it is never booked as free."""
        vendor.behaviour = Behaviour(breaks_off=True)
        with pytest.raises(VendorCutOff):
            await metered_call(client, vendors, way)

        assert fake_gate.heard[-1].outcome == "cut_off"
        _closed(fake_gate, committed=3 * CENT)

    async def test_a_vendor_that_does_not_answer_is_cut_off(self, client, way, vendor, fake_gate):
        """A timeout is unknown, never free."""
        vendor.behaviour = Behaviour(delay_s=30)
        async with Outbound(vendor.url, timeout_s=0.05) as outbound:
            with pytest.raises(VendorCutOff):
                await metered_call(client, Vendors(CountingAdapter("acme", outbound)), way)

        _closed(fake_gate, committed=3 * CENT)

    async def test_a_usage_that_has_no_price_is_booked_at_the_estimate(self, client, vendors):
        """What the price book does not know must not leave a made call unbooked."""
        way = Way(option(requests=3), {"usage": {"characters": 5}})
        done = await metered_call(client, vendors, way)

        assert (done.receipt.code, done.receipt.cost_nanos) == ("settled", 3 * CENT)

    async def test_an_absurd_usage_is_no_answer(self, client, vendors, fake_gate):
        """A number that no contract allows cannot be booked; the estimate is."""
        with pytest.raises(VendorCutOff):
            await metered_call(
                client, vendors, Way(option(requests=3), {"usage": {"requests": 10**15}})
            )

        _closed(fake_gate, committed=3 * CENT)

    async def test_without_a_gate_nothing_is_called(self, client, vendors, way, vendor, fake_gate):
        """Fail closed."""
        fake_gate.faults += ["lost"] * 100
        client.patience = Patience(deadline_s=0.2, attempt_s=0.1)
        with pytest.raises(CannotVerify):
            await metered_call(client, vendors, way)

        assert vendor.calls == 0

    async def test_a_provider_without_an_adapter_is_not_even_asked_for(
        self, client, vendors, fake_gate
    ):
        """A hold that nobody can use would starve others."""
        heard = len(fake_gate.heard)
        with pytest.raises(KeyError):
            await metered_call(client, vendors, Way(option(provider_id="other")))

        assert len(fake_gate.heard) == heard

    async def test_a_booking_whose_reply_is_lost_is_repeated(self, client, vendors, way, fake_gate):
        """Once in the log, whatever the network does."""
        fake_gate.faults += [None, "lost"]
        done = await metered_call(client, vendors, way)

        assert done.receipt.replayed
        assert outcomes(fake_gate)[-2:] == ["SettleCall", "SettleCall"]
        _closed(fake_gate, committed=2 * CENT)


class CancelAt:
    """Runs a coroutine in the current task and cancels that task at its *n*-th wait."""

    def __init__(self, work, n):
        self.work = work
        self.n = n
        self.waits = 0

    def __await__(self):
        steps = self.work.__await__()
        send, value = steps.send, None
        while True:
            try:
                waited_for = send(value)
            except StopIteration as end:
                return end.value
            if self.waits == self.n:
                # Takes effect at the very wait that is handed on below.
                asyncio.current_task().cancel()
            self.waits += 1
            send, value = steps.send, None
            try:
                value = yield waited_for
            except BaseException as problem:  # noqa: BLE001 - handed on to the coroutine
                send, value = steps.throw, problem


class TestCancelled:
    @pytest.mark.parametrize("delay_s", [0.0, 0.01])
    async def test_at_every_wait_the_books_are_closed(
        self, client, vendors, vendor, fake_gate, delay_s, way
    ):
        """
        Goal: a cancelled caller leaves no hold, and no call that was made unbooked.
        Method: cancel at the first wait, at the second, and so on, until one call is not cancelled.
        """
        vendor.behaviour = Behaviour(delay_s=delay_s)
        # Throttled as well, so that the wait for the slot is among the waits.
        await client.set_policy(policy(rate=_one_per(20)))
        waits = 0
        while True:
            calls, committed = vendor.calls, fake_gate.totals("cantor").committed_nanos
            stepper = CancelAt(metered_call(client, vendors, way), waits)
            task = asyncio.ensure_future(_run(stepper))
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await client.errands.drain()
            totals = fake_gate.totals("cantor")
            assert totals.held_nanos == 0, f"cancelled at wait {waits}"
            booked = totals.committed_nanos - committed
            assert booked > 0 or vendor.calls == calls, f"cancelled at wait {waits}"
            if not task.cancelled():
                break
            waits += 1

        # How many there are differs with the network; asking, waiting for the slot, calling and
        # booking are always among them.
        assert waits >= 4

    async def test_a_cancelled_caller_does_not_wait_for_its_booking(
        self, client, vendors, vendor, way, fake_gate
    ):
        """A visitor who hangs up must not hold a worker; the booking is made all the same."""
        vendor.behaviour = Behaviour(delay_s=30)
        task = asyncio.ensure_future(metered_call(client, vendors, way))
        while not vendor.calls:  # noqa: ASYNC110 - the vendor has no event of ours
            await asyncio.sleep(0.001)
        fake_gate.faults += ["lost"] * 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert fake_gate.totals("cantor").held_nanos == 3 * CENT
        await client.errands.drain()
        _closed(fake_gate, committed=3 * CENT)


async def _run(stepper):
    return await stepper


def _one_per(period_ms):
    return FAST.__class__(
        requests=1, period_ms=period_ms, burst=1, overflow="queue", queue_max_delay_ms=60_000
    )


def _closed(fake_gate, *, committed):
    totals = fake_gate.totals("cantor")
    assert (totals.held_nanos, totals.committed_nanos) == (0, committed)
