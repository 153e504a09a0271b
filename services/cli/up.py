"""`vito up`: start everything on this machine, until Ctrl-C."""

import asyncio
import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.main import COMMANDS
from services.console.asking import BASE
from services.http_door.sign_in_page import link
from services.supervisor.lock import DataDirLock
from services.supervisor.stack import SANDBOX_URL, Stack
from services.supervisor.supervisor import Died, Event, Ready, Starting, Stopped, Supervisor
from services.twins import TWINS

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Shown when they exist, in the order a newcomer would try them.
NEXT = ("demo", "chat", "status", "tail", "evidence")


class Vendors(StrEnum):
    """Who is called."""

    SANDBOX = "sandbox"
    REAL = "real"


def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where everything is kept.", show_default=".vito, or VITO_DATA_DIR"),
    ] = None,
    vendors: Annotated[
        Vendors,
        typer.Option(
            help="Who is called: a sandbox of ours, or the vendors with each twin's keys."
        ),
    ] = Vendors.SANDBOX,
) -> None:
    """
    Start nats-server, PostgreSQL and the services on this machine, until Ctrl-C.

    Data stays in the data directory; the next start goes on where this one ended. With real
    vendors (or VITO_SANDBOX_URL set to nothing) calls cost money, up to each twin's limit.
    """
    env = dict(os.environ)
    if data_dir is not None:
        env["VITO_DATA_DIR"] = str(data_dir)
    if vendors is Vendors.REAL:
        env[SANDBOX_URL] = ""
    asyncio.run(_up(env, Console()))


async def _up(env: dict[str, str], console: Console) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    with DataDirLock(Path(env.get("VITO_DATA_DIR") or ".vito")):
        stack = Stack(env)
        screen = _Screen(console, stack)
        plan = await stack.plan()
        screen.expect(len(plan))
        try:
            await Supervisor(plan, notify=screen.show).run(stop)
        finally:
            stack.close()


class _Screen:
    """Prints what happens, and the summary once everything has started."""

    def __init__(self, console: Console, stack: Stack) -> None:
        self._console = console
        self._stack = stack
        self._missing = 0

    def expect(self, count: int) -> None:
        self._missing = count

    def show(self, event: Event) -> None:
        match event:
            case Starting():
                pass
            case Ready():
                self._ready(event)
            case Died():
                reason = escape(event.reason.splitlines()[0])
                self._print(
                    f"[yellow]✗[/] {event.name} {reason}; next start in {event.delay_s:g} s"
                )
            case Stopped():
                self._print(f"[dim]■ {event.name} stopped ({event.took_s:.2f} s)[/]")

    def _ready(self, event: Ready) -> None:
        again = " again" if event.restarted else ""
        said = f"  [dim]{escape(event.said)}[/]" if event.said else ""
        self._print(f"[green]✓[/] {event.name}{again} ({event.took_s:.2f} s){said}")
        if not event.restarted:
            self._missing -= 1
            if self._missing == 0:
                self._summary()

    def _summary(self) -> None:
        run, data_dir = self._stack.run, self._stack.data_dir
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_row("bus", run.nats_url)
        table.add_row("database", f"postgresql://127.0.0.1:{run.postgres_port}/vito")
        table.add_row("HTTP API", run.api_url)
        table.add_row("gateway", run.gateway_url)
        vendors = "their own addresses, with each twin's keys: calls cost money"
        if self._stack.has_sandbox:
            vendors = f"{run.sandbox_url} (a sandbox: no account, no real bill)"
        table.add_row("vendors", vendors)
        table.add_row("credentials", f"{data_dir / 'run.json'} (only you can read it)")
        table.add_row("logs", str(data_dir / "logs"))
        self._console.print()
        self._console.print(table)
        self._console.print()
        # Not in the table, which would cut it.
        for twin in TWINS:
            page = f"http://localhost:{run.gateway_port}/talk/{twin.tenant}"
            self._print(f"Talk with {twin.display_name}: {page}")
        who = ((run.owner_email, run.owner_link), (run.admin_email, run.admin_link))
        for email, secret in who:
            self._print(f"Open the console as {email}, once: {link(run.api_url, secret, to=BASE)}")
        hints = [f"vito {name}" for name in NEXT if name in COMMANDS]
        if hints:
            self._print(f"Try next, in another terminal: {', '.join(hints)}.")
        self._print("Ctrl-C stops everything and loses nothing.")

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
