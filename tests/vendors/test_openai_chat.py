"""OpenAI's chat: what it answers, what it costs, and what may go wrong at every point of it."""

import asyncio

import pytest

from contracts.usage import Usage
from services.client.meter import Meter
from services.sandbox.faults import Fault
from services.secret import Secret
from services.twins.prices import GPT_4O_MINI
from services.vendors.adapter import (
    BeyondGrant,
    VendorCutOff,
    VendorFailed,
    Vendors,
    VendorUnreachable,
)
from services.vendors.chat.model import ChatMessage, ChatRequest, TextPiece, ToolCall
from services.vendors.chat.openai_answer import OpenAIAnswer
from services.vendors.chat.openai_chat import OpenAIChat
from services.vendors.failed import CreditUsedUp, KeyRefused, VendorBusy
from services.vendors.metered_pieces import metered_pieces
from services.vendors.outbound import Outbound
from tests.vendors.speaking import (
    MODEL,
    NOTHING,
    SCORE,
    Target,
    chat,
    covers,
    name_of,
    price,
    targets,
    without_turns,
)

OUTPUT_TOKENS = 200


@pytest.fixture(params=targets("openai"), ids=name_of)
async def target(request, sandbox, speaker):
    """The sandbox, or the real vendor if it is configured; the twin has its key."""
    await speaker.put_secret("openai", request.param.key)
    url = request.param.url or f"{sandbox.base_url('openai')}/v1"
    async with Outbound(url) as outbound:
        yield OpenAIChat("openai", outbound)


async def talked(gate, model, request, output_tokens=OUTPUT_TOKENS, **fields):
    """The pieces of one answer, and the call."""
    way = model.way(MODEL, request, output_tokens=output_tokens)
    async with metered_pieces(gate, Vendors(model), way, **fields) as talk:
        pieces = [piece async for piece in talk]
    return pieces, talk


class TestConformance:
    """What holds of every vendor that speaks like OpenAI; see `speaking` for the real one."""

    async def test_an_answer_comes_in_pieces_and_is_booked_as_reported(
        self, speaker, target, fake_gate
    ):
        """The usage of the last event is what is settled, to the nano."""
        pieces, talk = await talked(speaker, target, chat())

        *texts, last = pieces
        assert len(texts) > 5
        assert all(isinstance(piece, TextPiece) for piece in texts)
        assert (last.reason, last.is_reported) == ("stop", True)
        assert 0 < last.usage.output_tokens <= OUTPUT_TOKENS
        assert talk.receipt.cost_nanos == price(GPT_4O_MINI, last.usage)
        settled = fake_gate.heard[-1]
        assert (settled.usage, settled.outcome, settled.usage.turns) == (
            last.usage,
            "completed",
            1,
        )
        assert settled.vendor_ref

    async def test_a_tool_is_asked_for_whole_and_its_result_is_used(self, speaker, target):
        """Arguments come in parts; whoever runs the tool gets them together."""
        ask = chat("¿Cuál es el marcador del partido de Boca?", tools=(SCORE,))
        pieces, _ = await talked(speaker, target, ask)
        call, last = [piece for piece in pieces if not isinstance(piece, TextPiece)]

        assert isinstance(call, ToolCall)
        assert (call.name, last.reason) == ("live_score", "tool_calls")
        assert last.usage.turns == 0, "a turn is complete when it is answered"
        result = ChatMessage("tool", '{"home": "Boca 2", "away": "River 1"}', (), call.call_id)
        asked = ChatMessage("assistant", "", (call,))
        pieces, _ = await talked(
            speaker, target, ChatRequest((*ask.messages, asked, result), (SCORE,))
        )
        said = "".join(piece.text for piece in pieces[:-1])
        assert "2" in said
        assert "1" in said

    async def test_the_limit_of_the_grant_is_the_limit_of_the_answer(self, speaker, target):
        """What was not held for is not generated."""
        pieces, _ = await talked(speaker, target, chat(), output_tokens=5)

        assert pieces[-1].reason == "length"
        assert pieces[-1].usage.output_tokens <= 5

    async def test_a_key_that_is_not_known_is_refused_and_costs_nothing(
        self, speaker, target, books
    ):
        """Typed, so that somebody can be told to put another one; the vendor's words are not."""
        await speaker.put_secret("openai", Secret("sk-SENTINEL-1234"))
        with pytest.raises(KeyRefused) as refused:
            await talked(speaker, target, chat())

        assert (refused.value.status, refused.value.may_pass) == (401, False)
        assert "1234" not in str(refused.value)
        assert (books.settled.outcome, books.settled.usage) == ("failed", NOTHING)

    async def test_whoever_stops_listening_pays_for_what_was_said(self, speaker, target, books):
        """The vendor reports nothing then; our own count is booked, and it is not below its."""
        way = target.way(MODEL, chat(), output_tokens=OUTPUT_TOKENS)
        async with metered_pieces(speaker, Vendors(target), way) as talk:
            async for _ in talk:
                break

        assert (books.settled.outcome, books.settled.usage.turns) == ("cut_off", 0)
        assert 0 < talk.receipt.cost_nanos <= price(GPT_4O_MINI, way.option.estimate)
        assert covers(books.settled.usage, books.billed("openai"))
        assert books.are_closed()


