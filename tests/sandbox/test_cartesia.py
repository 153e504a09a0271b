"""The sandbox's Cartesia: the frames of its reference, its quirks, its sound and its bill."""

import asyncio
import base64
import io
import wave
from array import array

import aiohttp
import pytest

from contracts.usage import Usage
from services.sandbox.faults import Fault
from services.sandbox.voice import pitch_of, say

HEADERS = {"Authorization": "Bearer sandbox-cartesia", "Cartesia-Version": "2026-08-14"}
SPEAK = {
    "context_id": "one",
    "model_id": "sonic-3",
    "transcript": "Hola, che. ",
    "voice": {"id": "v-1"},
    "language": "es",
    "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
    "continue": False,
}


@pytest.fixture
async def socket(sandbox, http):
    async with http.ws_connect(
        f"{sandbox.base_url('cartesia')}/tts/websocket", headers=HEADERS
    ) as socket:
        yield socket


async def until_done(socket, context="one"):
    """The frames of a context, up to the one that says it is done."""
    frames = []
    async with asyncio.timeout(5):
        while not (frames and frames[-1]["done"]):
            frame = await socket.receive_json()
            if frame["context_id"] == context:
                frames.append(frame)
    return frames


def sound_of(frames):
    parts = [base64.b64decode(frame["data"]) for frame in frames if frame["type"] == "chunk"]
    return array("h", b"".join(parts))


async def test_an_utterance_is_chunks_of_sound_and_then_done(socket, sandbox):
    """Audible, in pieces of a tenth of a second, billed by characters."""
    await socket.send_json(SPEAK)
    *chunks, done = await until_done(socket)

    assert {frame["type"] for frame in chunks} == {"chunk"}
    assert (done["type"], done["status_code"]) == ("done", 200)
    sound = sound_of(chunks)
    assert max(sound) > 3_000
    assert len(chunks) == -(-len(sound) // 2_400)
    stream_ms = -(-len(sound) * 1_000 // 24_000)
    assert sandbox.ledger.bills("cartesia") == {
        "one": Usage(characters=len(SPEAK["transcript"]), stream_ms=stream_ms)
    }


async def test_parts_are_one_utterance_with_the_sound_of_the_whole(socket, sandbox):
    """Whole words are spoken as they come; a flush is answered."""
    for part in ("Hola, ", "ch"):
        await socket.send_json({**SPEAK, "transcript": part, "continue": True})
    await socket.send_json({**SPEAK, "transcript": "e. ", "continue": True, "flush": True})
    await socket.send_json({**SPEAK, "transcript": ""})
    frames = await until_done(socket)

    assert sound_of(frames).tobytes() == say("Hola, che. ", "v-1", 24_000)
    assert [frame["flush_id"] for frame in frames if frame["type"] == "flush_done"] == [1]
    assert sandbox.ledger.bill("cartesia").characters == len("Hola, che. ")
    assert sandbox.ledger.count("cartesia", "context") == 1


async def test_words_have_times_within_the_sound(socket):
    """Also of parts: they are counted from the beginning of the context."""
    for transcript, goes_on in (("Hola, ", True), ("che. ", False)):
        message = {"transcript": transcript, "continue": goes_on, "add_timestamps": True}
        await socket.send_json({**SPEAK, **message})
    frames = await until_done(socket)
    times = [frame["word_timestamps"] for frame in frames if frame["type"] == "timestamps"]

    assert [time["words"] for time in times] == [["Hola,"], ["che."]]
    assert times[0]["start"] == [0.0]
    assert times[1]["start"][0] > times[0]["end"][0]
    assert times[1]["end"][0] <= len(sound_of(frames)) / 24_000


async def test_contexts_of_one_socket_do_not_mix(socket):
    """Every frame says whose it is."""
    for context in ("one", "two"):
        await socket.send_json({**SPEAK, "context_id": context, "transcript": context})
    frames = []
    while sum(frame["done"] for frame in frames) < 2:
        frames.append(await socket.receive_json())

    for context in ("one", "two"):
        mine = [frame for frame in frames if frame["context_id"] == context]
        assert sound_of(mine).tobytes() == say(context, "v-1", 24_000)


async def test_an_error_frame_says_done_too(socket, sandbox):
    """The quirk that took a 429 for a short utterance. It costs nothing."""
    sandbox.vendors["cartesia"].concurrent_max = 0
    await socket.send_json(SPEAK)
    (frame,) = await until_done(socket)

    assert (frame["type"], frame["done"], frame["status_code"]) == ("error", True, 429)
    assert frame["error_code"] == "concurrency_limited"
    assert sandbox.ledger.bill("cartesia") == Usage()


async def test_a_cancel_drops_what_was_not_begun(socket, sandbox):
    """The context ends; what comes after the cancel is another utterance."""
    await socket.send_json({**SPEAK, "continue": True})
    await socket.receive_json()
    await socket.send_json({"context_id": "one", "cancel": True})
    await until_done(socket)

    assert sandbox.ledger.bill("cartesia").characters == len(SPEAK["transcript"])
    assert sandbox.vendors["cartesia"].active == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model_id": "gpt-4o"}, 404),
        ({"voice": {}}, 400),
        ({"language": "xx"}, 400),
        ({"context_id": "cantor.7"}, 400),
        ({"output_format": {"encoding": "pcm_mulaw"}}, 400),
        ({"transcript": 7}, 400),
    ],
)
async def test_a_wrong_message_is_told(socket, sandbox, change, status):
    """And costs nothing."""
    await socket.send_json({**SPEAK, **change})
    frame = await socket.receive_json()

    assert (frame["type"], frame["status_code"]) == ("error", status)
    assert sandbox.ledger.bill("cartesia") == Usage()


