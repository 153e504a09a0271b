"""A conversation from hello to bye: what is said, in which order, and who sees what."""

import asyncio

import pytest

from contracts.stream import (
    AudioPiece,
    Closing,
    Notice,
    Pong,
    Refused,
    TextPiece,
    Throttled,
    TurnEnded,
    TurnStarted,
)
from domain.refusals import CALLER_NOT_ALLOWED
from services.gateway.problems import body_of
from services.http_door.commands import refused
from services.query_api.problems import of_refusal
from tests.gateway.conftest import DISCLOSURE
from tests.rig.conversation import OVER, repeat

ASLEEP = {
    "status": 402,
    "code": "hard_limit",
    "message": "Twin is sleeping.",
    "remedy": "Top up.",
    "position": 7,
    "remaining_nanos": 12,
    "committed_nanos": 5_000,
    "facts": {"limit_nanos": 5_012},
}


async def test_a_page_sees_the_disclosure_before_anything_and_no_money(world):
    """The whole way of a visitor: disclosure, a turn in pieces, positions one by one, good-bye."""
    talker = await world.page(modality="voice", language="es")
    welcome = talker.welcome
    heard = await talker.turn("¿Qué tal?")
    await talker.say("bye")

    assert (welcome.disclosure.text, welcome.disclosure.version) == (DISCLOSURE.text, 1)
    assert (welcome.position, welcome.modality, welcome.session_id) == (0, "voice", f"{1:016d}")
    assert welcome.limits.frame_bytes_max == 32_768
    assert [type(one) for one in heard] == [TurnStarted, TextPiece, TurnEnded]
    assert [one.position for one in heard] == [1, 2, 3]
    assert heard[-1].cost_nanos is None
    assert (await talker.ended(), talker.code) == (None, 1000)
    await world.conversation.has_closed.wait()
    assert (world.conversation.shown, world.conversation.closed) == ([1], "user_exit")
    opening = world.conversation.opening
    assert (opening.principal, opening.deployment) == (f"visitor_{1:016d}", "web")
    assert (opening.ceiling, opening.language) == ("voice", "es")


async def test_a_service_sees_what_it_costs_and_needs_no_disclosure(world):
    """Who pays may know; who shows the twin discloses in its own way."""
    talker = await world.service()
    heard = await talker.turn("Hi")

    assert talker.welcome.disclosure is None
    assert heard[-1].cost_nanos == 7
    assert world.conversation.opening.principal.startswith("key_")


async def test_there_are_no_turns_before_the_disclosure(world):
    """Neither written nor spoken, and no other version counts."""
    talker = await world.connect(world.visitor(), origin="https://tvazteca.example")
    await talker.hello()
    await talker.say("text", id="t1", text="Hi")
    await talker.speak(bytes(320))
    await talker.say("disclosed", version=2)
    codes = [(await talker.next(Refused)).problem.code for _ in range(3)]

    assert codes == ["disclosure_due", "disclosure_due", "malformed_message"]
    assert world.conversation.said == world.conversation.heard == world.conversation.shown == []


async def test_turns_are_answered_in_order_and_a_repeated_one_once(world):
    """A client that is not sure sends again; nobody pays twice."""
    go = asyncio.Event()

    async def slow(conversation, turn, text):
        await go.wait()
        await repeat(conversation, turn, text)

    world.conversations.script = slow
    talker = await world.service()
    for turn in ("a", "b", "a", "b", "c"):
        await talker.say("text", id=turn, text=turn)
    await talker.say("ping")
    await talker.next(Pong)
    go.set()
    heard = await talker.hear_until(TurnEnded, turn="c")

    assert [one.turn for one in heard if isinstance(one, TurnStarted)] == ["a", "b", "c"]
    assert world.conversation.said == [("a", "a"), ("b", "b"), ("c", "c")]


async def test_too_many_turns_are_refused_one_by_one(world):
    """The queue is bounded; what was refused may be sent again."""
    world.conversations.script = lambda *_: asyncio.Event().wait()
    talker = await world.service()
    waiting = world.limits.turns_waiting_max
    for number in range(waiting + 1):
        await talker.say("text", id=f"t{number}", text="Hi")
        await talker.say("ping")
        await talker.hear_until(Pong)
    await talker.say("text", id="late", text="Hi")
    refused = await talker.next(Refused)

    assert (refused.turn, refused.problem.status) == ("late", 429)
    assert (refused.problem.code, refused.problem.retry_after_ms) == ("turns_waiting", 1_000)


