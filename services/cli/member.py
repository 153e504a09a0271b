"""`vito member`: who belongs to a twin."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer
import uvloop

from contracts.access import ROLES, ChangeRole, InviteMember, RemoveMember
from contracts.views import AccessView
from services import logs
from services.audit.access import settings_in
from services.cli import joining
from services.cli.asking import (
    DataDir,
    Tenant,
    gate_of,
    lasting_us,
    made,
    now_us,
    shown_time,
    table_of,
    told,
)
from services.failure import Failure
from services.identity import random_secret
from services.identity.api_key import new_id
from services.secret import Secret
from services.settings import Settings

# One more than a password may have, so that too long a one is refused and not cut.
PASSWORD_LINE_CHARS_MAX: Final = 1_026

app = typer.Typer(no_args_is_help=True)
RoleArgument = Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]
PersonArgument = Annotated[str, typer.Argument(help="The person, as `vito member list` shows it.")]


@app.command("list")
def list_members(tenant: Tenant, data_dir: DataDir = None) -> None:
    """Show the members and the open invitations."""
    logs.configure("member", level="error")
    view = uvloop.run(_view(tenant, data_dir))
    table_of(
        ("person", "e-mail", "role", "invited until"),
        [
            *((one.person, one.email, one.role, "") for one in view.members),
            *(
                ("-", one.email, one.role, shown_time(one.expires_at_us))
                for one in view.invitations
            ),
        ],
        f"{tenant} has no members.",
    )


async def _view(tenant: str, data_dir: DataDir) -> AccessView:
    async with gate_of(tenant, data_dir) as (gate, _):
        return await gate.show(AccessView)


@app.command()
def invite(
    tenant: Tenant,
    email: Annotated[str, typer.Argument(help="Where the invitation will be sent.")],
    role: RoleArgument,
    expires: Annotated[str, typer.Option(help="After how long it ends.")] = "7d",
    data_dir: DataDir = None,
) -> None:
    """Invite somebody, and show the code of the invitation, once."""
    logs.configure("member", level="error")
    uvloop.run(_invite(tenant, email, role, expires, data_dir))


async def _invite(tenant: str, email: str, role: str, expires: str, data_dir: DataDir) -> None:
    invitation_id, until_us = new_id(), now_us() + lasting_us(expires)
    secret, secret_hash = random_secret.generate()
    command = made(
        InviteMember,
        invitation_id=invitation_id,
        email=email,
        role=role,
        secret_hash=secret_hash,
        expires_at_us=until_us,
    )
    async with gate_of(tenant, data_dir) as (gate, _):
        await told(gate, command)
    print(f"{invitation_id}.{secret}")
    typer.echo(
        f"Send this code to {email} over a safe channel; it makes them {role} of {tenant} until"
        f" {shown_time(until_us)}. It is shown only now. They accept with `vito member accept` or"
        f" POST {joining.PATH}, and choose a password if they have no account yet.",
        err=True,
    )


@app.command()
def accept(
    code: Annotated[str, typer.Argument(help="The code of the invitation, whole.")],
    api: Annotated[str, typer.Option(help="Where the HTTP API is; else that of `vito up`.")] = "",
    data_dir: DataDir = None,
) -> None:
    """
    Accept an invitation; who has no account yet chooses a password and gets one.

    The password is asked for, or read from standard input: one line.
    """
    logs.configure("member", level="error")
    url = api.rstrip("/") or _api_of(settings_in(data_dir))
    joined = uvloop.run(joining.accept(url, code, _password().reveal()))
    typer.echo(
        f"{joined.email} ({joined.person}) is {joined.role} of {joined.tenant} from now on, and"
        f" signs in with this password at {url}/sign-in."
    )


def _api_of(settings: Settings) -> str:
    if not settings.api_port:
        raise Failure("The HTTP API is not known here.", "say where it is with --api https://…")
    return settings.api_public_url or f"http://{settings.api_host}:{settings.api_port}"


def _password() -> Secret:
    if sys.stdin.isatty():
        return Secret(typer.prompt("Password (of your account, or a new one)", hide_input=True))
    try:
        return Secret(sys.stdin.readline(PASSWORD_LINE_CHARS_MAX).rstrip("\r\n"))
    except UnicodeError:
        raise Failure("The password is no text.", "send it as one line of UTF-8.") from None


@app.command("role")
def change_role(
    tenant: Tenant, person: PersonArgument, role: RoleArgument, data_dir: DataDir = None
) -> None:
    """Give a member another role."""
    logs.configure("member", level="error")
    uvloop.run(_change_role(tenant, person, role, data_dir))


async def _change_role(tenant: str, person: str, role: str, data_dir: DataDir) -> None:
    async with gate_of(tenant, data_dir) as (gate, _):
        await told(gate, made(ChangeRole, person=person, role=role))
    typer.echo(f"{person} is {role} of {tenant} from now on.")


@app.command()
def remove(
    tenant: Tenant,
    person: PersonArgument,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "",
    data_dir: DataDir = None,
) -> None:
    """End a membership at once."""
    logs.configure("member", level="error")
    uvloop.run(_remove(tenant, person, reason, data_dir))


async def _remove(tenant: str, person: str, reason: str, data_dir: DataDir) -> None:
    async with gate_of(tenant, data_dir) as (gate, _):
        await told(gate, made(RemoveMember, person=person, reason=reason))
    typer.echo(f"{person} belongs to {tenant} no more.")
