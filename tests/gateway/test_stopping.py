"""Stopping: what runs may end, everybody is told, all is settled, and nobody new comes in."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from contracts.stream import Pong, TurnEnded
from tests.gateway.conftest import standing
from tests.gateway.talker import happens
from tests.rig.conversation import repeat


async def drained(world):
    """Begin to stop."""
    task = asyncio.create_task(world.gateway.drain())
    await happens(lambda: world.gateway.is_stopping)
    return task


async def test_idle_ones_end_at_once_and_a_running_turn_is_finished():
    """Nobody loses half a sentence to a deployment, if it is short."""
    async with standing(drain_s=10) as world:
        go = asyncio.Event()

        async def slow(conversation, turn, text):
            await go.wait()
            await repeat(conversation, turn, text)

        idle = await world.service()
        world.conversations.script = slow
        busy = await world.service()
        for turn in ("t1", "t2"):
            await busy.say("text", id=turn, text="Hi")
        await busy.say("ping")
        await busy.next(Pong)
        stopping = await drained(world)
        problem = await idle.ended()
        go.set()
        await busy.next(TurnEnded, turn="t1")
        last = await busy.ended()
        await stopping

        assert (problem.code, idle.code) == ("gateway_stopping", 4503)
        assert (last.code, last.retry_after_ms, busy.code) == ("gateway_stopping", 1_000, 4503)
        # The second turn was not begun.
        assert world.conversations.opened[1].said == [("t1", "Hi")]
        assert [one.closed for one in world.conversations.opened] == ["stopping", "stopping"]


async def test_a_turn_that_goes_on_for_ever_is_cut_off():
    """A supervisor waits for so long and no longer."""
    async with standing(drain_s=0.02) as world:
        world.conversations.script = lambda *_: asyncio.Event().wait()
        talker = await world.service()
        await talker.say("text", id="t1", text="Hi")
        await talker.say("ping")
        await talker.next(Pong)
        stopping = await drained(world)
        problem = await talker.ended()
        await stopping

        assert (problem.code, world.conversation.closed) == ("gateway_stopping", "stopping")
        assert world.gateway.connections == 0


async def test_nobody_new_comes_in_while_it_stops(world):
    """A load balancer sees it, and so does who comes all the same."""
    shaking = await world.connect(world.key())
    assert (await world.ask("GET", "/readyz"))[0] == 200
    # A drain that has begun and not ended, without the waiting.
    world.gateway.is_stopping = world.gateway.streams._is_stopping = True
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.connect(world.key())
    await shaking.say("hello")

    assert refused.value.status == 503
    assert (await shaking.ended()).code == "gateway_stopping"
    assert (await world.ask("GET", "/readyz"))[0] == 503
    assert (await world.ask("GET", "/healthz"))[0] == 200


async def test_an_engine_that_hangs_does_not_keep_it(monkeypatch):
    """What was not settled expires by itself; the process ends."""
    monkeypatch.setattr("services.gateway.stream.CLOSE_WITHIN_S", 0.01)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(standing(close_s=0.05))
        await world.service()
        world.conversation.close = lambda _reason: asyncio.Event().wait()
        await world.gateway.drain()

        assert len(world.gateway.streams) == 0