class TestWithTheSandboxsLedger:
    async def test_what_is_settled_is_what_the_vendor_bills(self, speaker, model, books, sandbox):
        """Over several calls, quantity by quantity."""
        for said in ("hola", "¿Qué tal?", "contame del mundial de 1986"):
            await talked(speaker, model, chat(said))

        ours = [without_turns(command.usage) for command in books.told]
        assert ours == [call.usage for call in sandbox.ledger.calls("openai")]
        assert books.are_closed()

    async def test_a_prompt_is_never_above_its_bound(self, speaker, model):
        """Of every script: the hold is made from the bound, and the vendor counts for itself."""
        for said in (
            "a" * 500,
            "¡ñandú! " * 40,
            "足球比赛" * 50,
            "⚽🏆" * 60,
            "\n\t 1234567890" * 20,
        ):
            asked = chat(said, tools=(SCORE,))
            pieces, _ = await talked(speaker, model, asked, output_tokens=1)
            assert 0 < pieces[-1].usage.input_tokens <= model.most_input_tokens(asked)

    async def test_a_connection_is_kept_for_the_next_turn(self, speaker, model):
        """A handshake for every turn would be heard."""
        for _ in range(2):
            await talked(speaker, model, chat())
            kept = model._outbound._session.connector._conns.values()
            assert [len(connections) for connections in kept] == [1]


def fault(kind, **fields):
    return Fault(vendor="openai", operation="chat", kind=kind, times=1, **fields)


# What strikes, what the caller sees, and how the call ends in the books.
FAULTS = {
    "wrong key": (fault("status", status=401), KeyRefused, "failed"),
    "no money": (fault("status", status=402), CreditUsedUp, "failed"),
    "no quota": (fault("status", status=429, detail="insufficient_quota"), CreditUsedUp, "failed"),
    "too fast": (fault("status", status=429), VendorBusy, "failed"),
    "broken": (fault("status", status=500), VendorFailed, "failed"),
    "overloaded": (fault("status", status=503), VendorFailed, "failed"),
    "a gateway's page": (fault("status", status=502), VendorFailed, "cut_off"),
    "cut before the head": (fault("drop"), VendorCutOff, "cut_off"),
    "cut at once": (fault("drop", after_chunks=0), VendorCutOff, "cut_off"),
    "cut after some": (fault("drop", after_chunks=7), VendorCutOff, "cut_off"),
    "ended politely": (fault("ends_early", after_chunks=7), VendorCutOff, "cut_off"),
    "error in the stream": (fault("error_in_stream", after_chunks=4), VendorFailed, "cut_off"),
}


