"""`vito account`: who can sign in to the platform."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

import typer
import uvloop

from contracts.account import (
    PLATFORM,
    AccountCommand,
    FoundPlatform,
    LockAccount,
    UnlockAccount,
)
from contracts.views import AccountView
from services import logs
from services.cli.asking import DataDir, gate_of, made, now_us, shown_time, table_of, told
from services.client import GateClient
from services.identity import random_secret
from services.identity.founding import LINK_LASTS_US, admit_admin, admit_person

app = typer.Typer(no_args_is_help=True)
Admit: TypeAlias = Callable[[GateClient, str, bytes, int], Awaitable[str]]
PersonArgument = Annotated[str, typer.Argument(help="The person, as `vito account list` shows it.")]


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
    person, until = await _admitted(email, data_dir, admit_admin)
    typer.echo(
        f"{email} ({person}) is a platform super admin. The secret signs them in once, until"
        f" {until}; it is shown only now.",
        err=True,
    )


@app.command()
def link(
    email: Annotated[str, typer.Argument(help="Whose account; it is made if there is none.")],
    data_dir: DataDir = None,
) -> None:
    """Let somebody sign in once: a new person, or one who has forgotten their password."""
    logs.configure("account", level="error")
    uvloop.run(_link(email, data_dir))


async def _link(email: str, data_dir: DataDir) -> None:
    person, until = await _admitted(email, data_dir, admit_person)
    typer.echo(
        f"The secret signs {email} ({person}) in once, until {until}: at /sign-in#<secret> of the"
        " HTTP API. It is shown only now.",
        err=True,
    )


async def _admitted(email: str, data_dir: DataDir, admit: Admit) -> tuple[str, str]:
    """Print the secret of a new link; return the person, and until when it is good."""
    # What can be no e-mail address is said before anything is done.
    email = made(FoundPlatform, person="nobody", email=email).email
    secret, link_hash = random_secret.generate()
    at_us = now_us()
    async with gate_of(PLATFORM, data_dir) as (gate, _):
        person = await admit(gate, email, link_hash, at_us)
    print(secret)
    return person, shown_time(at_us + LINK_LASTS_US)


@app.command()
def lock(
    person: PersonArgument,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Keep somebody out of everything: no sign-in, and every session ends at once."""
    logs.configure("account", level="error")
    uvloop.run(_tell(data_dir, made(LockAccount, person=person, reason=reason)))
    typer.echo(f"{person} is locked out.")


@app.command()
def unlock(person: PersonArgument, data_dir: DataDir = None) -> None:
    """Let somebody sign in again, also when too many passwords were wrong."""
    logs.configure("account", level="error")
    uvloop.run(_tell(data_dir, made(UnlockAccount, person=person)))
    typer.echo(f"{person} may sign in again.")


async def _tell(data_dir: DataDir, command: AccountCommand) -> None:
    async with gate_of(PLATFORM, data_dir) as (gate, _):
        await told(gate, command)
