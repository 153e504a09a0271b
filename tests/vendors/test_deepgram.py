"""Deepgram's ear: what it understands, what it costs, and what may go wrong at every point."""

import asyncio
from array import array

import pytest

from contracts.policy import Quotas
from contracts.usage import Usage
from services.sandbox.faults import Fault
from services.secret import Secret
from services.twins.prices import DEEPGRAM_HEARING
from services.vendors.adapter import (
    BeyondGrant,
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
    Way,
)
from services.vendors.failed import CreditUsedUp, KeyRefused, VendorBusy
from services.vendors.metered import metered_call
from services.vendors.metered_pieces import metered_pieces
from services.vendors.outbound import Outbound
from services.vendors.speech.deepgram import Deepgram, language_of
from services.vendors.speech.hearing import AUDIO_MS_MAX, HearingRequest, heard_of
from services.vendors.speech.speaking import AudioPiece
from tests.sandbox.test_ear import resampled
from tests.vendors.speaking import (
    EAR_MODEL,
    NOTHING,
    VOICE_MODEL,
    covers,
    name_of,
    price,
    rules,
    said,
    speech,
    targets,
)

SILENCE = HearingRequest(bytes(2 * 1_001), "es-AR", 8_000)


@pytest.fixture(autouse=True)
async def _key(speaker):
    await speaker.put_secret("deepgram", Secret("sandbox-deepgram"))


@pytest.fixture(params=targets("deepgram"), ids=name_of)
async def target(request, sandbox, speaker):
    """The sandbox, or the real vendor if it is configured; the twin has its key."""
    await speaker.put_secret("deepgram", request.param.key)
    async with Outbound(request.param.url or sandbox.base_url("deepgram")) as outbound:
        yield Deepgram("deepgram", outbound)


@pytest.fixture
async def ear(sandbox):
    async with Outbound(sandbox.base_url("deepgram")) as outbound:
        yield Deepgram("deepgram", outbound, total_s=5.0)


async def heard(gate, ear, request, **fields):
    """What was heard, and the call."""
    made = await metered_call(gate, Vendors(ear), ear.way(EAR_MODEL, request), **fields)
    return heard_of(made.answer), made


class TestConformance:
    """What holds of Deepgram; see `speaking` for the real one, which hears no voice of ours."""

    async def test_silence_is_an_empty_text_and_booked_by_its_time(
        self, speaker, target, fake_gate
    ):
        """125.125 ms are 126, and nothing was said in them."""
        found, made = await heard(speaker, target, SILENCE)

        assert (found.text, found.is_reported) == ("", True)
        assert made.answer.usage == Usage(stream_ms=126)
        assert made.receipt.cost_nanos == price(DEEPGRAM_HEARING, made.answer.usage)
        settled = fake_gate.heard[-1]
        assert (settled.usage, settled.outcome) == (made.answer.usage, "completed")
        assert settled.vendor_ref

    async def test_a_key_that_is_not_known_is_refused_and_costs_nothing(
        self, speaker, target, books
    ):
        """Typed, so that somebody can be told to put another one; the vendor's words are not."""
        await speaker.put_secret("deepgram", Secret("dg-SENTINEL-1234"))
        with pytest.raises(KeyRefused) as refused:
            await heard(speaker, target, SILENCE)

        assert (refused.value.status, refused.value.may_pass) == (401, False)
        assert "1234" not in str(refused.value)
        assert (books.settled.outcome, books.settled.usage) == ("failed", NOTHING)