async def test_speech_becomes_turns(world):
    """Frames belong to the utterance that audio_end completes."""
    talker = await world.service(modality="voice")
    for pcm in (b"\x01\x02", b"\x03\x04"):
        await talker.speak(pcm)
    await talker.say("audio_end", id="t1")
    await talker.speak(b"\x05\x06")
    await talker.say("audio_end", id="t2")
    await talker.hear_until(TurnEnded, turn="t2")

    assert world.conversation.heard == [(1, b"\x01\x02"), (1, b"\x03\x04"), (2, b"\x05\x06")]
    assert world.conversation.spoken == [("t1", 1), ("t2", 2)]


async def test_the_twin_speaks_in_frames_with_positions(world):
    """Voice, notices and delays are events like all others."""
    talker = await world.service(modality="voice")
    world.conversation.tell(
        TurnStarted(turn="t1"),
        Throttled(turn="t1", delay_ms=250),
        AudioPiece(pcm=b"\x01\x00", sample_hz=24_000),
        Notice(code="quota_voice", message="Seguimos por texto.", modality="text"),
    )
    heard = await talker.hear_until(Notice)

    assert [one.position for one in heard] == [1, 2, 3, 4]
    assert heard[1].delay_ms == 250
    assert (heard[2].pcm, heard[2].sample_hz) == (b"\x01\x00", 24_000)


async def test_interrupting_stops_the_turn_and_forgets_those_that_wait(world):
    """Somebody has changed their mind."""
    world.conversations.script = lambda *_: asyncio.Event().wait()
    talker = await world.service()
    for turn in ("a", "b", "c"):
        await talker.say("text", id=turn, text=turn)
    await talker.say("ping")
    await talker.next(Pong)
    await talker.say("interrupt")
    ended = [await talker.next(TurnEnded) for _ in range(2)]

    assert [(one.turn, one.outcome) for one in ended] == [
        ("b", "interrupted"),
        ("c", "interrupted"),
    ]
    assert world.conversation.interrupted == 1


@pytest.mark.parametrize(("who", "sees"), [("page", False), ("service", True)])
async def test_a_refused_turn_carries_the_problem_of_http(world, who, sees):
    """The same code and remedy as over HTTP; the twin's money is for services only."""

    async def refuse(_conversation, _turn, _text):
        raise refused(ASLEEP | {"command_id": "x", "decision_id": None, "replayed": False})

    world.conversations.script = refuse
    talker = await getattr(world, who)()
    answer, ended = await talker.turn("Hi")
    problem = answer.problem

    assert (ended.outcome, problem.status, problem.code) == ("refused", 402, "hard_limit")
    assert problem.type == "urn:vito:problem:hard_limit"
    assert (problem.remaining_nanos is not None) is sees
    assert (problem.facts is not None) is ("5012" in problem.detail) is sees


async def test_a_refusal_among_the_events_tells_a_visitor_no_money(world):
    """The engine may say it either way."""
    talker = await world.page()
    told = body_of(refused(ASLEEP | {"command_id": "x", "decision_id": None, "replayed": False}))
    world.conversation.tell(Refused(problem=told))
    problem = (await talker.next(Refused)).problem

    assert (problem.facts, problem.remaining_nanos, problem.committed_nanos) == (None, None, None)
    assert "5012" not in problem.detail


async def test_a_turn_that_fails_harms_no_other(world):
    """A fault of ours is told without its words, and the next turn is answered."""

    async def once(conversation, turn, text):
        if turn == "bad":
            raise RuntimeError("sk-secret")
        await repeat(conversation, turn, text)

    world.conversations.script = once
    talker = await world.service()
    answer, ended = await talker.turn("Hi", "bad")

    assert (answer.problem.code, ended.outcome) == ("internal", "failed")
    assert "sk-secret" not in str(answer)
    assert (await talker.turn("Hi", "good"))[-1].outcome == "done"


async def test_the_twin_ends_it_with_a_reason_after_all_that_it_said(world):
    """At the hard limit, or killed: the last words arrive, then the reason, then the code."""
    talker = await world.page()
    problem = of_refusal(CALLER_NOT_ALLOWED)
    world.conversation.tell(Notice(code="asleep", message="Zzz", modality="text"), problem)
    await talker.next(Notice, message="Zzz")
    closing = await talker.next(Closing)

    assert closing.problem.code == "caller_not_allowed"
    assert (await talker.ended(), talker.code) == (None, 4403)
    await world.conversation.has_closed.wait()
    assert world.conversation.closed == "ended"


