"""`vito projector`: the process that fills the tables."""

from __future__ import annotations

import asyncio
import os
import signal

import uvloop

from services import logs, run_file
from services.projector.process import serve
from services.settings import Settings
from services.supervisor.readiness import announce


def projector() -> None:
    """
    Fill the tables of the read side from the log, until stopped.

    A second one waits beside the first and takes over when it is gone.
    """
    settings = run_file.settings(os.environ)
    logs.configure("projector", level=settings.log_level)
    uvloop.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop, announce)