class TestWithTheSandbox:
    async def test_what_is_said_is_understood(self, speaker, ear):
        """With its accents and signs; sentences begin with a capital."""
        found, _ = await heard(speaker, ear, said("¡goooool! ¿cómo estás, señor?"))

        assert found.text == "¡Goooool! ¿Cómo estás, señor?"
        assert 0.5 < found.confidence <= 1

    async def test_one_vendor_hears_what_the_other_speaks(self, speaker, voice, ear, books):
        """Cartesia at 24 kHz, resampled, Deepgram at 16: two calls, two bills, the same words."""
        text = "Che, ¿ganó Boca el clásico? ¡Qué partidazo!"
        way = voice.way(VOICE_MODEL, speech(text))
        async with metered_pieces(speaker, Vendors(voice), way) as talk:
            pcm = b"".join([piece.pcm async for piece in talk if isinstance(piece, AudioPiece)])
        request = HearingRequest(resampled(pcm, 24_000, 16_000), "es-AR")
        found, _ = await heard(speaker, ear, request)

        assert found.text.casefold() == text.casefold()
        spoken, listened = books.told
        assert spoken.usage == books.billed("cartesia")
        assert listened.usage == books.billed("deepgram")
        assert books.are_closed()

    async def test_what_is_settled_is_what_the_vendor_bills(self, speaker, ear, books, sandbox):
        """Over several calls, speech, silence and noise alike, also at an odd length."""
        noise = array("h", (at * 7_919 % 12_001 - 6_000 for at in range(7_777))).tobytes()
        for request in (said("hola"), SILENCE, HearingRequest(noise, "en-US")):
            await heard(speaker, ear, request)

        billed = [call.usage for call in sandbox.ledger.calls("deepgram")]
        assert [command.usage for command in books.told] == billed
        assert books.are_closed()

    async def test_the_longest_audio_is_heard(self, speaker, ear, books):
        """Megabytes, which are sent piece by piece."""
        longest = HearingRequest(bytes(2 * 16 * AUDIO_MS_MAX), "es-AR")
        await heard(speaker, ear, longest)

        assert books.settled.usage == books.billed("deepgram") == Usage(stream_ms=AUDIO_MS_MAX)

    async def test_without_a_reported_duration_our_count_is_booked(
        self, speaker, ear, sandbox, books
    ):
        """A complete answer is never free."""
        sandbox.faults.add(fault("no_duration"))
        found, _ = await heard(speaker, ear, SILENCE)

        assert not found.is_reported
        assert (books.settled.outcome, books.settled.usage) == (
            "completed",
            Usage(stream_ms=SILENCE.audio_ms),
        )


def fault(kind, **fields):
    return Fault(vendor="deepgram", operation="listen", kind=kind, times=1, **fields)


# What strikes, what the caller sees, and how the call ends in the books.
FAULTS = {
    "wrong key": (fault("status", status=401), KeyRefused, "failed"),
    "no money": (fault("status", status=402), CreditUsedUp, "failed"),
    "no such model": (fault("status", status=403), KeyRefused, "failed"),
    "too fast": (fault("status", status=429), VendorBusy, "failed"),
    "broken": (fault("status", status=500), VendorFailed, "failed"),
    "a gateway's page": (fault("status", status=504), VendorFailed, "cut_off"),
    "cut before it heard": (fault("drop"), VendorCutOff, "cut_off"),
    "cut when it had heard": (fault("drop", at="after"), VendorCutOff, "cut_off"),
    "no results": (fault("garbled"), VendorCutOff, "cut_off"),
}


