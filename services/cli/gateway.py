"""`vito gateway`: the WebSocket gateway, until SIGTERM."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import uvloop

from services import logs, run_file
from services.gateway import server
from services.gateway.wiring import open_parts
from services.settings import Settings
from services.supervisor.readiness import announce


def gateway() -> None:
    """
    Let visitors' pages and services talk with the twins, over one WebSocket each.

    It listens on loopback; in production a proxy with TLS stands before it. When it is told to stop
    it lets the turns that run end, and tells everybody.
    """
    settings = run_file.settings(os.environ)
    logs.configure("gateway", level=settings.log_level)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        await server.serve(await open_parts(settings, stack), stop, announce)
