"""Our shortcuts through nats-py: if a new version changes what they rest on, this notices."""

import asyncio
import random
import socket

import pytest
from nats.errors import NoRespondersError

from services.eventstore import EventStoreConnection, Unavailable
from services.eventstore.client import RawClient

RAW, OTHER = 7, 8


def message(sid, number, size, *, reply=b"", header=True):
    head = b"NATS/1.0\r\nN: %d\r\n\r\n" % number if header else b""
    data = (b"%d\r\nHMSG " % number) * (size // 8 + 1)
    words = [b"HMSG" if header else b"MSG", b"subject.%d" % number, b"%d" % sid]
    words += [reply] if reply else []
    words += [b"%d" % len(head)] if header else []
    words += [b"%d" % (len(head) + len(data))]
    return b" ".join(words) + b"\r\n" + head + data + b"\r\n", (
        b"subject.%d" % number,
        reply,
        head,
        data,
    )


class Recording(RawClient):
    """Takes down what reaches whom."""

    def __init__(self):
        super().__init__()
        self.raw, self.ordinary, self.pongs = [], [], 0
        self._raw_handlers[RAW] = lambda *parts: self.raw.append(parts)

    async def _process_msg(self, sid, subject, reply, data, headers):
        if sid == OTHER:
            self.ordinary.append((subject, reply, headers or b"", data))
        else:
            await super()._process_msg(sid, subject, reply, data, headers)

    async def _process_pong(self):
        self.pongs += 1


def mixture(rng):
    """Frames of all kinds in random order, and who should get which."""
    frames, raw, ordinary, pongs = [], [], [], 0
    for number in range(60):
        kind = rng.choice(["raw", "raw", "raw", "headerless", "other", "pong"])
        if kind == "pong":
            frames.append(b"PONG\r\n")
            pongs += 1
            continue
        reply = rng.choice([b"", b"$JS.ACK.x.1"])
        size = rng.choice([0, 10, 400, 5_000])
        sid = OTHER if kind == "other" else RAW
        frame, parts = message(sid, number, size, reply=reply, header=kind != "headerless")
        frames.append(frame)
        (ordinary if kind == "other" else raw).append(parts)
    return b"".join(frames), raw, ordinary, pongs


@pytest.mark.parametrize("seed", range(20))
async def test_frames_arrive_whole_however_they_are_cut(seed):
    """The network cuts a stream of bytes anywhere, also inside a control line."""
    rng = random.Random(seed)
    received, raw, ordinary, pongs = mixture(rng)
    client = Recording()
    longest = rng.choice([1, 7, 100, 4_096])
    while received:
        cut = rng.randint(1, longest)
        await client._ps.parse(received[:cut])
        received = received[cut:]
    assert (client.raw, client.ordinary, client.pongs) == (raw, ordinary, pongs)


async def test_a_lost_connection_takes_the_beginning_of_a_message_with_it():
    """What follows is from a new connection and begins anew."""
    client = Recording()
    frame, parts = message(RAW, 1, 1_000)
    await client._ps.parse(frame[:200])
    client._ps.reset()
    await client._ps.parse(frame)
    assert client.raw == [parts]


async def test_it_is_an_ordinary_client_too(plain_log):
    """Services use the same connection for commands, keys and leases."""
    client = plain_log.connection.client
    got = asyncio.get_running_loop().create_future()

    async def answer(message):
        await message.respond(message.data.upper())

    async def note(message):
        got.set_result(message.headers)

    await client.subscribe("t.echo", cb=answer)
    await client.subscribe("t.headers", cb=note)
    assert (await client.request("t.echo", b"hello")).data == b"HELLO"
    await client.publish("t.headers", b"", headers={"A": "b"})
    assert await got == {"A": "b"}
    with pytest.raises(NoRespondersError):
        await client.request("t.nobody", b"")


async def test_frames_leave_in_order_with_what_nats_py_sends(plain_log):
    """Replies of the gate must not overtake what was published before them."""
    client = plain_log.connection.client
    got, enough = [], asyncio.Event()

    async def note(message):
        got.append(message.data)
        if len(got) == 3:
            enough.set()

    await client.subscribe("t.order", cb=note)
    await client.publish("t.order", b"1")
    await client.send(b"PUB t.order 1\r\n2\r\nPUB t.order 1\r\n3\r\n")
    async with asyncio.timeout(10):
        await enough.wait()
    assert got == [b"1", b"2", b"3"]


async def test_a_closed_client_sends_nothing(plain_log):
    """It says so instead of keeping frames that nobody will ever send."""
    connection = (await plain_log.open()).connection
    await connection.close()
    with pytest.raises(Unavailable):
        await connection.client.send(b"PING\r\n")
    with pytest.raises(Unavailable):
        await connection.request("t.echo")


async def test_connecting_to_nobody_ends():
    """A service that waits for ever for its servers looks healthy to its supervisor."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"nats://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(Unavailable):
            await EventStoreConnection.open(address, within_s=0.3)
