"""What the commands that govern a twin have in common: tell the gate, say what it answered."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import msgspec
import typer
import uvloop

from contracts.commands import AnyCommand
from contracts.replies import Receipt
from contracts.views import View
from services import logs, run_file
from services.client import GateClient
from services.client.connection import of_login
from services.client.sender import new_id
from services.failure import Failure
from services.settings import Settings

DONE = 200
Shown = TypeVar("Shown", bound=View)

Tenant: TypeAlias = Annotated[str, typer.Argument(help="The twin.")]
Note: TypeAlias = Annotated[str, typer.Option(help="Why; kept in the log.")]
DataDir: TypeAlias = Annotated[
    Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="The same as JSON.")]


class Refused(Failure):
    """The gate did not do it."""


def settings_in(data_dir: Path | None) -> Settings:
    """Return the settings of a command on this machine."""
    env = dict(os.environ)
    if data_dir is not None:
        env["VITO_DATA_DIR"] = str(data_dir)
    logs.configure("vito", level="error")
    return run_file.settings(env)


def tell(
    data_dir: Path | None, tenant: str, kind: type[AnyCommand], /, **fields: object
) -> Receipt:
    """Make a command of what was typed and send it; raises Refused: what is wrong, what to do."""
    try:
        command = msgspec.convert({"command_id": new_id(), **fields}, kind)
    except msgspec.ValidationError as broken:
        raise Refused(f"this cannot be sent: {broken}.", "correct what is named there.") from None
    settings = settings_in(data_dir)

    async def ask() -> Receipt:
        async with GateClient.connect(**of_login(settings.nats("client")), tenant=tenant) as gate:
            return await gate.tell(command)

    receipt = uvloop.run(ask())
    if receipt.status != DONE:
        raise Refused(_reason(receipt), _remedy(receipt))
    return receipt


def do(
    data_dir: Path | None, tenant: str, done: str, kind: type[AnyCommand], /, **fields: object
) -> None:
    """Tell the gate, and say that it is *done*."""
    receipt = tell(data_dir, tenant, kind, **fields)
    typer.echo(f"{tenant}: {done} (position {receipt.position}).")


def shown(data_dir: Path | None, tenant: str, kind: type[Shown]) -> Shown:
    """Return what the gate has of a twin now."""
    settings = settings_in(data_dir)

    async def ask() -> Shown:
        async with GateClient.connect(**of_login(settings.nats("client")), tenant=tenant) as gate:
            return await gate.show(kind)

    return uvloop.run(ask())


def _reason(receipt: Receipt) -> str:
    facts = receipt.facts
    if "field" in facts and "rule" in facts:
        return f"{facts['field']}: {facts['rule']}."
    told = ", ".join(f"{name}: {value}" for name, value in facts.items())
    return f"{receipt.message}{f' ({told})' if told else ''}"


def _remedy(receipt: Receipt) -> str:
    if "rule" in receipt.facts:
        return "correct it and try again."
    # A person sees the facts beside it, by their own names.
    return receipt.remedy.replace("facts.", "")


def in_json(found: object) -> str:
    """Spell what was found for people and programs."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
