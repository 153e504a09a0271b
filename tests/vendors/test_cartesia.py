"""Cartesia's voice: what one hears, what it costs, and what may go wrong at every point of it."""

import asyncio
from array import array

import pytest

from contracts.usage import Usage
from services.sandbox.faults import Fault
from services.secret import Secret
from services.twins.prices import CARTESIA_VOICE
from services.vendors.adapter import (
    BeyondGrant,
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
)
from services.vendors.failed import CreditUsedUp, KeyRefused, VendorBusy
from services.vendors.metered_pieces import metered_pieces
from services.vendors.outbound import Outbound
from services.vendors.speech.cartesia import Cartesia
from services.vendors.speech.cartesia_lines import Lines
from services.vendors.speech.speaking import FLUSH, AudioPiece, Spoken, WordTimes, most
from tests.vendors.speaking import (
    NOTHING,
    VOICE_MODEL,
    covers,
    name_of,
    price,
    speech,
    targets,
)

TEXT = "¡Hola! ¿Todo bien por ahí?"


@pytest.fixture(params=targets("cartesia"), ids=name_of)
async def target(request, sandbox, speaker):
    """The sandbox, or the real vendor if it is configured; the twin has its key."""
    await speaker.put_secret("cartesia", request.param.key)
    async with Outbound(request.param.url or sandbox.base_url("cartesia")) as outbound:
        yield Cartesia("cartesia", outbound), request.param.voice


async def spoken(gate, voice, request, **fields):
    """The pieces of one utterance, and the call."""
    way = voice.way(VOICE_MODEL, request)
    async with metered_pieces(gate, Vendors(voice), way, **fields) as talk:
        pieces = [piece async for piece in talk]
    return pieces, talk


async def parts_of(*parts):
    for part in parts:
        yield part


