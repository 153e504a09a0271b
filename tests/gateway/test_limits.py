"""Every bound of the gateway: who goes beyond it is told so, and nobody else is harmed."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from yarl import URL

from contracts.stream import AudioPiece, Pong, Refused, TextPiece, TurnEnded
from services.http_api.protocol import CONNECTIONS_MAX
from services.query_api.problems import INTERNAL, HttpProblem
from tests.gateway.conftest import OTHER, PAGE, standing
from tests.gateway.talker import happens
from tests.http_door.people import NOW_US


async def is_well(talker):
    return (await talker.turn("Hi", "well"))[-1].outcome == "done"


async def test_who_does_not_say_hello_in_time_is_closed(world):
    """To the second, on the gateway's clock."""
    talker = await world.connect(world.key())
    await world.pass_s(9)
    assert not [one for one in world.gateway._connections if one._ending]
    await world.pass_s(1)

    assert ((await talker.ended()).code, talker.code) == ("handshake_timeout", 4408)


async def test_a_large_message_closes_politely_and_a_huge_one_at_once(world):
    """Beyond four times the bound it is not even kept to be refused."""
    bystander, large, huge = [await world.service() for _ in range(3)]
    await large.say("text", id="t1", text="x" * 40_000)
    await huge.socket.send_bytes(bytes(200_000))

    assert ((await large.ended()).code, large.code) == ("message_too_large", 4413)
    assert await huge.ended() is None
    # 1009, or 1006 when the system has thrown that away with what nobody read.
    assert huge.code in (1006, 1009)
    assert await is_well(bystander)


async def test_a_long_text_is_refused_by_its_field(world):
    """It fits into a message, but not into a turn."""
    talker = await world.service()
    await talker.say("text", id="t1", text="x" * 4_001)

    assert (await talker.next(Refused)).problem.errors[0].field == "text"


async def test_a_flood_is_closed_and_may_resume(world):
    """After its burst one message each 10 ms, no more; nobody else notices."""
    bystander, talker = await world.service(), await world.service()
    for _ in range(world.limits.burst):
        await talker.say("ping")
    problem = await talker.ended()

    assert (problem.code, problem.retry_after_ms, talker.code) == ("too_many_messages", 1_000, 4429)
    assert await is_well(bystander)
    assert len(world.gateway.streams) == 2


async def test_the_pace_is_kept(world):
    """The burst, then one message for each interval that goes by, and not one more."""
    talker = await world.service()
    for _ in range(world.limits.burst - 2):
        await talker.say("interrupt")
    await talker.say("ping")
    await talker.next(Pong)
    for _ in range(3):
        world.clock.pass_s(0.0101)
        await talker.say("ping")
        await talker.next(Pong)
    await talker.say("ping")

    assert (await talker.ended()).code == "too_many_messages"


async def test_acknowledging_everything_is_no_flood(world):
    """Whoever acknowledges each message, however fast they come, stays; whoever repeats it not."""
    talker = await world.service()
    pieces = 2 * world.limits.burst
    world.conversation.tell(*(TextPiece(turn="t1", text="x") for _ in range(pieces)))
    for _ in range(pieces):
        await talker.say("acknowledge", position=(await talker.hear()).position)
    assert await is_well(talker)
    for _ in range(world.limits.burst):
        await talker.say("acknowledge", position=pieces)

    assert (await talker.ended()).code == "too_many_messages"


async def test_somebody_who_speaks_for_ever_is_not_heard_for_ever():
    """What was heard until then may still be answered."""
    async with standing(speech_s_max=1) as world:
        talker = await world.service()
        for _ in range(2):
            await talker.speak(bytes(16_000))
        await talker.speak(bytes(2))
        assert (await talker.next(Refused)).problem.code == "speech_too_long"
        await talker.say("audio_end", id="t1")
        await talker.next(TurnEnded, turn="t1")

        assert sum(len(pcm) for _, pcm in world.conversation.heard) == 32_000


async def test_who_does_not_acknowledge_stops_the_twin_and_then_the_connection():
    """
    Goal: bounded memory, whoever does not read.
    Method: an engine that never stops; the outbox fills to its window, and after slow_s the
    connection ends. A neighbour goes on all the time.
    """
    async with standing(window_messages=8) as world:
        bystander, talker = await world.service(), await world.service()
        spoken = [TextPiece(turn="t1", text=str(number)) for number in range(50)]
        world.conversation.tell(*spoken)
        heard = [await talker.hear() for _ in range(8)]
        assert [one.text for one in heard] == [str(number) for number in range(8)]
        await talker.say("acknowledge", position=4)
        assert [(await talker.hear()).position for _ in range(4)] == [9, 10, 11, 12]
        await world.pass_s(world.limits.slow_s - 1)
        assert await is_well(bystander)
        await world.pass_s(1)
        problem = await talker.ended()

        assert (problem.code, talker.code) == ("slow_reader", 4408)
        assert await is_well(await world.service())


