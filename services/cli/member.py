"""`vito member`: who belongs to a twin."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from contracts.access import ROLES, ChangeRole, InviteMember, RemoveMember
from contracts.views import AccessView
from services import logs
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
from services.identity import random_secret
from services.identity.api_key import new_id

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
        f" {shown_time(until_us)}. It is shown only now. They sign in (`vito account link` lets in"
        f" who has no account) and send it to POST /v1/tenants/{tenant}/access/accept.",
        err=True,
    )


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
