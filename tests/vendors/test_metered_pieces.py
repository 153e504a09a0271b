"""A metered answer in pieces: whatever ends it, it ends at the vendor and in the books, once."""

import asyncio
import contextlib

import pytest

from contracts.usage import Usage
from services.client import CannotVerify, NoGrant, SecretRefused
from services.client.meter import plus
from services.client.patience import Patience
from services.sandbox.faults import Fault
from services.twins.prices import GPT_4O_MINI
from services.vendors.adapter import VendorCutOff, Vendors, Way
from services.vendors.chat.model import TextPiece
from services.vendors.metered import metered_call
from services.vendors.metered_pieces import metered_pieces
from services.vendors.pieces import PiecesAdapter
from tests.client.twin import FAST, option
from tests.vendors.speaking import (
    MODEL,
    VOICE_MODEL,
    chat,
    covers,
    price,
    rules,
    speech,
)
from tests.vendors.test_metered import CancelAt


@pytest.fixture
def way(model):
    return model.way(MODEL, chat(), output_tokens=100)


class TestEnds:
    async def test_a_refused_call_never_reaches_the_vendor(self, speaker, speakers, way, sandbox):
        """The block is entered, there is nothing to read, and the decision says why."""
        await speaker.suspend()
        async with metered_pieces(speaker, speakers, way) as talk:
            assert not talk.granted
            assert [piece async for piece in talk] == []

        assert (talk.decision.status, talk.receipt) == (403, None)
        assert list(sandbox.ledger.calls()) == []

    async def test_a_block_that_reads_nothing_calls_nobody(
        self, speaker, speakers, way, sandbox, books
    ):
        """The hold is given back."""
        async with metered_pieces(speaker, speakers, way) as talk:
            assert talk.granted

        (ended,) = books.told
        assert (type(ended).__name__, books.totals.committed_nanos) == ("ReleaseCall", 0)
        assert list(sandbox.ledger.calls()) == []

    async def test_read_to_the_end_it_is_booked_before_the_block_ends(
        self, speaker, speakers, way, books
    ):
        """Whoever plays the pieces inside the block for a minute holds no money meanwhile."""
        async with metered_pieces(speaker, speakers, way) as talk:
            async for _ in talk:
                pass
            await asyncio.shield(talk._closing)
            assert books.settled.outcome == "completed"
        assert talk.receipt.code == "settled"
        assert books.are_closed()

    async def test_a_problem_of_the_reader_ends_the_call(self, speaker, speakers, way, books):
        """The bug is the reader's, the bill is not forgotten."""
        with pytest.raises(ZeroDivisionError):
            async with metered_pieces(speaker, speakers, way) as talk:
                async for piece in talk:
                    len(piece.text) // 0

        assert books.settled.outcome == "cut_off"
        assert books.are_closed()

    async def test_an_answer_that_outlives_its_hold_is_cut(
        self, speaker, speakers, way, sandbox, books
    ):
        """Its money could be somebody else's by then."""
        sandbox.faults.add(
            Fault(vendor="openai", kind="slow", after_chunks=3, delay_ms=60_000, times=1)
        )
        with pytest.raises(VendorCutOff, match="its hold"):
            async with metered_pieces(speaker, speakers, way, ttl_ms=1_000) as talk:
                talk._expires_at_us = speaker.timing.monotonic_us() + 50_000
                async for _ in talk:
                    pass
        sandbox.clock.advance_ms(60_000)

        assert books.settled.outcome == "cut_off"
        assert books.are_closed()

    async def test_the_same_command_is_no_second_call(self, speaker, speakers, way, sandbox):
        """The first caller holds the grant."""
        async with metered_pieces(speaker, speakers, way, command_id="mine") as talk:
            async for _ in talk:
                pass
        with pytest.raises(NoGrant):
            async with metered_pieces(speaker, speakers, way, command_id="mine"):
                pass

        assert sandbox.ledger.count("openai") == 1

    async def test_without_its_key_the_vendor_is_not_called(
        self, speaker, speakers, way, sandbox, books
    ):
        """Revoked in the vault: the hold is given back, and the error says what to do."""
        await speaker.revoke_secret("openai", reason="leaked")
        with pytest.raises(SecretRefused):
            async with metered_pieces(speaker, speakers, way) as talk:
                await anext(talk)

        assert type(books.told[0]).__name__ == "ReleaseCall"
        assert list(sandbox.ledger.calls()) == []

    async def test_without_a_gate_nothing_is_called(
        self, speaker, speakers, way, sandbox, fake_gate
    ):
        """Fail closed."""
        fake_gate.faults += ["lost"] * 100
        speaker.patience = Patience(deadline_s=0.2, attempt_s=0.1)
        with pytest.raises(CannotVerify):
            async with metered_pieces(speaker, speakers, way):
                pass

        assert list(sandbox.ledger.calls()) == []

    async def test_a_call_that_cannot_be_ended_is_booked_all_the_same(self, speaker, way, books):
        """And said: the vendor may go on."""

        class Stubborn(PiecesAdapter):
            async def pieces(self, grant, request):
                grant.open(self.provider_id).sending()
                try:
                    yield "a piece"
                finally:
                    raise VendorCutOff("does not listen")

        try:
            async with metered_pieces(speaker, Vendors(Stubborn("openai")), way) as talk:
                await anext(talk)
        finally:
            PiecesAdapter.adapters.remove(Stubborn)

        assert books.settled.outcome == "cut_off"
        assert talk.receipt.code == "settled"


