"""`vito session`: which conversations are open, how one went, and the switch that stops them."""

from __future__ import annotations

import sys
from datetime import UTC
from typing import Annotated

import typer
from rich.console import Console

from contracts.session import KillAllSessions, KillSession, SessionsView
from services.audit.showing import screen
from services.cli.asking import (
    AsJson,
    DataDir,
    Note,
    Refused,
    Tenant,
    accepted,
    ask,
    do,
    in_json,
    made,
    shown,
)

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Show the sessions of a twin, and stop them."
)

Session = Annotated[str, typer.Argument(metavar="SESSION", help="The id of the session.")]


@app.command("list")
def list_open(tenant: Tenant, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the sessions that are open, as the gate has them now: at most 500."""
    view = shown(data_dir, tenant, SessionsView)
    if as_json:
        typer.echo(in_json(view))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
        console.print(screen({"session": view}, UTC))


@app.command()
def show(tenant: Tenant, session: Session, data_dir: DataDir = None) -> None:
    """Show how one session stands, as JSON; of one that has ended, why and when."""
    found = ask(tenant, data_dir, lambda gate, _settings: gate.find_sessions([session])).sessions[0]
    if found.status == "unknown":
        raise Refused(
            f"{tenant} has no session {session!r}, or it ended long ago.",
            "`vito session list` names those that are open; the query API has all of them.",
        )
    typer.echo(in_json(found))


@app.command()
def kill(tenant: Tenant, session: Session, note: Note = "", data_dir: DataDir = None) -> None:
    """Stop one session: its media ends within a second, and no call of it is granted any more."""
    do(data_dir, tenant, f"{session} stopped", KillSession, session_id=session, note=note)


@app.command("kill-all")
def kill_all(tenant: Tenant, note: Note = "", data_dir: DataDir = None) -> None:
    """
    Stop every session that is open now.

    New ones may be opened; to refuse those as well, suspend the twin.
    """
    command = made(KillAllSessions, note=note)
    receipt = accepted(ask(tenant, data_dir, lambda gate, _settings: gate.tell(command)))
    stopped = receipt.facts["sessions"]
    typer.echo(f"{tenant}: {stopped} sessions stopped (position {receipt.position}).")