async def test_an_unknown_key_gets_no_socket(sandbox, http):
    """401 at the handshake."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(f"{sandbox.base_url('cartesia')}/tts/websocket")

    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("fault", "chunks"),
    [
        ({"kind": "status", "status": 402}, 0),
        ({"kind": "error_in_stream", "after_chunks": 2, "status": 500}, 2),
    ],
)
async def test_faults_are_error_frames(socket, sandbox, fault, chunks):
    """Before the audio or in the middle of it."""
    sandbox.faults.add(Fault(vendor="cartesia", operation="context", **fault))
    await socket.send_json(SPEAK)
    *heard, error = await until_done(socket)

    assert (error["type"], error["status_code"]) == ("error", fault["status"])
    assert len(heard) == chunks


async def test_whoever_leaves_takes_their_contexts_with_them(socket, sandbox):
    """Nothing is left speaking to nobody."""
    await socket.send_json({**SPEAK, "continue": True})
    await socket.receive_json()
    await socket.close()
    cartesia = sandbox.vendors["cartesia"]
    async with asyncio.timeout(2):
        while cartesia.active or cartesia.sockets:  # noqa: ASYNC110 - it has no event of ours
            await asyncio.sleep(0)


async def test_a_whole_utterance_is_a_wav_that_plays(sandbox, http):
    """The other path, for samples."""
    url = f"{sandbox.base_url('cartesia')}/tts/bytes"
    wanted = {**SPEAK, "output_format": {**SPEAK["output_format"], "container": "wav"}}
    async with http.post(url, json=wanted, headers=HEADERS) as response:
        with wave.open(io.BytesIO(await response.read())) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (24_000, 1)
            assert sound.readframes(-1) == say("Hola, che. ", "v-1", 24_000)
    assert sandbox.ledger.bill("cartesia").characters == len("Hola, che. ")


def test_voices_differ_and_speed_is_heard():
    """The same text in the same voice is the same sound."""
    assert pitch_of("v-1") != pitch_of("v-2")
    assert say("gol", "v-1", 8_000) == say("gol", "v-1", 8_000) != say("gol", "v-2", 8_000)
    assert len(say("gol", "v-1", 8_000, 1.5)) < len(say("gol", "v-1", 8_000, 0.6))
    # A sentence lasts about as long as it does in speech.
    spoken_s = len(say("Buenas tardes, bienvenidos al partido. ", "v-1", 24_000)) / 48_000
    assert 2 < spoken_s < 4
