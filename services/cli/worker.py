"""`vito worker`: the process that decides."""

from __future__ import annotations

import asyncio
import os
import signal

import uvloop

from services import logs
from services.gate.worker import serve
from services.run_file import settings as read_settings
from services.settings import Settings
from services.supervisor.readiness import announce


def worker() -> None:
    """
    Decide the commands of the shards that this worker leases, until stopped.

    Start as many as you like: they share the shards, and take over from one that dies.
    """
    settings = read_settings(os.environ)
    logs.configure("worker", level=settings.log_level)
    uvloop.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop, announce)