class TestDecided:
    async def test_who_has_to_wait_is_told_before(self, speaker, speakers, way):
        """With the exact delay, while there is still something to wait for."""
        rate = FAST.__class__(
            requests=1, period_ms=100, burst=1, overflow="queue", queue_max_delay_ms=60_000
        )
        await speaker.set_policy(rules(rate=rate))
        told = []

        async def decided(decision):
            told.append((decision, speaker.timing.monotonic_us()))

        for _ in range(2):
            async with metered_pieces(speaker, speakers, way, decided=decided) as talk:
                began_us = speaker.timing.monotonic_us()
        (_, (decision, told_us)) = told

        assert decision is talk.decision
        assert (decision.decision, decision.delay_us > 0) == ("THROTTLE", True)
        assert began_us - told_us >= decision.delay_us * 9 // 10

    async def test_a_refusal_is_told_as_well(self, speaker, speakers, way):
        """One way to show decisions, whichever they are."""
        await speaker.suspend()
        told = []

        async def decided(decision):
            told.append(decision.status)

        async with metered_pieces(speaker, speakers, way, decided=decided):
            assert told == [403]

    async def test_a_listener_who_is_gone_when_told_gives_the_hold_back(
        self, speaker, speakers, way, books
    ):
        """Telling is somebody else's connection, and it may be broken."""

        async def decided(_decision):
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            async with metered_pieces(speaker, speakers, way, decided=decided):
                pass

        assert type(books.told[0]).__name__ == "ReleaseCall"
        assert books.are_closed()


class TestWays:
    async def test_a_stepped_down_answer_is_that_of_the_cheaper_way(
        self, speaker, speakers, model, voice, sandbox
    ):
        """Voice is exhausted: the twin writes, and `way` says what the pieces are."""
        aloud = voice.way(VOICE_MODEL, speech("¡Hola! " * 60))
        written = model.way(MODEL, chat(), output_tokens=50)
        await speaker.set_policy(rules(limit_cents=1))
        async with metered_pieces(speaker, speakers, aloud, written) as talk:
            pieces = [piece async for piece in talk]

        assert (talk.decision.decision, talk.way) == ("DOWNGRADE", written)
        assert isinstance(pieces[0], TextPiece)
        assert list(sandbox.ledger.calls("cartesia")) == []

    async def test_an_adapter_that_answers_whole_is_not_even_asked_for(
        self, speaker, adapter, fake_gate
    ):
        """A hold that nobody can use would starve others."""
        heard = len(fake_gate.heard)
        with pytest.raises(TypeError, match="metered_call"):
            metered_pieces(speaker, Vendors(adapter), _way_of("acme"))
        with pytest.raises(KeyError):
            metered_pieces(speaker, Vendors(adapter), _way_of("other"))

        assert len(fake_gate.heard) == heard

    async def test_who_does_not_want_pieces_gets_them_whole(self, speaker, speakers, way, books):
        """The same adapter behind `metered_call`, with the same booking."""
        done = await metered_call(speaker, speakers, way)

        assert done.receipt.cost_nanos == price(GPT_4O_MINI, done.answer.usage)
        assert len(done.answer.body["pieces"]) > 5
        assert done.answer.vendor_ref == books.settled.vendor_ref

    async def test_a_refused_extension_changes_nothing(self, speaker, speakers, way, books):
        """What was held before still stands, and is booked as it was."""
        async with metered_pieces(speaker, speakers, way) as talk:
            await anext(talk)
            held = talk.meter.limits
            assert (await talk.more(Usage(output_tokens=1_000_000_000))).status == 402
            assert talk.meter.limits == held
            async for _ in talk:
                pass

        assert books.settled.outcome == "completed"


class TestCancelled:
    @pytest.mark.parametrize("vendor", ["openai", "cartesia"])
    async def test_at_every_wait_the_books_are_closed(
        self, speaker, speakers, model, voice, sandbox, books, vendor
    ):
        """
        Goal: a reader who hangs up leaves no hold, and no call that was made unbooked.
        Method: cancel at the first wait, at the second, and so on, until one is not cancelled.
        """
        way = {
            "openai": model.way(MODEL, chat("hola"), output_tokens=50),
            "cartesia": voice.way(VOICE_MODEL, speech("Sí.")),
        }[vendor]
        # Throttled as well, so that the wait for the slot is among the waits.
        rate = FAST.__class__(
            requests=1, period_ms=5, burst=1, overflow="queue", queue_max_delay_ms=60_000
        )
        await speaker.set_policy(rules(rate=rate))
        waits, is_cancelled = 0, True
        while is_cancelled:
            is_cancelled = await self._cancelled_at(waits, speaker, speakers, way)
            await speaker.errands.drain()
            assert books.are_closed(), f"cancelled at wait {waits}"
            settled = _sum(books.told)
            assert covers(settled, books.billed(vendor)), f"cancelled at wait {waits}"
            waits += 1

        # Asking, waiting for the slot, the key, the call and its pieces are always among them.
        assert waits >= 6

    async def _cancelled_at(self, wait, speaker, speakers, way):
        async def read():
            async with metered_pieces(speaker, speakers, way) as talk:
                async for _ in talk:
                    pass

        stepper = CancelAt(read(), wait)

        async def run():
            return await stepper

        task = asyncio.ensure_future(run())
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()


def _sum(told):
    total = Usage()
    for command in told:
        total = plus(total, getattr(command, "usage", Usage()))
    return total


def _way_of(provider_id):
    return Way(option(provider_id=provider_id))
