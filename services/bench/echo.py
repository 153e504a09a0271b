"""The raw baseline: a nats-py service that answers with what it was sent. Run as a process."""

from __future__ import annotations

import asyncio
import sys

import nats
import uvloop
from nats.aio.msg import Msg

from services.supervisor.readiness import announce

SUBJECT = "bench.echo"


async def _serve() -> None:
    bus = await nats.connect(sys.argv[1])

    async def answer(message: Msg) -> None:
        await message.respond(message.data)

    await bus.subscribe(SUBJECT, cb=answer)
    await bus.flush()
    announce()
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(uvloop.run(_serve()))
