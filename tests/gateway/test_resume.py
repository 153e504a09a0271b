"""A lost connection loses nothing, for as long as it was said, and to nobody else."""

import asyncio
import re

import pytest

from contracts.stream import Closing, TextPiece, TurnEnded, TurnStarted
from tests.gateway.conftest import OTHER, PAGE, standing
from tests.gateway.talker import happens
from tests.http_door.people import NOW_US

GONE = (410, "conversation_gone")


async def again(world, credential, welcome, position=0, **more):
    """Come back with a resume token; return the talker and what it is answered first."""
    talker = await world.connect(credential, **more)
    await talker.say("hello", resume=welcome.resume, position=position)
    return talker, await talker.hear()


async def gone(world, credential, welcome, position=0, **more):
    """Whether nothing is resumed; what was said is the same for every reason."""
    _, told = await again(world, credential, welcome, position, **more)
    return type(told) is Closing and (told.problem.status, told.problem.code) == GONE


async def test_what_was_not_acknowledged_is_said_again(world):
    """
    Goal: after a lost connection the client has every event once, by position.
    Method: the turn goes on while nobody is connected; the client comes back with what it had.
    """
    go = asyncio.Event()

    async def slow(conversation, turn, _text):
        conversation.tell(TurnStarted(turn=turn), TextPiece(turn=turn, text="1"))
        await go.wait()
        conversation.tell(TextPiece(turn=turn, text="2"), TurnEnded(turn=turn, outcome="done"))

    world.conversations.script = slow
    token = world.visitor()
    talker = await world.page(token)
    await talker.say("text", id="t1", text="Hi")
    await talker.next(TextPiece)
    await talker.lose()
    go.set()
    back, welcome = await again(world, token, talker.welcome, 1, origin=PAGE)
    heard = await back.hear_until(TurnEnded)

    assert (welcome.position, welcome.session_id) == (1, talker.welcome.session_id)
    assert welcome.disclosure is None
    assert [(one.position, getattr(one, "text", "")) for one in heard] == [
        (2, "1"),
        (3, "2"),
        (4, ""),
    ]
    assert len(world.conversations.opened) == 1


async def test_a_turn_that_may_have_been_lost_is_sent_again_and_taken_once(world):
    """The id of a turn survives its connection."""
    key = world.key()
    talker = await world.service(key)
    await talker.turn("Hi", "t1")
    await talker.lose()
    back, _ = await again(world, key, talker.welcome, 3)
    await back.say("text", id="t1", text="Hi")
    await back.turn("And?", "t2")

    assert world.conversation.said == [("t1", "Hi"), ("t2", "And?")]


async def test_a_token_is_good_once(world):
    """Spent as soon as its successor has arrived, which the next message shows."""
    key = world.key()
    talker = await world.service(key)
    await talker.lose()
    back, welcome = await again(world, key, talker.welcome)
    await back.turn("Hi")

    assert re.fullmatch(r"[A-Za-z0-9]{43}", welcome.resume)
    assert welcome.resume != talker.welcome.resume
    assert await gone(world, key, talker.welcome)
    assert (await back.turn("Still here", "t2"))[-1].outcome == "done"
    await back.lose()
    assert not await gone(world, key, welcome)


async def test_a_welcome_may_be_lost_as_well(world):
    """The tunnel goes on: the token before stays good until the new one was seen to arrive."""
    key = world.key()
    talker = await world.service(key)
    await talker.lose()
    unheard, _ = await again(world, key, talker.welcome)
    await unheard.lose()

    assert not await gone(world, key, talker.welcome)


@pytest.mark.parametrize("who", ["another visitor", "another key", "another twin", "operator"])
async def test_a_token_is_good_for_its_bearer_only(world, who):
    """Found in a log or on a screen it opens nothing."""
    talker = await world.page(world.visitor(1))
    await talker.lose()
    await world.deploy(OTHER)
    credential, more = {
        "another visitor": (world.visitor(2), {"origin": PAGE}),
        "another key": (world.key(), {}),
        "another twin": (world.visitor(1, tenant=OTHER), {"origin": PAGE, "tenant": OTHER}),
        "operator": ("vito_test_0123456789abcdefghijklmnop", {}),
    }[who]

    assert await gone(world, credential, talker.welcome, **more)