class TestFaults:
    @pytest.mark.parametrize("what", FAULTS)
    async def test_the_books_are_closed_once_and_not_below_the_bill(
        self, speaker, ear, sandbox, books, what
    ):
        """At every point, and the error is typed."""
        strikes, raised, outcome = FAULTS[what]
        sandbox.faults.add(strikes)
        with pytest.raises(raised) as problem:
            await heard(speaker, ear, SILENCE)

        assert type(problem.value) is raised
        assert books.settled.outcome == outcome
        assert covers(books.settled.usage, books.billed("deepgram"))
        owed = Usage(stream_ms=SILENCE.audio_ms) if outcome == "cut_off" else NOTHING
        assert books.settled.usage == owed
        assert books.are_closed()
        assert sandbox.ledger.count("deepgram") == 1, "nothing is tried again by itself"

    async def test_an_answer_that_takes_too_long_is_cut(self, speaker, sandbox, books):
        """Somebody waits to be answered, and money is held."""
        sandbox.faults.add(fault("slow", delay_ms=60_000))
        async with Outbound(sandbox.base_url("deepgram")) as outbound, asyncio.timeout(5):
            with pytest.raises(VendorCutOff, match="Timeout"):
                await heard(speaker, Deepgram("deepgram", outbound, total_s=0.05), SILENCE)
        sandbox.clock.advance_ms(60_000)

        assert (books.settled.outcome, books.settled.usage.stream_ms) == ("cut_off", 126)

    async def test_an_answer_without_an_end_is_cut(self, speaker, sandbox, books):
        """The memory of a process is not the vendor's to fill."""
        async with Outbound(sandbox.base_url("deepgram"), answer_bytes_max=100) as outbound:
            with pytest.raises(VendorCutOff, match="more than 100 bytes"):
                await heard(speaker, Deepgram("deepgram", outbound), SILENCE)

        assert books.settled.usage == books.billed("deepgram")

    async def test_an_unreachable_vendor_costs_nothing(self, speaker, books):
        """The hold is given back: not a byte was sent."""
        async with Outbound("http://127.0.0.1:1") as outbound:
            with pytest.raises(VendorUnreachable):
                await heard(speaker, Deepgram("deepgram", outbound), SILENCE)

        (ended,) = books.told
        assert (type(ended).__name__, books.totals.committed_nanos) == ("ReleaseCall", 0)

    async def test_busy_says_when_to_come_back(self, speaker, ear, sandbox):
        """If the vendor does."""
        sandbox.faults.add(fault("status", status=429, headers={"Retry-After": "3"}))
        with pytest.raises(VendorBusy) as busy:
            await heard(speaker, ear, SILENCE)

        assert (busy.value.retry_after_ms, busy.value.code) == (3_000, "TOO_MANY_REQUESTS")

    async def test_who_is_cancelled_while_it_hears_is_booked(self, speaker, ear, sandbox, books):
        """Somebody hangs up; the vendor hears it to the end."""
        sandbox.faults.add(fault("slow", delay_ms=60_000))
        task = asyncio.ensure_future(heard(speaker, ear, SILENCE))
        while not sandbox.clock._sleepers:  # noqa: ASYNC110 - the sandbox has no event of ours
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await speaker.errands.drain()
        sandbox.clock.advance_ms(60_000)

        assert (books.settled.outcome, books.settled.usage.stream_ms) == ("cut_off", 126)
        assert books.are_closed()


class TestWhatIsHeldFor:
    async def test_longer_audio_than_was_held_for_is_not_sent(self, speaker, ear, sandbox):
        """Whoever makes a way by hand gets it told, not billed."""
        short, long = ear.way(EAR_MODEL, SILENCE), ear.way(EAR_MODEL, said("bastante más largo"))
        with pytest.raises(BeyondGrant, match="126 ms held"):
            await metered_call(speaker, Vendors(ear), Way(short.option, long.request))

        assert sandbox.ledger.count("deepgram") == 0

    @pytest.mark.parametrize(
        ("request_", "why"),
        [
            (HearingRequest(b"", "es"), "at least one"),
            (HearingRequest(b"\0\0\0", "es"), "whole samples"),
            (HearingRequest(b"\0\0", "es", 4_000), "sample_rate"),
            (HearingRequest(bytes(2 * 8 * (AUDIO_MS_MAX + 1)), "es", 8_000), "at most 120000 ms"),
        ],
    )
    def test_audio_that_cannot_be_heard_is_refused(self, request_, why):
        """Before the gate is asked, with what to do about it."""
        with pytest.raises(ValueError, match=why):
            Deepgram("deepgram", Outbound("http://127.0.0.1:1")).way(EAR_MODEL, request_)

    async def test_a_voice_that_is_used_up_does_not_hear(self, speaker, ear, sandbox):
        """It is a product of the voice; a refusal is a decision, not an error."""
        minute = HearingRequest(bytes(2 * 8_000 * 61), "es-AR", 8_000)
        await speaker.set_policy(rules(quotas=Quotas(voice_minute_units=1)))
        made = await metered_call(speaker, Vendors(ear), ear.way(EAR_MODEL, minute))

        assert (made.answer, made.decision.status) == (None, 402)
        assert sandbox.ledger.count("deepgram") == 0


@pytest.mark.parametrize(
    ("tag", "code"),
    [("es-AR", "es-419"), ("es-mx", "es-419"), ("es-ES", "es"), ("es", "es"), ("en-US", "en")],
)
def test_languages_are_those_that_the_model_knows(tag, code):
    """Nova-3 has one Spanish for all of the Americas."""
    assert language_of(tag) == code
