"""A client of the stream, as bare as it can be: a test says every message itself."""

import asyncio
import json

from aiohttp import WSMsgType

from contracts.stream import Closing, TurnEnded, pack_speech, read_gateway, unpack_voice
from services.embedded.polling import until

PATIENCE_S = 10


async def happens(condition):
    """Wait until it is true."""

    async def is_so():
        return condition()

    await until(is_so, every_s=0.001, timeout_s=PATIENCE_S)


class Talker:
    """One WebSocket. *code* is the close code once it is over."""

    def __init__(self, socket, world):
        self.socket, self.world = socket, world
        self.welcome = None
        self.pings = []

    @property
    def code(self):
        return self.socket.close_code

    async def say(self, kind, **fields):
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def speak(self, pcm):
        await self.socket.send_bytes(pack_speech(pcm))

    async def hello(self, **fields):
        """Say hello and return the welcome."""
        await self.say("hello", **fields)
        self.welcome = await self.hear()
        return self.welcome

    async def hear(self):
        """Return the next message, None when there will be none."""
        while True:
            message = await asyncio.wait_for(self.socket.receive(), PATIENCE_S)
            match message.type:
                case WSMsgType.TEXT:
                    return read_gateway(message.data)
                case WSMsgType.BINARY:
                    return unpack_voice(message.data)
                case WSMsgType.PING:
                    self.pings.append(message.data)
                    await self.socket.pong(message.data)
                case WSMsgType.PONG:
                    self.pings.append(message.data)
                case _:
                    return None

    async def hear_until(self, kind, **fields):
        """Return everything up to the first message of this kind, it included."""
        heard = []
        while True:
            message = await self.hear()
            assert message is not None, f"closed with {self.code} after {heard}"
            heard.append(message)
            if type(message) is kind and all(getattr(message, k) == v for k, v in fields.items()):
                return heard

    async def next(self, kind, **fields):
        """Return the next message of a kind."""
        return (await self.hear_until(kind, **fields))[-1]

    async def turn(self, text, turn="t1"):
        """Ask something; return the messages of the turn."""
        await self.say("text", id=turn, text=text)
        return await self.hear_until(TurnEnded, turn=turn)

    async def ended(self):
        """Wait for the end; return the problem that it carries, None for an end without one."""
        problem = None
        while (message := await self.hear()) is not None:
            if isinstance(message, Closing):
                problem = message.problem
        return problem

    async def lose(self):
        """Lose the connection, as when somebody drives into a tunnel, and let it be noticed."""
        before = self.world.gateway.connections
        self.drop()
        await happens(lambda: self.world.gateway.connections < before)

    def drop(self):
        """Be gone."""
        connection = self.socket._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