async def test_the_newer_connection_counts(world):
    """A phone changes networks before the old connection is known to be dead."""
    key = world.key()
    old = await world.service(key)
    new, _ = await again(world, key, old.welcome)
    problem = await old.ended()

    await happens(lambda: world.gateway.connections == 1)
    # The old one is gone, and that is nobody's loss.
    await world.pass_s(world.limits.resume_s)

    assert (problem.code, old.code) == ("taken_over", 4409)
    assert (await new.turn("Hi"))[-1].outcome == "done"
    assert world.conversation.closed is None


async def test_after_its_time_it_is_gone_and_everything_is_settled(world):
    """To the second; the problem says to begin anew."""
    key = world.key()
    talker = await world.service(key)
    await talker.lose()
    await world.pass_s(world.limits.resume_s - 1)
    assert world.conversation.closed is None
    await world.pass_s(1)
    await world.conversation.has_closed.wait()

    assert world.conversation.closed == "lost"
    assert await gone(world, key, talker.welcome)


@pytest.mark.parametrize("position", [1, 7])
async def test_only_what_is_kept_can_be_resumed(world, position):
    """What was acknowledged is not kept any more; what was never said is not."""
    key = world.key()
    talker = await world.service(key)
    await talker.turn("Hi")
    await talker.say("acknowledge", position=2)
    await talker.say("ping")
    await talker.hear()
    await talker.lose()

    assert await gone(world, key, talker.welcome, position)


async def test_who_has_left_cannot_come_back(world):
    """A page that was closed says so, and so does `bye`."""
    key = world.key()
    left, closed = await world.service(key), await world.service(key)
    await left.say("bye")
    await left.ended()
    await closed.socket.close(code=1001)
    for conversation in world.conversations.opened:
        await conversation.has_closed.wait()

    assert [one.closed for one in world.conversations.opened] == ["user_exit", "user_exit"]
    assert await gone(world, key, left.welcome)


async def test_a_token_that_has_expired_is_exchanged_on_the_way(world):
    """A service goes on with a new token of the same name; the conversation does not end."""
    key_id = world.key().split("_")[2]

    def token(expires_at_s):
        return world.tokens.issue(
            principal=f"key_{key_id}",
            tenant="cantor",
            scopes=frozenset(["calls"]),
            expires_at_s=expires_at_s,
        )

    talker = await world.service(token(NOW_US // 1_000_000 + 20))
    await world.pass_s(20)
    problem = await talker.ended()
    _, welcome = await again(world, token(NOW_US // 1_000_000 + 900), talker.welcome)

    assert (problem.code, talker.code) == ("key_refused", 4401)
    assert welcome.session_id == talker.welcome.session_id


async def test_while_nobody_is_there_memory_is_bounded():
    """The engine waits when the window is full, and goes on when somebody is back."""
    async with standing(window_messages=4) as world:
        key = world.key()
        talker = await world.service(key)
        await talker.lose()
        pieces = [TextPiece(turn="t", text=str(number)) for number in range(10)]
        world.conversation.tell(*pieces, TurnEnded(turn="t", outcome="done"))
        [stream] = world.gateway.streams._streams
        await happens(lambda: stream.outbox.full_since_s is not None)
        await world.pass_s(world.limits.resume_s - 1)
        assert stream.outbox.last == 4
        back, _ = await again(world, key, talker.welcome)
        # As slow as before: the time in the tunnel is not held against it.
        world.gateway.check()
        heard = []
        while len(heard) < 11:
            heard.append(await back.hear())
            await back.say("acknowledge", position=heard[-1].position)

        assert [one.position for one in heard] == list(range(1, 12))
