"""`vito prover`: the process that opens logs for whoever asks over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal

import uvloop

from services import logs
from services.prover.process import serve
from services.run_file import settings as read_settings
from services.settings import Settings
from services.supervisor.readiness import announce


def prover() -> None:
    """
    Prove logs and try policies on them for the API, until stopped.

    It needs the keyring and the auditor's password, as `vito verify` does. Two may run; while there
    is none, pages cannot verify and preview, and the commands of that name still can.
    """
    settings = read_settings(os.environ)
    logs.configure("prover", level=settings.log_level)
    uvloop.run(_main(settings))


async def _main(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop.wait, announce)