async def test_who_does_not_read_at_all_is_cut_off():
    """
    Goal: a reader whose TCP window is shut costs bounded memory, and ends.
    Method: a socket that never reads, and a window so wide that only TCP itself can stop it.
    """
    async with standing(window_bytes=1 << 30, window_messages=10_000, close_s=0.05) as world:
        talker, bystander = await world.service(), await world.service()
        talker.socket._response.connection.transport.pause_reading()
        line = next(iter(world.gateway.streams._streams)).line
        noise = AudioPiece(pcm=bytes(60_000), sample_hz=24_000)
        world.conversations.opened[0].tell(*[noise] * 400)
        transport = line._request.transport
        await happens(lambda: transport.get_write_buffer_size() >= 60_000)
        await world.pass_s(world.limits.slow_s)
        await happens(lambda: world.gateway.connections <= 1)

        # A few messages, of 24 MB that were said.
        assert transport.get_write_buffer_size() < 400_000
        assert await is_well(bystander)


async def test_half_open_sockets_are_found_by_pings(world):
    """Asked after ping_s of silence, given up after as much again; who answers stays."""
    silent, talker = await world.service(), await world.service()
    # It does not even answer pings: nothing reads.
    await world.pass_s(world.limits.ping_s)
    await talker.say("ping")
    await talker.next(Pong)
    assert talker.pings == [b""]
    await world.pass_s(world.limits.ping_s)
    await happens(lambda: world.gateway.connections <= 1)

    assert await is_well(talker)
    assert silent.welcome is not None
    # It can come back for a while: it may have been a tunnel.
    assert len(world.gateway.streams) == 2


async def test_who_says_nothing_for_long_is_sent_home():
    """Acknowledging and pinging is no conversation; a turn that runs is."""
    async with standing(ping_s=1_000) as world:
        idle, busy = await world.service(), await world.service()
        go = asyncio.Event()
        world.conversations.script = lambda *_: go.wait()
        await busy.say("text", id="t1", text="Hi")
        await busy.say("ping")
        await busy.next(Pong)
        await world.pass_s(world.limits.idle_s - 1)
        await idle.say("ping")
        await idle.next(Pong)
        await world.pass_s(1)
        problem = await idle.ended()

        assert (problem.code, idle.code) == ("idle", 4408)
        await world.conversations.opened[0].has_closed.wait()
        assert world.conversations.opened[0].closed == "idle"
        assert world.conversations.opened[1].closed is None


async def test_a_visit_ends_when_its_time_is_over(world):
    """As the gate ends it: 403, and not to be resumed."""
    token = world.visitor(expires_at_s=NOW_US // 1_000_000 + 15)
    talker = await world.page(token)
    await world.pass_s(14)
    assert await is_well(talker)
    await world.pass_s(1)
    problem = await talker.ended()

    assert (problem.code, talker.code) == ("visit_over", 4403)
    await world.conversation.has_closed.wait()


async def test_a_visitor_has_one_conversation(world):
    """Its session is the visit itself; after it another may begin."""
    token = world.visitor()
    first = await world.page(token)
    second = await world.connect(token, origin=PAGE)
    await second.say("hello")

    assert ((await second.ended()).code, second.code) == ("conversation_open", 4409)
    await first.say("bye")
    await first.ended()
    await world.conversation.has_closed.wait()
    await happens(lambda: len(world.gateway.streams) == 0)
    assert await is_well(await world.page(token))


@pytest.mark.parametrize("way", ["process", "tenant"])
async def test_there_is_room_for_so_many_and_then_a_503(way):
    """One twin that goes viral leaves room for the others."""
    bounds = {"process": {"connections_max": 2}, "tenant": {"tenant_connections_max": 2}}
    async with standing(**bounds[way]) as world:
        inside = [await world.service() for _ in range(2)]
        if way == "process":
            status, _, body = await world.ask("GET", "/v1/twins/cantor/stream")
            assert (status, "too_many_conversations" in body.decode()) == (503, True)
        else:
            late = await world.connect(world.key())
            await late.say("hello")
            problem = await late.ended()
            assert (problem.code, problem.retry_after_ms) == ("too_many_conversations", 5_000)
            assert late.code == 4503
            other = await world.connect(world.key(tenant=OTHER), tenant=OTHER)
            await other.hello()
        for talker in inside:
            assert await is_well(talker)
            await talker.say("bye")
            await talker.ended()
        await happens(lambda: len(world.gateway.streams) <= (way == "tenant"))
        assert await is_well(await world.service())


async def test_room_is_given_back_by_who_could_not_begin():
    """A refusal of the engine must not fill the house."""
    async with standing(connections_max=3, tenant_connections_max=1) as world:
        world.conversations.fault = HttpProblem(INTERNAL, "No.")
        for _ in range(3):
            talker = await world.connect(world.key())
            await talker.say("hello")
            await talker.ended()
        world.conversations.fault = None

        assert await is_well(await world.service())


async def test_as_many_connections_as_there_is_room_for_conversations(world):
    """
    Goal: the server below does not cut what the gateway has room for.
    Method: more connections than a server of the API takes; the next one holds a conversation.
    """
    assert world.limits.connections_max > CONNECTIONS_MAX
    at = URL(world.running.url)
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS_MAX + 1):
            _, writer = await asyncio.open_connection(at.host, at.port)
            stack.callback(writer.close)

        talker = await world.service()

        assert (await talker.turn("Hola"))[-1].outcome == "done"
