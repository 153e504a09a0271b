"""`vito api`: the HTTP query API, until SIGTERM."""

import asyncio
import os
import signal

import uvloop

from services import logs, run_file
from services.http_api import server
from services.settings import Settings
from services.supervisor.readiness import announce


def api() -> None:
    """
    Answer questions about the twins over HTTP: meters, audit log, decisions, holds, policy.

    It reads only, listens on loopback, and asks for the bearer key (VITO_API_KEY).
    """
    settings = run_file.settings(os.environ)
    logs.configure("api", level=settings.log_level)
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await server.serve(settings, stop, announce)
