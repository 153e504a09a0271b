"""
How many conversations a gateway process has at once, and what each costs in memory.

The gateway is a process of its own with the real engine: sessions are leased at the gate, hearts
beat. Connections are opened and left idle; then each asks a question, all at the same time, and has
its answer. Memory is the process's resident set above what it was with one conversation, by the
number of conversations.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Final

import aiohttp
import msgspec
import psutil

from contracts.stream import BEARER, SUBPROTOCOL
from services.bench.live_stack import LiveStack
from services.bench.quantiles import Latency

CONVERSATIONS: Final = 1_000
OPENING_AT_ONCE: Final = 20
ANSWER_WITHIN_S: Final = 120.0
_KIB: Final = 1_024


class ConversationFigures(msgspec.Struct, frozen=True):
    """KiB for a conversation: idle, and after a turn. *turn* is how long turns took together."""

    conversations: int
    process_mib: float
    idle_kib: float
    active_kib: float
    opened_per_s: float
    turns_per_s: float
    turn: Latency


class NotAnswered(Exception):
    """The gateway ended a conversation of the measurement; the message is what it said."""


async def measure(stack: LiveStack, *, conversations: int = CONVERSATIONS) -> ConversationFigures:
    """Measure with the first twin of *stack*, on a gateway of its own."""
    gateway = await stack.start_gateway()
    process = psutil.Process(gateway.process.pid)
    tenant = min(stack.keys)
    async with AsyncExitStack() as leaving:
        http = await leaving.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        # The first one has the twin loaded and everything imported.
        await _turn(await _opened(stack, http, tenant))
        before = process.memory_info().rss
        began_s = perf_counter()
        sockets = await _open_all(stack, http, tenant, conversations)
        opened_s = perf_counter() - began_s
        idle = process.memory_info().rss
        began_s = perf_counter()
        times_s = await asyncio.gather(*(_turn(socket) for socket in sockets))
        turns_s = perf_counter() - began_s
        active = process.memory_info().rss
    await gateway.process.stop(timeout_s=ANSWER_WITHIN_S)
    return ConversationFigures(
        conversations=conversations,
        process_mib=before / _KIB / _KIB,
        idle_kib=(idle - before) / conversations / _KIB,
        active_kib=(active - before) / conversations / _KIB,
        opened_per_s=conversations / opened_s,
        turns_per_s=conversations / turns_s,
        turn=Latency.of(times_s),
    )


async def _open_all(
    stack: LiveStack, http: aiohttp.ClientSession, tenant: str, count: int
) -> list[aiohttp.ClientWebSocketResponse]:
    places = asyncio.Semaphore(OPENING_AT_ONCE)

    async def one() -> aiohttp.ClientWebSocketResponse:
        async with places:
            return await _opened(stack, http, tenant)

    return await asyncio.gather(*(one() for _ in range(count)))


async def _opened(
    stack: LiveStack, http: aiohttp.ClientSession, tenant: str
) -> aiohttp.ClientWebSocketResponse:
    protocols = [SUBPROTOCOL, BEARER + stack.keys[tenant]]
    socket = await http.ws_connect(stack.url(tenant), protocols=protocols)
    await socket.send_json({"type": "hello", "modality": "text"})
    said = await socket.receive_json()
    if said["type"] != "welcome":
        raise NotAnswered(f"{said}")
    return socket


async def _turn(socket: aiohttp.ClientWebSocketResponse) -> float:
    """Ask, and read the answer to its end; returns the seconds that it took."""
    began_s = perf_counter()
    await socket.send_json({"type": "text", "id": "t1", "text": "Who scores next?"})
    async with asyncio.timeout(ANSWER_WITHIN_S):
        while True:
            said = await socket.receive_json()
            if said["type"] == "closing":
                raise NotAnswered(f"{said}")
            if said["type"] == "turn_ended":
                await socket.send_json({"type": "acknowledge", "position": said["position"]})
                return perf_counter() - began_s