class TestFaults:
    @pytest.mark.parametrize("what", FAULTS)
    async def test_the_books_are_closed_once_and_not_below_the_bill(
        self, speaker, model, sandbox, books, what
    ):
        """At every point of an answer."""
        strikes, raised, outcome = FAULTS[what]
        sandbox.faults.add(strikes)
        with pytest.raises(raised) as problem:
            await talked(speaker, model, chat())

        assert type(problem.value) is raised
        assert books.settled.outcome == outcome
        assert covers(books.settled.usage, books.billed("openai"))
        assert (outcome == "failed") == (books.settled.usage == NOTHING)
        assert books.are_closed()
        assert sandbox.ledger.count("openai") == 1, "nothing is tried again by itself"

    async def test_cut_before_the_usage_our_count_is_booked(self, speaker, model, sandbox, books):
        """All of the text was there; the event with the usage is the last and is lost."""
        pieces, _ = await talked(speaker, model, chat())
        tokens = pieces[-1].usage.output_tokens
        sandbox.faults.add(fault("drop", after_chunks=tokens + 2))
        with pytest.raises(VendorCutOff):
            await talked(speaker, model, chat())

        settled, reported = books.told[1].usage, pieces[-1].usage
        assert covers(settled, without_turns(reported))
        # Our count is near the truth, and far below the hold.
        assert settled.output_tokens <= 2 * reported.output_tokens < OUTPUT_TOKENS
        assert settled.input_tokens <= 2 * reported.input_tokens

    async def test_cut_after_the_usage_nothing_is_lost(self, speaker, model, sandbox, books):
        """The answer was complete and reported; that its last line is missing changes nothing."""
        pieces, _ = await talked(speaker, model, chat())
        sandbox.faults.add(fault("drop", after_chunks=pieces[-1].usage.output_tokens + 3))
        with pytest.raises(VendorCutOff):
            await talked(speaker, model, chat())

        assert without_turns(books.told[1].usage) == without_turns(pieces[-1].usage)

    async def test_before_the_head_all_that_was_held_is_owed(self, speaker, model, sandbox, books):
        """Nobody knows how far the vendor got."""
        sandbox.faults.add(fault("drop"))
        way = model.way(MODEL, chat(), output_tokens=OUTPUT_TOKENS)
        with pytest.raises(VendorCutOff):
            await talked(speaker, model, chat())

        assert without_turns(books.settled.usage) == without_turns(way.option.estimate)

    async def test_a_vendor_that_reports_no_usage_is_booked_at_our_count(
        self, speaker, model, sandbox, books
    ):
        """Some compatible servers leave it out; a complete answer is never free."""
        sandbox.faults.add(fault("no_usage"))
        pieces, _ = await talked(speaker, model, chat())

        assert not pieces[-1].is_reported
        assert (books.settled.outcome, books.settled.usage.turns) == ("completed", 1)
        assert covers(books.settled.usage, books.billed("openai"))

    @pytest.mark.parametrize("limit", ["idle_s", "total_s"])
    async def test_an_answer_that_takes_too_long_is_cut(self, speaker, sandbox, books, limit):
        """A half-open connection must not hold a listener, or money, for ever."""
        sandbox.faults.add(fault("slow", after_chunks=5, delay_ms=60_000))
        async with Outbound(f"{sandbox.base_url('openai')}/v1") as outbound, asyncio.timeout(5):
            limits = {"idle_s": 60.0, "total_s": 60.0, limit: 0.05}
            with pytest.raises(VendorCutOff, match="Timeout"):
                await talked(speaker, OpenAIChat("openai", outbound, **limits), chat())
        sandbox.clock.advance_ms(60_000)

        assert books.settled.outcome == "cut_off"
        assert covers(books.settled.usage, books.billed("openai"))

    async def test_an_answer_without_an_end_is_cut(self, speaker, sandbox, books):
        """The memory of a process is not the vendor's to fill."""
        url = f"{sandbox.base_url('openai')}/v1"
        async with Outbound(url, answer_bytes_max=1_000) as outbound:
            with pytest.raises(VendorCutOff, match="more than 1000 bytes"):
                await talked(speaker, OpenAIChat("openai", outbound), chat())

        assert books.settled.outcome == "cut_off"

    async def test_an_unreachable_vendor_costs_nothing(self, speaker, books):
        """The hold is given back: not a byte was sent."""
        async with Outbound("http://127.0.0.1:1") as outbound:
            with pytest.raises(VendorUnreachable):
                await talked(speaker, OpenAIChat("openai", outbound), chat())

        (ended,) = books.told
        assert (type(ended).__name__, books.totals.committed_nanos) == ("ReleaseCall", 0)

    async def test_busy_says_when_to_come_back(self, speaker, model, sandbox):
        """In the header's seconds, or a date, or OpenAI's own milliseconds."""
        sandbox.faults.add(fault("status", status=429, headers={"Retry-After": "7"}))
        with pytest.raises(VendorBusy) as busy:
            await talked(speaker, model, chat())

        assert (busy.value.retry_after_ms, busy.value.may_pass) == (7_000, True)
        assert busy.value.code == "rate_limit_exceeded"


