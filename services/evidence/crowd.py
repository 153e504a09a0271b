"""
A crowd that talks with twins over the gateway, and whose connections break at random.

Somebody asks a few questions. In the middle of an answer they may interrupt it, lose their
connection and resume it, or be gone for good. When the gateway dies they come back as somebody new,
because what it kept of them died with it. A seed decides who does what; what it meets, the moment
does.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Final

import aiohttp
import msgspec
from aiohttp import WSMsgType

from contracts.stream import (
    BEARER,
    SUBPROTOCOL,
    AudioPiece,
    Closing,
    FromGateway,
    TurnEnded,
    Welcome,
    read_gateway,
    unpack_voice,
)

TURNS: Final = (1, 3)
LOSES: Final = 0.25
INTERRUPTS: Final = 0.1
COMES_BACK: Final = 0.6
PATIENCE_S: Final = 30.0
MET_KEPT: Final = 20
AGAIN_S: Final = 0.1
ATTEMPTS_MAX: Final = 300
QUESTIONS: Final = ("Hola", "Who scores next?", "¿Y el mundial?", "Tell me about the final.")


class Gone(Exception):
    """The connection is over, and nobody meant it to be."""


class NotAnswered(Exception):
    """A gateway that runs did not end a turn in time; the message says whose, and what it met."""


class Counts(msgspec.Struct):
    """What a crowd did and met; *killed*: sessions that died with their gateway."""

    sessions: int = 0
    finished: int = 0
    turns: int = 0
    disconnects: int = 0
    resumed: int = 0
    interrupts: int = 0
    killed: int = 0


class Crowd:
    """*url* and *key* of a twin by its name. *counts* grows while they talk."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: Callable[[str], str],
        key: Callable[[str], str],
        rng: random.Random,
    ) -> None:
        self.counts = Counts()
        self._http = http
        self._url = url
        self._key = key
        self._rng = rng

    async def visit(self, tenant: str, modality: str) -> None:
        """One person's visit: as many sessions as it takes to be heard out, or to give up."""
        rng = random.Random(self._rng.getrandbits(64))  # noqa: S311 - repeatable on purpose
        for _ in range(ATTEMPTS_MAX):
            visit = _Visit(self, rng, tenant, modality)
            try:
                await visit.run()
            except TimeoutError:
                # The gateway is there and says nothing: that is for nobody to put up with.
                raise NotAnswered(visit.told()) from None
            except (Gone, aiohttp.ClientError, OSError):
                self.counts.killed += visit.is_open
                await asyncio.sleep(AGAIN_S)
                continue
            self.counts.finished += 1
            return
        raise Gone(f"{tenant}: nobody answered {ATTEMPTS_MAX} times")

    async def connect(self, tenant: str) -> aiohttp.ClientWebSocketResponse:
        """Open a socket with the key of the twin."""
        return await self._http.ws_connect(
            self._url(tenant), protocols=[SUBPROTOCOL, BEARER + self._key(tenant)]
        )


class _Visit:
    def __init__(self, crowd: Crowd, rng: random.Random, tenant: str, modality: str) -> None:
        self._crowd = crowd
        self._counts = crowd.counts
        self._rng = rng
        self._tenant = tenant
        self._modality = modality
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._resume = ""
        self._position = 0
        self.is_open = False
        self._session_id = ""
        self._met: deque[str] = deque(maxlen=MET_KEPT)

    async def run(self) -> None:
        """Say everything there is to say. Raises Gone, aiohttp.ClientError, OSError."""
        try:
            await self._open(modality=self._modality)
            self._counts.sessions += 1
            for number in range(self._rng.randint(*TURNS)):
                if not await self._turn(f"t{number}"):
                    return
            await self._say("bye")
        finally:
            if self._socket is not None:
                self._drop()

    def told(self) -> str:
        """Say what was done and heard last."""
        return f"{self._tenant} {self._modality} {self._session_id}: {', '.join(self._met)}"

    async def _open(self, **hello: str | int) -> None:
        self._socket = await self._crowd.connect(self._tenant)
        await self._say("hello", **hello)
        said = await self._hear()
        if not isinstance(said, Welcome):
            raise Gone(f"{said}")
        self._resume, self._session_id, self.is_open = said.resume, said.session_id, True

    async def _turn(self, turn: str) -> bool:
        """Ask; returns whether they stay."""
        rng, text = self._rng, self._rng.choice(QUESTIONS)
        await self._say("text", id=turn, text=text)
        loses, interrupts = rng.random() < LOSES, rng.random() < INTERRUPTS
        if loses:
            await asyncio.sleep(rng.uniform(0.0, 0.1))
            self._counts.disconnects += 1
            self._drop()
            if rng.random() >= COMES_BACK:
                return False
            await self._open(resume=self._resume, position=self._position)
            self._counts.resumed += 1
            # Whether it had arrived nobody knows; the same turn twice is once.
            await self._say("text", id=turn, text=text)
        elif interrupts:
            self._counts.interrupts += 1
            await self._say("interrupt")
        while True:
            said = await self._hear()
            if isinstance(said, TurnEnded) and said.turn == turn:
                self._counts.turns += 1
                return True

    async def _say(self, kind: str, **fields: str | int) -> None:
        assert self._socket is not None, "opened before"
        self._met.append(f"said {kind} {fields.get('id', '')}".strip())
        await self._socket.send_json({"type": kind, **fields})

    async def _hear(self) -> FromGateway | AudioPiece:
        assert self._socket is not None, "opened before"
        async with asyncio.timeout(PATIENCE_S):
            message = await self._socket.receive()
        said: FromGateway | AudioPiece
        match message.type:
            case WSMsgType.TEXT:
                said = read_gateway(message.data)
            case WSMsgType.BINARY:
                said = unpack_voice(message.data)
            case _:
                raise Gone(f"{message.type}")
        self._met.append(f"heard {type(said).__name__} {said.position}")
        if isinstance(said, Closing):
            raise Gone(said.problem.code if said.problem else "closing")
        if said.position > self._position:
            self._position = said.position
            await self._say("acknowledge", position=said.position)
        return said

    def _drop(self) -> None:
        """Be gone, as when somebody drives into a tunnel."""
        assert self._socket is not None, "opened before"
        # A polite close says bye.
        self._socket._response.close()  # noqa: SLF001 - the library has no impolite one
