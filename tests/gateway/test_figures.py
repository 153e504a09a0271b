"""What Prometheus is told of a gateway: true numbers, to whoever has the key, of bounded size."""

import asyncio
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.stream import Throttled, TurnEnded, pack_speech
from tests.gateway.conftest import NOBODY, OTHER, OWN, standing
from tests.gateway.talker import happens
from tests.gateway.test_handshake import EVIL, answered, told
from tests.query_api.conftest import KEY
from tests.rig.conversation import repeat

WATCHER = "figures-only-" + "w" * 30
SHOWN = {"Authorization": f"Bearer {WATCHER}"}


@pytest.fixture
async def watched():
    async with standing(watcher=WATCHER) as world:
        await world.deploy()
        yield world


async def figures(world):
    """Every sample, by its name without our prefix and the values of its labels."""
    status, headers, body = await world.ask("GET", "/metrics", headers=SHOWN)
    assert status == 200, body
    assert headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name.removeprefix("vito_gateway_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


async def test_who_talks_and_on_which_rung(watched):
    """Sockets, conversations by rung, and those that may still be resumed."""
    await watched.service(modality="voice")
    lost = await watched.page()
    watched.conversation.modality = "text"
    await lost.lose()
    found = await figures(watched)

    assert found["connections",] == 1
    assert [found["conversations", rung] for rung in ("video", "voice", "text")] == [0, 1, 1]
    assert found["lost_conversations",] == 1


async def test_frames_and_bytes_are_counted_both_ways(watched):
    """Exactly those that went over the wire, in bytes and not in characters."""
    talker = await watched.service()
    before = await figures(watched)
    asked = json.dumps({"type": "text", "id": "t1", "text": "¡Gol! ⚽"}, ensure_ascii=False)
    await talker.socket.send_str(asked)
    heard = [(await talker.socket.receive()).data for _ in range(3)]
    await talker.speak(bytes(640))
    await happens(lambda: watched.conversation.heard)
    found = await figures(watched)

    def more(name, *labels):
        return found[name, *labels] - before[name, *labels]

    assert more("frames_total", "in", "text") == 1
    assert more("bytes_total", "in", "text") == len(asked.encode()) > len(asked)
    assert more("frames_total", "audio", "in") == 1
    assert more("bytes_total", "audio", "in") == len(pack_speech(bytes(640)))
    assert more("frames_total", "out", "text") == len(heard)
    assert more("bytes_total", "out", "text") == sum(len(one.encode()) for one in heard)
    assert found["turns_total", "done"] == 1


async def test_what_waits_is_seen_while_it_waits(watched):
    """Turns behind one that runs, and what nobody has acknowledged."""
    going = asyncio.Event()

    async def slowly(conversation, turn, text):
        await going.wait()
        await repeat(conversation, turn, text)

    watched.conversations.script = slowly
    talker = await watched.service()
    stream = next(iter(watched.gateway.streams._streams))
    await talker.say("text", id="t0", text="Hola")
    await happens(lambda: stream.turns.running)
    for turn in ("t1", "t2"):
        await talker.say("text", id=turn, text="Hola")
    await happens(lambda: stream.turns.waiting == 2)
    waiting = await figures(watched)
    going.set()
    await talker.hear_until(TurnEnded, turn="t2")
    found = await figures(watched)

    assert (waiting["turns_waiting",], found["turns_waiting",]) == (2, 0)
    assert (waiting["outbox_messages",], found["outbox_messages",]) == (0, 9)
    assert found["outbox_bytes",] == stream.outbox.kept_bytes > 0
    assert found["full_outboxes",] == 0


async def test_refusals_are_counted_by_code_wherever_they_are_said(watched):
    """Over HTTP, in a conversation, and by closing; what a caller has sent is in no label."""
    await answered(watched, watched.key(), tenant=OTHER)
    await answered(watched, watched.key(), tenant=NOBODY)
    await told(watched, watched.visitor(), origin=EVIL)
    talker = await watched.page()
    await talker.say("disclosed", version=99)
    await talker.say("nonsense")
    await talker.hear()
    found = await figures(watched)

    counted = {labels[0]: n for (name, *labels), n in found.items() if name == "refusals_total"}
    assert counted == {"caller_unknown": 2, "origin_not_allowed": 1, "malformed_message": 1}
    assert not {OWN, OTHER, NOBODY} & {label for key in found for label in key[1:]}


async def test_being_throttled_is_counted_in_milliseconds(watched):
    """Exactly what the gate has decided."""

    async def late(conversation, turn, text):
        conversation.tell(Throttled(turn=turn, delay_ms=417))
        await repeat(conversation, turn, text)

    watched.conversations.script = late
    talker = await watched.service()
    for number in range(2):
        await talker.turn("Hola", f"t{number}")
    found = await figures(watched)

    assert (found["throttled_total",], found["throttled_ms_total",]) == (2, 834)


async def test_denials_that_wait_for_the_gate_are_seen(watched):
    """Before they are given up."""
    denials = watched.running.denials
    told_of = watched.gate._report
    gate_is_open = asyncio.Event()

    async def late(*about):
        await gate_is_open.wait()
        return await told_of(*about)

    watched.gate._report = late
    for scope in ("read", "mint"):
        await answered(watched, watched.key(scope))
    waiting = await figures(watched)
    gate_is_open.set()
    await denials.written()

    # One is on its way, the other waits for it.
    assert waiting["denials_waiting",] == 1
    assert (await figures(watched))["denials_waiting",] == 0


@pytest.mark.parametrize("shown", [None, KEY, "x", "a key of the twin"])
async def test_nobody_else_sees_them(watched, shown):
    """Not with the key of everything, nor with one of a twin; and this one opens nothing else."""
    text = watched.key() if shown == "a key of the twin" else shown
    headers = {"Authorization": f"Bearer {text}"} if text else {}
    status, _, body = await watched.ask("GET", "/metrics", headers=headers)
    talking, _, _ = await answered(watched, WATCHER)

    assert (status, talking) == (401, 401)
    assert b"vito_gateway" not in body


async def test_without_a_key_there_are_no_figures(world):
    """The path is not even there."""
    status, _, body = await world.ask("GET", "/metrics", headers=SHOWN)

    assert (status, b"route_unknown" in body) == (404, True)


async def test_how_many_series_there_are_does_not_grow_with_the_traffic(watched):
    """Another hundred strangers and twins make no new series."""

    async def knock(first):
        for number in range(first, first + 20):
            await answered(watched, watched.key(), tenant=f"twin-{number}")
        return set(await figures(watched))

    assert await knock(0) == await knock(100)