class TestWhatIsHeldFor:
    async def test_a_longer_prompt_than_was_held_for_is_not_sent(self, speaker, model, sandbox):
        """Whoever makes a way by hand gets it told, not billed."""
        way = model.way(MODEL, chat("short"), output_tokens=5)
        longer = model.way(MODEL, chat("much longer " * 50), output_tokens=5)
        way = type(way)(way.option, longer.request)
        with pytest.raises(BeyondGrant, match="may have"):
            async with metered_pieces(speaker, Vendors(model), way) as talk:
                await anext(talk)

        assert sandbox.ledger.count("openai") == 0

    async def test_a_model_that_thinks_is_owed_its_thoughts(self, model):
        """They are billed and not shown, so what was shown is no count of them."""
        meter = Meter(Usage(input_tokens=10, output_tokens=500))
        meter.sending()
        OpenAIAnswer("openai", meter, "gpt-5-mini", 10)

        assert meter.owed().usage.output_tokens == 500


async def test_a_listener_who_is_cancelled_while_waiting_is_booked(speaker, model, sandbox, books):
    """It hangs up in the middle of a sentence."""
    sandbox.faults.add(fault("slow", after_chunks=6, delay_ms=60_000))
    heard = asyncio.Event()

    async def listen():
        way = model.way(MODEL, chat(), output_tokens=OUTPUT_TOKENS)
        async with metered_pieces(speaker, Vendors(model), way) as talk:
            async for _ in talk:
                heard.set()

    task = asyncio.ensure_future(listen())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await speaker.errands.drain()
    sandbox.clock.advance_ms(60_000)

    assert books.settled.outcome == "cut_off"
    assert covers(books.settled.usage, books.billed("openai"))
    assert books.are_closed()


def test_only_configured_vendors_are_real(monkeypatch):
    """No test of a machine without accounts leaves it."""
    monkeypatch.delenv("VITO_TEST_OPENAI_KEY", raising=False)
    monkeypatch.delenv("VITO_TEST_OPENAI_URL", raising=False)
    assert [target.is_sandbox for target in targets("openai")] == [True]
    monkeypatch.setenv("VITO_TEST_OPENAI_KEY", "sk")
    assert targets("openai")[1:] == [
        Target("openai", Secret("sk"), "", "https://api.openai.com/v1")
    ]


async def test_each_call_is_named_after_its_hold(speaker, sandbox, model):
    """
    Goal: a call whose answer never came can still be told from all others, by vendor and by us.
    Method: one that is answered and one that is refused; the names that the vendor was given.
    """
    sandbox.faults.add(Fault(vendor="openai", kind="status", status=500, times=1))
    with pytest.raises(VendorFailed):
        await talked(speaker, model, chat())
    _, talk = await talked(speaker, model, chat())

    refused, answered = [call.named for call in sandbox.ledger.calls("openai")]
    assert answered == talk.decision.reservation_id
    assert refused.startswith("cantor.")
    assert refused != answered
