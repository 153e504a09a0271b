"""
`vito secret`: what is in a twin's vault. A value comes from a file, from stdin or from a prompt,
never from the command line, where other users and the shell's history would see it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer
import uvloop
from rich.console import Console

from contracts.replies import Receipt
from contracts.secret import OVERLAP_MAX_MS, SECRET_BYTES_MAX, SecretsView
from services.audit.access import tenant_named
from services.audit.moments import parse_span
from services.audit.showing import screen
from services.cli.telling import settings_of, tell
from services.client import GateClient
from services.client.connection import of_login
from services.failure import Failure
from services.secret import Secret

_DATA_DIR = typer.Option(help="Where `vito up` runs.", show_default=".vito")
DataDir = Annotated[Path | None, _DATA_DIR]
Tenant = Annotated[str, typer.Argument(help="The twin.")]
Name = Annotated[str, typer.Argument(help="What the secret is called, such as openai.")]

secret = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Put, list and revoke what a twin keeps in its vault.",
)


@secret.command()
def put(
    tenant: Tenant,
    name: Name,
    file: Annotated[
        Path | None, typer.Option(help="Where the value is; else stdin, else a prompt.")
    ] = None,
    overlap: Annotated[
        str | None, typer.Option(help="How long the one before it can be opened: 30s, 5m, 2h, 1d.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """
    Keep a value under a name. It is sealed on arrival and never shown again.

    Earlier values can be opened no more; with --overlap the one before it can, for so long.
    """
    settings, twin = settings_of("secret", data_dir), tenant_named(tenant)
    overlap_ms = None if overlap is None else _overlap_ms(overlap)
    value = read_value(file)

    async def work(gate: GateClient) -> Receipt:
        if overlap_ms is None:
            return await gate.put_secret(name, value)
        return await gate.rotate_secret(name, value, overlap_ms=overlap_ms)

    receipt = tell(settings, twin, work)
    typer.echo(f"{twin}: {name}, version {receipt.version}, at position {receipt.position}")


@secret.command("list")
def show(
    tenant: Tenant,
    as_json: Annotated[bool, typer.Option("--json", help="The view as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show names and versions, who put them and how often they were opened; never a value."""
    settings, twin = settings_of("secret", data_dir), tenant_named(tenant)

    async def ask() -> SecretsView:
        async with GateClient.connect(**of_login(settings.nats("client")), tenant=twin) as gate:
            return await gate.show(SecretsView)

    view = uvloop.run(ask())
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(view), indent=2).decode())
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(screen({"secret": view}, None))


@secret.command()
def revoke(
    tenant: Tenant,
    name: Name,
    version: Annotated[int | None, typer.Option(min=1, help="One version; all without it.")] = None,
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "vito secret revoke",
    data_dir: DataDir = None,
) -> None:
    """End a version or all of them, for ever. Replace what leaked at the provider as well."""
    settings, twin = settings_of("secret", data_dir), tenant_named(tenant)

    async def work(gate: GateClient) -> Receipt:
        return await gate.revoke_secret(name, version=version, reason=reason)

    receipt = tell(settings, twin, work)
    typer.echo(f"{twin}: {name}, version {receipt.facts['versions']} revoked")


def read_value(file: Path | None, stdin: BinaryIO | None = None) -> Secret:
    """The value from a file, from stdin if that is no terminal, or typed twice; raises Failure."""
    try:
        if file is not None:
            with file.open("rb") as opened:
                data = opened.read(SECRET_BYTES_MAX + 3)
        elif stdin is not None or not sys.stdin.isatty():
            data = (stdin or sys.stdin.buffer).read(SECRET_BYTES_MAX + 3)
        else:
            typed: str = typer.prompt("value", hide_input=True, confirmation_prompt=True)
            data = typed.encode()
        # Editors and `echo` end a file with a line break that is no part of a key.
        value = data.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise Failure(
            f"{file} cannot be read: {error.strerror}.", "name a readable file."
        ) from None
    except UnicodeError:
        # The cause would carry the value with it.
        raise Failure(
            "the value is no text.", "encode it first, with base64 for example."
        ) from None
    if not 0 < len(value.encode()) <= SECRET_BYTES_MAX:
        raise Failure(
            f"the value must have 1 to {SECRET_BYTES_MAX} bytes.", "keep one key in one secret."
        )
    return Secret(value)


def _overlap_ms(text: str) -> int:
    overlap_ms = parse_span(text) // 1_000
    if overlap_ms > OVERLAP_MAX_MS:
        raise Failure(f"an overlap of {text} is too long.", "give at most 30d.")
    return overlap_ms
