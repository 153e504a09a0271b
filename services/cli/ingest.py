"""`vito ingest`: the process that brings, indexes and looks up what twins know."""

from __future__ import annotations

import asyncio
import os
import signal

from services import logs, run_file
from services.knowledge.worker import serve
from services.settings import Settings
from services.supervisor.readiness import announce


def ingest() -> None:
    """
    Ingest what people ask for, and look up what they have approved, until stopped.

    A second one shares the work, and takes over what it leaves when it dies.
    """
    settings = run_file.settings(os.environ)
    logs.configure("ingest", level=settings.log_level)
    # Not uvloop, which starts processes by a plain fork: that waits for ever in OpenBLAS when the
    # embedder is in the middle of something. Python itself uses vfork.
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop, announce)