async def test_the_twin_says_good_bye(world):
    """An end without a problem is 1000."""
    talker = await world.page()
    world.conversation.tell(OVER)

    assert (await talker.ended(), talker.code) == (None, 1000)


async def test_an_engine_that_breaks_is_a_500_and_is_closed(world):
    """Its words stay with us."""
    talker = await world.service()
    world.conversation.tell(RuntimeError("sk-secret"))
    problem = await talker.ended()

    assert (problem.code, talker.code) == ("internal", 4500)
    assert "sk-secret" not in str(problem)
    await world.conversation.has_closed.wait()


async def test_who_cannot_begin_is_told_why(world):
    """What the engine refuses closes the connection, with the body of HTTP."""
    world.conversations.fault = refused(
        ASLEEP | {"command_id": "x", "decision_id": None, "replayed": False}
    )
    talker = await world.connect(world.key())
    await talker.say("hello")
    problem = await talker.ended()

    assert (problem.code, problem.remedy, talker.code) == ("hard_limit", "Top up.", 4402)
    assert len(world.gateway.streams) == 0


async def test_a_fault_while_beginning_is_a_500(world):
    """Nobody waits for a bug."""
    world.conversations.fault = RuntimeError("sk-secret")
    talker = await world.connect(world.key())
    await talker.say("hello")

    assert (await talker.ended()).code == "internal"
    assert (talker.code, len(world.gateway.streams)) == (4500, 0)


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ("{", "message"),
        ("[]", "type"),
        ('{"type": "shout"}', "type"),
        ('{"type": "text", "id": "t1"}', "text"),
        ('{"type": "text", "id": "t1", "text": ""}', "text"),
        ('{"type": "text", "id": "", "text": "Hi"}', "id"),
        ('{"type": "text", "id": "t1", "text": "Hi", "more": 1}', "more"),
        ('{"type": "acknowledge", "position": -1}', "position"),
        ('{"type": "acknowledge", "position": 99}', "position"),
        ('{"type": "audio_end", "id": "t1"}', "id"),
        (b"", "audio"),
        (b"\x01\x00\x80\x3e", "audio"),
        (b"\x02\x00\x80\x3e\x00\x00", "audio"),
        (b"\x01\x00\xc0\x5d\x00\x00", "audio"),
        (b"\x01\x00\x80\x3e\x00", "audio"),
    ],
)
async def test_what_is_no_message_is_refused_by_field_and_the_rest_goes_on(world, frame, field):
    """A bug in a client is a clear answer, not a lost conversation."""
    talker = await world.service()
    send = talker.socket.send_bytes if isinstance(frame, bytes) else talker.socket.send_str
    await send(frame)
    refused = await talker.next(Refused)
    [error] = refused.problem.errors

    assert (refused.problem.status, error.field) == (400, field)
    assert error.rule
    assert error.remedy
    assert (await talker.turn("Hi", "after"))[-1].outcome == "done"


async def test_no_text_turns_round_what_stands_beside_it(world):
    """The same rule as for every text of a command."""
    talker = await world.service()
    await talker.say("text", id="t1", text="a\u202eb")
    [error] = (await talker.next(Refused)).problem.errors

    assert error.rule.startswith("`text` has U+202E at character 2")


async def test_hello_is_said_first_and_once(world):
    """Anything else is no stream of ours."""
    early = await world.connect(world.key())
    await early.say("text", id="t1", text="Hi")
    twice = await world.service()
    await twice.say("hello")

    assert ((await early.ended()).code, early.code) == ("hello_expected", 4400)
    assert (await twice.next(Refused)).problem.code == "hello_expected"


async def test_pings_are_answered(world):
    """Those of WebSocket with their payload, and those of clients that have none."""
    talker = await world.service()
    await talker.socket.ping(b"abc")
    await talker.say("ping")
    await talker.next(Pong)
    while not talker.pings:
        await talker.say("ping")
        await talker.next(Pong)

    assert talker.pings == [b"abc"]


async def test_the_end_of_speech_that_is_said_again_is_one_turn(world):
    """A page that is not sure, after a lost connection, repeats it; what was lost it is told."""
    talker = await world.service(modality="voice")
    await talker.speak(bytes(640))
    for _ in range(2):
        await talker.say("audio_end", id="t1")
    await talker.next(TurnEnded, turn="t1")
    await talker.say("audio_end", id="t2")
    refused = await talker.hear()

    assert world.conversation.spoken == [("t1", 1)]
    assert (refused.turn, refused.problem.code) == ("t2", "malformed_message")
