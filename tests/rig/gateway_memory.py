"""
What a connection costs in memory: `python -m tests.rig.gateway_memory 500`.

A gateway with a scripted engine runs as a process of its own; this one opens connections and reads
how much memory that has: idle, after a turn each, and with windows full of what nobody reads. It is
a measurement for people, and no test: a figure of another machine proves nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import aiohttp
import psutil

from contracts.stream import AudioPiece, TextPiece, TurnEnded, TurnStarted

CONNECTIONS = 500
FULL = "full"


async def fill_or_repeat(conversation, turn, text):
    """The engine: one short answer, or more than a window of voice."""
    conversation.tell(TurnStarted(turn=turn), TextPiece(turn=turn, text=text))
    if text == FULL:
        conversation.tell(*[AudioPiece(pcm=bytes(4_800), sample_hz=24_000) for _ in range(40)])
    conversation.tell(TurnEnded(turn=turn, outcome="done", cost_nanos=1))


async def serve() -> None:
    """The process that is measured: it prints its address and a key, and waits for its end."""
    from tests.gateway.conftest import standing  # noqa: PLC0415 - only this process needs it

    async with standing(
        connections_max=100_000, tenant_connections_max=100_000, burst=10_000
    ) as world:
        world.conversations.script = fill_or_repeat
        print(json.dumps({"url": world.url(), "key": world.key()}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def turn(socket: aiohttp.ClientWebSocketResponse, text: str, *, to_its_end: bool) -> None:
    """Ask; read the answer and acknowledge it, or leave it there."""
    await socket.send_json({"type": "text", "id": text, "text": text})
    while to_its_end:
        said = await socket.receive_json()
        if said["type"] == "turn_ended":
            await socket.send_json({"type": "acknowledge", "position": said["position"]})
            return


async def measure(count: int) -> None:
    """Open, talk, fill; print what each step costs for a connection."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.rig.gateway_memory", "serve"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    told: dict[str, str] = {}
    while "url" not in told:
        line = await child.stdout.readline()
        told = json.loads(line) if line.startswith(b"{") else {}
    silence = asyncio.create_task(child.stdout.read())
    memory = psutil.Process(child.pid).memory_info
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=0)
        headers = {"Authorization": f"Bearer {told['key']}"}
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, headers=headers)
        )
        before = memory().rss
        sockets = []
        for _ in range(count):
            sockets.append(await session.ws_connect(told["url"], protocols=["vito.v1"]))
            await sockets[-1].send_json({"type": "hello"})
            await sockets[-1].receive_json()
        print(f"{count} connections, KB each:")
        print(f"  idle             {(memory().rss - before) / count / 1024:8.1f}")
        for socket in sockets:
            await turn(socket, "Hi", to_its_end=True)
        print(f"  after a turn     {(memory().rss - before) / count / 1024:8.1f}")
        for socket in sockets:
            await turn(socket, FULL, to_its_end=False)
        await asyncio.sleep(2)
        print(f"  window full      {(memory().rss - before) / count / 1024:8.1f}")
        child.kill()
        await child.wait()
        await silence


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else str(CONNECTIONS)
    asyncio.run(serve() if argument == "serve" else measure(int(argument)))
