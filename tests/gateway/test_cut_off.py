"""A conversation that was stopped: no sound that was not heard yet is heard any more."""

import asyncio
import json
import socket
import time

from contracts.stream import AudioPiece, Closing, TextPiece, TurnStarted
from services.gateway.outbox import Outbox
from services.live.problems import ended
from tests.gateway.talker import happens

# What fits into a small receive buffer a few times over.
PIECE = bytes(4_000)
PIECES = 25
RECEIVE_BYTES = 4_096
WITHIN_S = 1.0


class TestOutbox:
    def test_only_sound_is_dropped_and_every_position_stays(self):
        """What was written is still said, and room is made."""
        outbox = Outbox(messages_max=8, bytes_max=5_000, clock_s=lambda: 0.0)
        for event in (
            TurnStarted(turn="t1"),
            AudioPiece(pcm=bytes(6_000), sample_hz=24_000),
            TextPiece(turn="t1", text="¡Gol!"),
        ):
            outbox.put(event)
        assert outbox.full_since_s is not None

        outbox.hush()

        assert [bool(outbox.after(at).frame) for at in range(3)] == [True, False, True]
        assert (outbox.last, outbox.full_since_s) == (3, None)
        assert 0 < outbox.kept_bytes < 200


class Deaf:
    """A client that says what it must, and then reads nothing at all before it is asked to."""

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self.received = b""

    async def connect(self, world):
        loop = asyncio.get_running_loop()
        host, port = world.running.url.removeprefix("http://").split(":")
        await loop.sock_connect(self._socket, (host, int(port)))
        handshake = (
            "GET /v1/twins/cantor/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: vito.v1\r\n"
            f"Authorization: Bearer {world.key()}\r\n\r\n"
        )
        await loop.sock_sendall(self._socket, handshake.encode())
        await self.say({"type": "hello", "modality": "voice"})
        await self.say({"type": "text", "id": "t1", "text": "Hola"})

    async def say(self, message):
        payload = json.dumps(message).encode()
        # Masked with zeros: the rule is kept, and the text is legible.
        head = bytes((0x81, 0x80 | len(payload))) + bytes(4)
        await asyncio.get_running_loop().sock_sendall(self._socket, head + payload)

    async def read_all(self):
        """Read to the end; whether it was one in peace."""
        loop = asyncio.get_running_loop()
        try:
            while chunk := await loop.sock_recv(self._socket, 65_536):
                self.received += chunk
        except ConnectionResetError:
            return False
        return True

    def close(self):
        self._socket.close()


async def speaks(conversation, turn, _text):
    conversation.tell(TurnStarted(turn=turn))
    conversation.tell(*(AudioPiece(pcm=PIECE, sample_hz=24_000) for _ in range(PIECES)))


async def test_what_is_on_its_way_to_a_slow_reader_is_thrown_away(world):
    """
    Goal: within a second nothing more reaches who does not read, whatever was sent to them.
    Method: a hundred thousand bytes of sound for a client that reads none; then the session is
    stopped. The socket is reset, so that no system between the two delivers anything any more.
    """
    world.conversations.script = speaks
    deaf = Deaf()
    await deaf.connect(world)
    await happens(lambda: world.conversations.opened)
    [stream] = world.gateway.streams._streams
    await happens(lambda: stream.outbox.last > PIECES)
    served = stream.line._request.transport.get_extra_info("socket")
    stopped_s = time.monotonic()
    world.conversation.tell(ended("killed"))
    await happens(lambda: served.fileno() < 0)
    took_s = time.monotonic() - stopped_s

    assert took_s < WITHIN_S
    assert not await deaf.read_all()
    assert len(deaf.received) <= 4 * RECEIVE_BYTES < PIECES * len(PIECE)
    deaf.close()


async def test_who_reads_is_told_why_and_hears_no_more(world):
    """
    Goal: whoever reads gets the words that are left, and the reason, but none of the sound.
    Method: sound that waits behind the reader's window, a last word, and the stop.
    """
    held = asyncio.Event()

    async def says_much(conversation, turn, text):
        await speaks(conversation, turn, text)
        await held.wait()

    world.conversations.script = says_much
    talker = await world.service(modality="voice")
    [stream] = world.gateway.streams._streams
    send = stream.line._send

    async def waits_for_sound(frame):
        # As a connection that is slower than the voice.
        if isinstance(frame, bytes):
            await held.wait()
        await send(frame)

    stream.line._send = waits_for_sound
    await talker.say("text", id="t1", text="Hola")
    await happens(lambda: stream.outbox.last > PIECES)
    world.conversation.tell(TextPiece(turn="t1", text="!"), ended("killed"))
    await happens(lambda: not world.gateway.streams._streams)
    held.set()

    heard = []
    while (message := await talker.hear()) is not None:
        heard.append(message)
    sounds = [one for one in heard if isinstance(one, AudioPiece)]
    assert len(sounds) <= 1, "the one that was being sent"
    assert heard[-2] == TextPiece(turn="t1", text="!", position=heard[-2].position)
    assert isinstance(heard[-1], Closing)
    assert (heard[-1].problem.code, talker.code) == ("session_closed", 4403)
