"""What commands that talk to the gate have in common: connecting, and saying why not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import typer
import uvloop

from contracts.replies import Receipt
from services import logs
from services.audit.access import settings_in, tenant_named
from services.client import GateClient, MalformedCommand
from services.client.connection import of_login
from services.client.read_side import ReadSide
from services.failure import Failure
from services.settings import Settings

DONE = 200
Found = TypeVar("Found")

DataDir: TypeAlias = Annotated[
    Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
]
Tenant: TypeAlias = Annotated[str, typer.Argument(help="The twin.")]


class Refused(Failure):
    """The gate said no."""


def ask(
    tenant: str, data_dir: Path | None, work: Callable[[GateClient, Settings], Awaitable[Found]]
) -> Found:
    """Do *work* with a client of the gate; raises Failure when what is sent cannot be right."""
    name = tenant_named(tenant)
    logs.configure("vito", level=os.environ.get("VITO_LOG_LEVEL", "error"))
    return uvloop.run(_ask(name, settings_in(data_dir), work))


async def _ask(
    tenant: str, settings: Settings, work: Callable[[GateClient, Settings], Awaitable[Found]]
) -> Found:
    async with GateClient.connect(**of_login(settings.nats("client")), tenant=tenant) as gate:
        try:
            return await work(gate, settings)
        except MalformedCommand as problem:
            raise Refused(problem.problem.detail, "correct the field that is named.") from problem
        except ValueError as problem:
            # A field that breaks the contract, found before it was sent.
            raise Refused(str(problem), "correct the field that is named.") from problem


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[ReadSide]:
    """Connect to the query API of this machine."""
    if not settings.api_port or settings.api_key is None:
        raise Failure("The query API is not known here.", "start everything with `vito up`.")
    url = f"http://{settings.api_host}:{settings.api_port}"
    async with ReadSide(url, settings.bearer_key(), deadline_s=10.0) as read_side:
        yield read_side


def accepted(receipt: Receipt) -> Receipt:
    """Return the receipt of what was done; raises Refused when it was not."""
    if receipt.status == DONE:
        return receipt
    facts = ", ".join(f"{name}: {value}" for name, value in receipt.facts.items())
    raise Refused(receipt.message + (f" ({facts})" if facts else ""), receipt.remedy)


def file_text(path: Path) -> str:
    """Return a file's text, lines ending in line feeds; `-` reads standard input."""
    try:
        data = typer.get_binary_stream("stdin").read() if str(path) == "-" else path.read_bytes()
        # Editors of one kind put a mark first, and end lines in two characters.
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as problem:
        raise Failure(f"{path} cannot be read: {problem.strerror}.", "name another.") from problem
    except UnicodeDecodeError as problem:
        raise Failure(
            f"{path} is no UTF-8 text (byte {problem.start}).", "save it as UTF-8."
        ) from problem
