"""`vito agent`: holds conversations in LiveKit rooms, until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
from importlib.util import find_spec

from services import logs, run_file
from services.failure import Failure
from services.settings import Settings
from services.supervisor.readiness import announce


class ExtraMissing(Failure):
    """The libraries of the agent are an extra, because they are large."""


def agent() -> None:
    """
    Wait at the LiveKit server of VITO_LIVEKIT_URL for conversations, and hold each of them.

    When it is told to stop it takes no more, lets those that run end for a minute, and closes the
    books of what is left. It needs the extra `livekit`.
    """
    settings = run_file.settings(os.environ)
    logs.configure("agent", level=settings.log_level)
    check_extra()
    asyncio.run(_serve(settings))


def check_extra() -> None:
    """Raises ExtraMissing when the libraries of the agent are not installed."""
    for module in ("livekit.agents", "livekit.rtc", "livekit.api"):
        try:
            is_there = find_spec(module) is not None
        except ModuleNotFoundError:
            is_there = False
        if not is_there:
            raise ExtraMissing(
                f"The agent needs `{module}`, which is not installed.",
                "pip install 'vito-twin[livekit]'",
            )


async def _serve(settings: Settings) -> None:
    from services.agent import worker  # noqa: PLC0415 - an extra, and seconds to import

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await worker.serve(settings, stop, announce)