class TestConformance:
    """What holds of Cartesia; see `speaking` for the real one."""

    async def test_a_text_is_heard_and_booked_by_its_characters(self, speaker, target, fake_gate):
        """Sound that is one, and characters and time as they are priced."""
        voice, name = target
        pieces, talk = await spoken(speaker, voice, speech(TEXT, voice=name))
        *sounds, last = pieces

        samples = array("h", b"".join(piece.pcm for piece in sounds))
        assert max(samples) > 3_000, "silence is no answer"
        assert {piece.sample_rate for piece in sounds} == {24_000}
        assert last == Spoken(
            Usage(characters=len(TEXT), stream_ms=-(-len(samples) * 1_000 // 24_000))
        )
        assert talk.receipt.cost_nanos == price(CARTESIA_VOICE, last.usage)
        assert (fake_gate.heard[-1].usage, fake_gate.heard[-1].outcome) == (last.usage, "completed")

    async def test_a_text_in_parts_is_one_utterance(self, speaker, target):
        """As the model writes it: the same characters, in one context, with one booking."""
        voice, name = target
        source = parts_of("¡Hola! ", "", "¿Todo bi", "en ", FLUSH, "por ahí?")
        request = speech(source, voice=name, characters_max=100)
        pieces, talk = await spoken(speaker, voice, request)

        assert pieces[-1].usage.characters == len(TEXT)
        assert sum(isinstance(piece, AudioPiece) for piece in pieces) > 1
        assert talk.receipt.cost_nanos == price(CARTESIA_VOICE, pieces[-1].usage)

    async def test_words_have_their_times(self, speaker, target):
        """In order, and within the audio."""
        voice, name = target
        request = speech(TEXT, voice=name, word_times=True)
        pieces, _ = await spoken(speaker, voice, request)

        words = [word for piece in pieces if isinstance(piece, WordTimes) for word in piece.words]
        assert [word.text for word in words] == TEXT.split()
        starts = [word.start_ms for word in words]
        assert starts == sorted(starts)
        assert words[-1].end_ms <= pieces[-1].usage.stream_ms

    async def test_utterances_share_a_socket_one_after_the_other(self, speaker, target):
        """A handshake before every sentence would be heard."""
        voice, name = target
        for _ in range(3):
            await spoken(speaker, voice, speech(TEXT, voice=name))

        assert len(voice._lines) == 1

    async def test_an_utterance_never_takes_more_than_its_bound(self, speaker, target):
        """The hold is made from it: numbers and signs are long to say."""
        voice, name = target
        for text in ("1.234.567,89 $", "a", "Boca 3 - River 2 (90+4')", "ooo " * 30):
            request = speech(text, voice=name, speed=0.6)
            pieces, _ = await spoken(speaker, voice, request)
            assert covers(most(request), pieces[-1].usage), text

    async def test_a_key_that_is_not_known_is_refused_and_costs_nothing(
        self, speaker, target, books
    ):
        """At the handshake; it was asked, so it is in the books."""
        await speaker.put_secret("cartesia", Secret("sk_car_SENTINEL"))
        with pytest.raises(KeyRefused):
            await spoken(speaker, target[0], speech())

        assert (books.settled.outcome, books.settled.usage) == ("failed", NOTHING)


class TestWithTheSandboxsLedger:
    async def test_what_is_settled_is_what_the_vendor_bills(self, speaker, voice, books, sandbox):
        """Over several utterances, quantity by quantity."""
        for text in (TEXT, "Uno.", "¡Goooool! " * 5):
            await spoken(speaker, voice, speech(text))

        billed = [call.usage for call in sandbox.ledger.calls("cartesia", "context")]
        assert [command.usage for command in books.told] == billed
        assert sandbox.ledger.count("cartesia", "connect") == 1
        assert books.are_closed()

    async def test_an_interruption_cancels_and_the_socket_serves_the_next_one(
        self, speaker, voice, books, sandbox
    ):
        """Cartesia goes on speaking to nobody otherwise; what was sent is billed and booked."""
        way = voice.way(VOICE_MODEL, speech("Una frase bastante larga para cortar. " * 20))
        async with metered_pieces(speaker, Vendors(voice), way) as talk:
            async for _ in talk:
                break
        pieces, _ = await spoken(speaker, voice, speech(TEXT))

        first, second = books.told
        assert (first.outcome, first.usage.characters) == ("cut_off", 38 * 20)
        assert second.usage == pieces[-1].usage
        assert sandbox.ledger.count("cartesia", "connect") == 1
        assert books.are_closed()

    async def test_an_interruption_before_the_text_is_complete_stops_the_rest(
        self, speaker, voice, books, sandbox
    ):
        """Nothing more is sent, and only what was sent is booked."""
        goes_on = asyncio.Event()

        async def writing():
            yield "Una primera frase. "
            await goes_on.wait()
            yield "Nunca dicha."

        way = voice.way(VOICE_MODEL, speech(writing(), characters_max=500))
        async with metered_pieces(speaker, Vendors(voice), way) as talk:
            async for _ in talk:
                break

        assert books.settled.usage.characters == len("Una primera frase. ")
        await spoken(speaker, voice, speech(TEXT))
        context = next(sandbox.ledger.calls("cartesia", "context"))
        assert (context.status, context.usage.characters) == (200, len("Una primera frase. "))
        assert sandbox.vendors["cartesia"].active == 0, "it was told to stop"

    async def test_a_changed_key_does_not_use_the_old_ones_socket(self, speaker, voice, sandbox):
        """A revoked key must not go on working because a socket is open."""
        sandbox.frame.keys._more["cartesia"] = frozenset(["second-key"])
        await spoken(speaker, voice, speech())
        await speaker.put_secret("cartesia", Secret("second-key"))
        await spoken(speaker, voice, speech())

        shown = [call.key_last_four for call in sandbox.ledger.calls("cartesia", "connect")]
        assert shown == ["esia", "-key"]

    async def test_a_socket_that_the_vendor_closed_is_replaced(self, speaker, voice, sandbox):
        """Before anything is sent, so nothing is lost and nothing is sent twice."""
        await spoken(speaker, voice, speech())
        (kept,) = voice._lines._kept
        closing = [
            asyncio.ensure_future(socket.close()) for socket in sandbox.vendors["cartesia"].sockets
        ]
        while await kept.is_alive():  # noqa: ASYNC110 - the library has no event of it
            await asyncio.sleep(0)
        await asyncio.gather(*closing)
        await spoken(speaker, voice, speech())

        assert sandbox.ledger.count("cartesia", "connect") == 2
        assert sandbox.ledger.count("cartesia", "context") == 2


def fault(kind, operation="context", **fields):
    return Fault(vendor="cartesia", operation=operation, kind=kind, times=1, **fields)


FAULTS = {
    "handshake 401": (fault("status", "connect", status=401), KeyRefused, "failed"),
    "handshake 402": (fault("status", "connect", status=402), CreditUsedUp, "failed"),
    "handshake 429": (fault("status", "connect", status=429), VendorBusy, "failed"),
    "handshake 500": (fault("status", "connect", status=500), VendorFailed, "failed"),
    "no money": (fault("status", status=402), CreditUsedUp, "failed"),
    "too many": (fault("status", status=429), VendorBusy, "failed"),
    "broken": (fault("status", status=500), VendorFailed, "failed"),
    "error in the audio": (fault("error_in_stream", after_chunks=3), VendorFailed, "cut_off"),
    "cut before audio": (fault("drop"), VendorCutOff, "cut_off"),
    "cut in the audio": (fault("drop", after_chunks=5), VendorCutOff, "cut_off"),
}


class TestFaults:
    @pytest.mark.parametrize("what", FAULTS)
    async def test_the_books_are_closed_once_and_not_below_the_bill(
        self, speaker, voice, sandbox, books, what
    ):
        """At every point; an error frame says `done` as well and is no end of an utterance."""
        strikes, raised, outcome = FAULTS[what]
        sandbox.faults.add(strikes)
        with pytest.raises(raised) as problem:
            await spoken(speaker, voice, speech(TEXT))

        assert type(problem.value) is raised
        assert books.settled.outcome == outcome
        assert covers(books.settled.usage, books.billed("cartesia"))
        assert (outcome == "failed") == (books.settled.usage == NOTHING)
        assert books.are_closed()
        assert sandbox.ledger.count("cartesia", "context") <= 1, "nothing is tried again by itself"
        # And the next utterance is spoken.
        await spoken(speaker, voice, speech(TEXT))

    async def test_silence_that_is_too_long_is_the_end(self, speaker, sandbox, books):
        """A half-open socket must not hold a listener, or money, for ever."""
        sandbox.faults.add(fault("slow", after_chunks=2, delay_ms=60_000))
        async with Outbound(sandbox.base_url("cartesia")) as outbound:
            with pytest.raises(VendorCutOff, match="silent"):
                await spoken(speaker, Cartesia("cartesia", outbound, idle_s=0.05), speech(TEXT))

        assert (books.settled.outcome, books.settled.usage.characters) == ("cut_off", len(TEXT))

    async def test_an_unreachable_vendor_costs_nothing(self, speaker, books):
        """The hold is given back: not a byte of the text was sent."""
        async with Outbound("http://127.0.0.1:1") as outbound:
            with pytest.raises(VendorUnreachable):
                await spoken(speaker, Cartesia("cartesia", outbound), speech())

        (ended,) = books.told
        assert (type(ended).__name__, books.totals.committed_nanos) == ("ReleaseCall", 0)

    async def test_a_text_that_fails_while_it_is_written_ends_the_utterance(
        self, speaker, voice, books
    ):
        """The model broke off: the caller gets its problem, the books what was said before."""

        async def writing():
            yield "Hola. "
            raise VendorCutOff("the model broke off")

        with pytest.raises(VendorCutOff, match="the model"):
            await spoken(speaker, voice, speech(writing(), characters_max=100))

        assert books.settled.usage.characters == 6
        assert books.are_closed()


class TestWhatIsHeldFor:
    async def test_more_text_than_was_held_for_is_not_sent(self, speaker, voice, books, sandbox):
        """What came before it is spoken and booked."""
        request = speech(parts_of("Doce letras ", "y una de más"), characters_max=12)
        with pytest.raises(BeyondGrant, match="24 characters"):
            await spoken(speaker, voice, request)

        assert books.settled.usage.characters == books.billed("cartesia").characters == 12
        assert books.are_closed()

    async def test_more_is_said_when_more_is_held(self, speaker, voice, books):
        """A long answer goes on when the gate says so, in the same context and one booking."""
        heard = asyncio.Event()

        async def writing():
            yield "Doce letras "
            yield FLUSH
            await heard.wait()
            yield "y una de más"

        request = speech(writing(), characters_max=12)
        way = voice.way(VOICE_MODEL, request)
        async with metered_pieces(speaker, Vendors(voice), way) as talk:
            await anext(talk)
            assert (await talk.more(Usage(characters=12, stream_ms=5_000))).status == 200
            heard.set()
            pieces = [piece async for piece in talk]

        assert pieces[-1].usage.characters == 24
        assert books.settled.usage == pieces[-1].usage

    async def test_parts_without_a_bound_are_refused(self, voice):
        """Nothing could be held for them."""
        with pytest.raises(ValueError, match="characters_max"):
            voice.way(VOICE_MODEL, speech(parts_of("a")))


async def test_kept_sockets_are_closed_when_nobody_uses_them(speaker, sandbox):
    """Open sockets are somebody's memory, here and there."""
    async with Outbound(sandbox.base_url("cartesia")) as outbound:
        voice = Cartesia("cartesia", outbound)
        voice._lines = Lines(idle_s=0.0)
        await spoken(speaker, voice, speech())
        cartesia = sandbox.vendors["cartesia"]
        async with asyncio.timeout(2):
            while cartesia.sockets:  # noqa: ASYNC110 - the sandbox has no event of ours
                await asyncio.sleep(0)

        assert len(voice._lines) == 0
