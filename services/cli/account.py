"""`vito account`: who can sign in to the platform."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from contracts.account import PLATFORM, FoundPlatform
from contracts.views import AccountView
from services import logs
from services.cli.asking import DataDir, gate_of, made, now_us, shown_time, table_of
from services.identity import random_secret
from services.identity.founding import LINK_LASTS_US, admit_admin

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_accounts(data_dir: DataDir = None) -> None:
    """Show who can sign in."""
    logs.configure("account", level="error")
    view = uvloop.run(_view(data_dir))
    table_of(
        ("person", "e-mail", "super admin", "locked", "sessions"),
        [
            (
                one.person,
                one.email,
                "yes" if one.is_admin else "",
                "yes" if one.locked else "",
                str(one.sessions),
            )
            for one in view.accounts
        ],
        "There are no accounts yet: vito account admin.",
    )
    if view.total > len(view.accounts):
        print(f"and {view.total - len(view.accounts)} more")


async def _view(data_dir: DataDir) -> AccountView:
    async with gate_of(PLATFORM, data_dir) as (gate, _):
        return await gate.show(AccountView)


@app.command()
def admin(
    email: Annotated[str, typer.Argument(help="Whose account; it is made if there is none.")],
    data_dir: DataDir = None,
) -> None:
    """Make somebody a platform super admin, and show a link's secret that signs them in, once."""
    logs.configure("account", level="error")
    uvloop.run(_admin(email, data_dir))


async def _admin(email: str, data_dir: DataDir) -> None:
    # What can be no e-mail address is said before anything is done.
    email = made(FoundPlatform, person="nobody", email=email).email
    secret, link_hash = random_secret.generate()
    at_us = now_us()
    async with gate_of(PLATFORM, data_dir) as (gate, _):
        person = await admit_admin(gate, email, link_hash, at_us)
    print(secret)
    typer.echo(
        f"{email} ({person}) is a platform super admin. The secret signs them in once, until"
        f" {shown_time(at_us + LINK_LASTS_US)}; it is shown only now.",
        err=True,
    )
