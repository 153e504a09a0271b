"""What is spoken to a twin: what is kept of it, what it costs, and what is said when it fails."""

import pytest

from contracts.policy import Quotas, RatePolicy
from contracts.price_book import PriceBook
from contracts.stream import Throttled
from services.live.hearing import KEPT_S_MAX, UTTERANCES_MAX, Ear, Listening, Utterances
from services.live.products import of_price_book
from services.live.turn import Stopped
from services.query_api.problems import HttpProblem
from services.sandbox.faults import Fault
from services.sandbox.voice import say
from services.secret import Secret
from services.twins.prices import CARTESIA_VOICE, DEEPGRAM_HEARING, GPT_4O_MINI
from services.vendors.adapter import Vendors
from services.vendors.outbound import Outbound
from services.vendors.speech.deepgram import Deepgram
from tests.vendors.conftest import (  # noqa: F401 - fixtures
    books,
    client,
    fake_gate,
    model,
    sandbox,
    speaker,
    voice,
)
from tests.vendors.speaking import NOTHING, rules

SECOND = bytes(32_000)
SAID = say("¿Cómo estás?", "v-1", 16_000)


class TestUtterances:
    def test_pieces_are_put_together_and_handed_out_once(self):
        """In order, whole samples only, and those before it are forgotten."""
        kept = Utterances()
        kept.take(0, b"never asked")
        for piece in (b"ab", b"cd", b"e"):
            kept.take(1, piece)

        assert kept.whole(1) == b"abcd"
        assert kept.whole(1) == kept.whole(0) == kept.whole(7) == b""

    def test_what_does_not_fit_is_lost_as_a_whole(self):
        """Half a question would be answered wrongly; those that wait already are kept."""
        kept = Utterances()
        for _ in range(KEPT_S_MAX - 1):
            kept.take(0, SECOND)
        for _ in range(3):
            kept.take(1, SECOND)
        assert kept._bytes == (KEPT_S_MAX - 1) * len(SECOND)

        assert len(kept.whole(0)) == (KEPT_S_MAX - 1) * len(SECOND)
        assert kept.whole(1) == b""
        # And there is room again.
        kept.take(2, SECOND)
        assert kept.whole(2) == SECOND
        assert kept._bytes == 0

    def test_an_interruption_forgets_what_waits_but_not_what_is_spoken_now(self):
        """Who interrupts may be speaking already."""
        kept = Utterances()
        for speech in (0, 1, 2):
            kept.take(speech, SECOND)
        kept.interrupted()

        assert kept._bytes == len(SECOND)
        assert kept.whole(2) == SECOND

    def test_utterances_that_nobody_asks_about_do_not_pile_up(self):
        """A connection that breaks again and again leaves one each time."""
        kept = Utterances()
        for speech in range(3 * UTTERANCES_MAX):
            kept.take(speech, b"ab")

        assert len(kept._kept) == UTTERANCES_MAX
        assert kept._bytes == 2 * UTTERANCES_MAX


@pytest.fixture
async def listening(speaker, sandbox):  # noqa: F811 - a fixture
    """The ear of a session, and what it tells the client."""
    await speaker.put_secret("deepgram", Secret("sandbox-deepgram"))
    assert (await speaker.open_session("s-1", "voice")).status == 200
    told = []

    async def emit(event):
        told.append(event)

    async with Outbound(sandbox.base_url("deepgram")) as outbound:
        vendors = Vendors(Deepgram("deepgram", outbound))
        ear = Ear(hearing=vendors["deepgram"], sku=DEEPGRAM_HEARING.sku, language="es-AR")
        made = Listening(speaker, vendors, ear, "s-1", emit)
        made.told = told
        yield made


async def problem_of(listening):
    listening.take(1, SAID)
    with pytest.raises(HttpProblem) as raised:
        await listening.understand("t1", 1)
    return raised.value.kind


