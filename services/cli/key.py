"""`vito key`: the API keys of a twin."""

from __future__ import annotations

from typing import Annotated

import typer
import uvloop

from contracts.access import IssueKey, RevokeKey, RotateKey
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
from services.identity.api_key import environment_of, generate_key

app = typer.Typer(no_args_is_help=True)
KeyArgument = Annotated[str, typer.Argument(help="The key's id, as `vito key list` shows it.")]
Expires = Annotated[
    str | None, typer.Option(help="After how long it ends, such as 90d; `never` for no end.")
]
_ONCE = "This is the only time it is shown; keep it like a password."


@app.command()
def issue(
    tenant: Tenant,
    label: Annotated[str, typer.Option(help="What the key is for, such as livekit-agent.")],
    scope: Annotated[
        list[str], typer.Option(help="calls, agent, read, mint or ingest; may be repeated.")
    ],
    expires: Expires = "90d",
    data_dir: DataDir = None,
) -> None:
    """Issue a key and show it, once."""
    logs.configure("key", level="error")
    uvloop.run(_issue(tenant, label, scope, expires, data_dir))


async def _issue(
    tenant: str, label: str, scopes: list[str], expires: str | None, data_dir: DataDir
) -> None:
    until_us = _until(expires)
    async with gate_of(tenant, data_dir) as (gate, settings):
        key = generate_key(environment_of(settings.deployment))
        command = made(
            IssueKey,
            key_id=key.key_id,
            label=label,
            scopes=scopes,
            secret_hash=key.secret_hash,
            expires_at_us=until_us,
        )
        await told(gate, command)
    print(key.text)
    typer.echo(f"key {key.key_id} of {tenant}, until {shown_time(until_us)}. {_ONCE}", err=True)


@app.command("list")
def list_keys(tenant: Tenant, data_dir: DataDir = None) -> None:
    """Show the keys that are in use."""
    logs.configure("key", level="error")
    view = uvloop.run(_view(tenant, data_dir))
    table_of(
        ("key", "label", "scopes", "issued", "until"),
        [
            (
                key.key_id,
                key.label,
                " ".join(key.scopes),
                shown_time(key.issued_at_us),
                shown_time(key.expires_at_us),
            )
            for key in view.keys
        ],
        f"{tenant} has no keys.",
    )


async def _view(tenant: str, data_dir: DataDir) -> AccessView:
    async with gate_of(tenant, data_dir) as (gate, _):
        return await gate.show(AccessView)


@app.command()
def rotate(
    tenant: Tenant,
    key: KeyArgument,
    overlap: Annotated[str, typer.Option(help="How long the old one stays valid.")] = "1h",
    expires: Expires = "90d",
    data_dir: DataDir = None,
) -> None:
    """Put a new key in the place of one, and show it, once."""
    logs.configure("key", level="error")
    uvloop.run(_rotate(tenant, key, overlap, expires, data_dir))


async def _rotate(
    tenant: str, old: str, overlap: str, expires: str | None, data_dir: DataDir
) -> None:
    async with gate_of(tenant, data_dir) as (gate, settings):
        key = generate_key(environment_of(settings.deployment))
        command = made(
            RotateKey,
            key_id=old,
            new_key_id=key.key_id,
            secret_hash=key.secret_hash,
            overlap_ms=lasting_us(overlap) // 1_000,
            expires_at_us=_until(expires),
        )
        receipt = await told(gate, command)
    print(key.text)
    ends_us = int(receipt.facts["old_expires_at_us"])
    typer.echo(f"{old} ends {shown_time(ends_us)}; use {key.key_id} now. {_ONCE}", err=True)


@app.command()
def revoke(
    tenant: Tenant,
    key: KeyArgument,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "",
    data_dir: DataDir = None,
) -> None:
    """End a key at once."""
    logs.configure("key", level="error")
    uvloop.run(_revoke(tenant, key, reason, data_dir))


async def _revoke(tenant: str, key: str, reason: str, data_dir: DataDir) -> None:
    async with gate_of(tenant, data_dir) as (gate, _):
        receipt = await told(gate, made(RevokeKey, key_id=key, reason=reason))
    typer.echo(f"{key} opens nothing from position {receipt.position} on.")


def _until(expires: str | None) -> int | None:
    return None if expires in (None, "never") else now_us() + lasting_us(str(expires))
