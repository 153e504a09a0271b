"""A stream that is paid for in slices."""

import asyncio

import pytest

from contracts.usage import Usage
from services.vendors.adapter import VendorCutOff, VendorFailed, Way
from services.vendors.counting_vendor import Behaviour
from services.vendors.metered_stream import MeteredStream
from tests.client.twin import option, policy

SLICE = Usage(stream_ms=10_000)
SLICE_NANOS = 10_000_000


@pytest.fixture
def talk():
    return Way(option("voice", sku="talk", stream_ms=10_000))


class TestStream:
    async def test_a_minute_is_booked_once_with_all_its_slices(
        self, client, adapter, talk, vendor, fake_gate
    ):
        """Six slices, five extensions, one settlement."""
        async with MeteredStream(client, adapter, talk) as stream:
            for _ in range(5):
                await stream.more(SLICE)

        assert stream.receipt.cost_nanos == 6 * SLICE_NANOS
        assert list(vendor.refs.values()) == [6]
        names = [type(command).__name__ for command in fake_gate.heard]
        assert names[1:] == ["AuthorizeCall", *["ExtendCall"] * 5, "SettleCall"]
        assert fake_gate.totals("cantor").held_nanos == 0

    async def test_a_refused_stream_is_never_begun(self, client, adapter, talk, vendor):
        """The refusal is in the decision, and there is nothing to settle."""
        await client.suspend()
        async with MeteredStream(client, adapter, talk) as stream:
            assert stream.decision.status == 403

        assert (stream.receipt, vendor.calls) == (None, 0)

    async def test_a_refused_extension_generates_nothing(
        self, client, adapter, talk, vendor, fake_gate
    ):
        """The month has money for two slices: the third is refused and the stream booked at two."""
        await client.set_policy(policy(limit_cents=2))
        async with MeteredStream(client, adapter, talk) as stream:
            assert (await stream.more(SLICE)).status == 200
            assert (await stream.more(SLICE)).status == 402

        assert stream.receipt.cost_nanos == 2 * SLICE_NANOS
        assert list(vendor.refs.values()) == [2]

    async def test_a_slice_that_failed_unbilled_is_not_booked(self, client, adapter, talk, vendor):
        """What the vendor says it does not bill is not counted; what came before is."""
        with pytest.raises(VendorFailed):
            async with MeteredStream(client, adapter, talk) as stream:
                vendor.behaviour = Behaviour(status=503)
                await stream.more(SLICE)

        assert stream.receipt.cost_nanos == SLICE_NANOS

    async def test_a_slice_whose_answer_is_lost_is_booked(
        self, client, adapter, talk, vendor, fake_gate
    ):
        """It was generated; and when the stream's end is lost too, our own count stands."""
        with pytest.raises(VendorCutOff):
            async with MeteredStream(client, adapter, talk) as stream:
                vendor.behaviour = Behaviour(breaks_off=True)
                try:
                    await stream.more(SLICE)
                finally:
                    vendor._streams.clear()

        assert (fake_gate.heard[-1].outcome, stream.receipt.cost_nanos) == (
            "cut_off",
            2 * SLICE_NANOS,
        )

    async def test_a_cancelled_stream_is_ended_and_booked(
        self, client, adapter, talk, vendor, fake_gate
    ):
        """Vendors bill until they are told to stop; a visitor who hangs up tells nobody."""
        begun = asyncio.Event()

        async def watch():
            async with MeteredStream(client, adapter, talk):
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(watch())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.errands.drain()

        assert vendor._streams == {}
        totals = fake_gate.totals("cantor")
        assert (totals.held_nanos, totals.committed_nanos) == (0, SLICE_NANOS)