class TestListening:
    async def test_what_was_said_is_text_and_a_call_of_the_session(self, listening, books):  # noqa: F811
        """Held for, settled at the vendor's bill, booked on the session."""
        listening.take(1, SAID[:2_001])
        listening.take(1, SAID[2_001:])

        assert await listening.understand("t1", 1) == "¿Cómo estás?"
        assert books.settled.usage == books.billed("deepgram")
        (held,) = [one for one in books._fake_gate.heard if hasattr(one, "estimate")]
        assert (held.session_id, held.modality) == ("s-1", "voice")
        assert books.are_closed()

    async def test_silence_is_an_empty_text_and_costs_its_time(self, listening, books):  # noqa: F811
        """Whoever answers it has to say so."""
        listening.take(1, SECOND)

        assert await listening.understand("t1", 1) == ""
        assert books.settled.usage.stream_ms == 1_000

    async def test_a_voice_that_is_used_up_says_that_one_may_write(
        self,
        listening,
        speaker,  # noqa: F811
        sandbox,  # noqa: F811
    ):
        """The gate's own code, and the way that is left; no vendor is called."""
        await speaker.set_policy(rules(quotas=Quotas(voice_minute_units=1)))
        listening.take(1, SECOND * 61)
        with pytest.raises(HttpProblem) as refused:
            await listening.understand("t1", 1)

        assert (refused.value.kind.code, refused.value.kind.status) == ("quota_exhausted", 402)
        assert refused.value.kind.remedy.startswith("Ask in writing. ")
        assert refused.value.body("x").remedy == refused.value.kind.remedy
        assert sandbox.ledger.count("deepgram") == 0

    async def test_a_session_that_is_over_stops_the_conversation(self, listening, speaker):  # noqa: F811
        """Writing would not help there."""
        assert (await speaker.close_session("s-1", "user_exit")).status == 200
        listening.take(1, SAID)
        with pytest.raises(Stopped) as stopped:
            await listening.understand("t1", 1)

        assert stopped.value.decision.code == "session_closed"

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "status", "status": 503},
            {"kind": "status", "status": 402},
            {"kind": "drop"},
            {"kind": "garbled"},
        ],
    )
    async def test_a_vendor_that_fails_is_told_honestly(self, listening, sandbox, books, fault):  # noqa: F811
        """And the books are closed, not below the bill."""
        sandbox.faults.add(Fault(vendor="deepgram", times=1, **fault))
        kind = await problem_of(listening)

        assert (kind.code, "in writing" in kind.remedy) == ("speech_not_heard", True)
        is_refused = fault["kind"] == "status"
        assert (books.settled.usage == NOTHING) is is_refused
        assert books.are_closed()

    async def test_a_key_that_is_missing_is_told_honestly(self, listening, speaker, books):  # noqa: F811
        """Nothing was sent, and the hold is given back."""
        assert (await speaker.revoke_secret("deepgram")).status == 200
        kind = await problem_of(listening)

        assert kind.code == "speech_not_heard"
        assert (type(books.told[0]).__name__, books.totals.held_nanos) == ("ReleaseCall", 0)

    async def test_who_is_throttled_is_told_how_long(self, listening, speaker, fake_gate):  # noqa: F811
        """Before the wait, which is exactly as long as decided."""
        slow = RatePolicy(
            requests=50, period_ms=1_000, burst=1, overflow="queue", queue_max_delay_ms=1_500
        )
        await speaker.set_policy(rules(rate=slow))
        # Both are asked for in the same instant.
        now_us = fake_gate.now_us()
        fake_gate.now_us = lambda: now_us
        for speech in (1, 2):
            listening.take(speech, SAID)
            assert await listening.understand(f"t{speech}", speech)

        assert listening.told == [Throttled(turn="t2", delay_ms=20)]

    async def test_what_was_not_kept_or_cannot_be_heard_is_told(self, listening, speaker, sandbox):  # noqa: F811
        """Each with what to do instead."""
        with pytest.raises(HttpProblem) as lost:
            await listening.understand("t1", 9)
        deaf = Listening(speaker, Vendors(), None, "s-1", listening._emit)
        deaf.take(1, SECOND)
        with pytest.raises(HttpProblem) as unknown:
            await deaf.understand("t1", 1)

        assert (lost.value.kind.code, unknown.value.kind.code) == ("speech_lost", "speech_unknown")
        assert deaf._utterances._bytes == 0, "what nobody can hear is not kept"
        assert sandbox.ledger.count("deepgram") == 0


async def test_a_twin_listens_with_what_its_price_book_has(voice, model):  # noqa: F811
    """It is a product of the voice, and never what the twin speaks with."""
    ear = Deepgram("deepgram", Outbound("http://127.0.0.1:1"))
    vendors = Vendors(voice, model, ear)
    both = of_price_book(PriceBook([GPT_4O_MINI, DEEPGRAM_HEARING, CARTESIA_VOICE]), vendors)
    reads = of_price_book(PriceBook([GPT_4O_MINI, CARTESIA_VOICE]), vendors)

    assert (both.voice, both.ear, both.ear_sku) == (voice, ear, "nova-3")
    assert (reads.voice, reads.ear) == (voice, None)
