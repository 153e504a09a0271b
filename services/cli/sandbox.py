"""`vito sandbox`: servers that behave as the vendors document."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from services import logs
from services.sandbox.server import Sandbox
from services.settings import Settings
from services.supervisor.readiness import announce


def sandbox(
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Where to listen; 0 picks a port.")
    ] = None,
) -> None:
    """
    Answer like the vendors on this machine, count what was asked, and fail when told to.

    The gateway and the agent speak to it when VITO_SANDBOX_URL is its address.
    """
    settings = Settings.from_env(os.environ)
    logs.configure("sandbox", level=settings.log_level)
    uvloop.run(_serve(settings.sandbox_port if port is None else port))


async def _serve(port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Sandbox(port) as served:
        _tell(served)
        announce()
        await stop.wait()


def _tell(served: Sandbox) -> None:
    table = Table("vendor", "address", "key")
    for name, vendor in served.vendors.items():
        table.add_row(name, served.base_url(name), vendor.usable_key)
    console = Console()
    console.print(table)
    console.print(f"VITO_SANDBOX_URL={served.url}", soft_wrap=True)
    console.print(f"{served.url}/_sandbox/calls /counters /bills /faults", soft_wrap=True)
