"""What commands that talk to the gate have in common: what is typed, told, refused and shown."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar, get_args

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.access import ROLES, Scope
from contracts.commands import AnyCommand
from contracts.replies import Receipt
from contracts.spelling import in_words
from contracts.views import View
from services import logs
from services.audit.access import settings_in, tenant_named
from services.client import GateClient, MalformedCommand
from services.client.connection import of_login
from services.client.read_side import ReadSide
from services.client.sender import new_id
from services.failure import Failure
from services.settings import Settings

DONE: Final = 200
_US: Final = 1_000_000
_UNITS_US: Final = {"m": 60 * _US, "h": 3_600 * _US, "d": 86_400 * _US}
# In plainer words than the patterns of the contracts.
_RULES: Final = {
    "email": "it must be an e-mail address such as ana@example.com",
    "role": f"it must be one of {', '.join(ROLES)}",
    "scopes": f"each must be one of {', '.join(get_args(Scope))}",
    "label": "it must be 1 to 64 letters, digits and . _ : / - and begin with a letter or digit",
    "key_id": "it must be 12 to 32 of a-z and 0-9",
    "person": "it must be 1 to 48 of a-z, 0-9 and -",
}
C = TypeVar("C", bound=AnyCommand)
Found = TypeVar("Found")
Shown = TypeVar("Shown", bound=View)

Tenant: TypeAlias = Annotated[str, typer.Argument(help="The twin.")]
Note: TypeAlias = Annotated[str, typer.Option(help="Why; kept in the log.")]
DataDir: TypeAlias = Annotated[
    Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="The same as JSON.")]


class Refused(Failure):
    """The gate said no, or what was typed cannot be sent."""


# -- Asking -----------------------------------------------------------------------


@asynccontextmanager
async def gate_of(tenant: str, data_dir: Path | None) -> AsyncIterator[tuple[GateClient, Settings]]:
    """A client of the gate as the deployment's operator, and the settings."""
    name, settings = tenant_named(tenant), settings_in(data_dir)
    async with GateClient.connect(**of_login(settings.nats("client")), tenant=name) as gate:
        yield gate, settings


def ask(
    tenant: str, data_dir: Path | None, work: Callable[[GateClient, Settings], Awaitable[Found]]
) -> Found:
    """Do *work* with a client of the gate; raises Failure when what is sent cannot be right."""
    logs.configure("vito", level=os.environ.get("VITO_LOG_LEVEL", "error"))
    return uvloop.run(_ask(tenant, data_dir, work))


async def _ask(
    tenant: str, data_dir: Path | None, work: Callable[[GateClient, Settings], Awaitable[Found]]
) -> Found:
    async with gate_of(tenant, data_dir) as (gate, settings):
        try:
            return await work(gate, settings)
        except MalformedCommand as problem:
            raise Refused(problem.problem.detail, "correct the field that is named.") from problem
        except ValueError as problem:
            # A field that breaks the contract, found before it was sent.
            raise Refused(in_words(str(problem)), "correct the field that is named.") from problem


def shown(data_dir: Path | None, tenant: str, kind: type[Shown]) -> Shown:
    """Return what the gate has of a twin now."""
    return ask(tenant, data_dir, lambda gate, _settings: gate.show(kind))


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[ReadSide]:
    """Connect to the query API of this machine."""
    if not settings.api_port or settings.api_key is None:
        raise Failure("The query API is not known here.", "start everything with `vito up`.")
    url = f"http://{settings.api_host}:{settings.api_port}"
    async with ReadSide(url, settings.bearer_key(), deadline_s=10.0) as read_side:
        yield read_side


# -- Telling ----------------------------------------------------------------------


def made(kind: type[C], /, **fields: object) -> C:
    """Make a command of what was typed; raises Refused with the field and its rule."""
    try:
        return msgspec.convert({"command_id": new_id(), **fields}, kind)
    except msgspec.ValidationError as problem:
        field = str(problem).partition(" - at `$.")[2].rstrip("`").partition("[")[0]
        why = f"The {field} cannot be used: {_RULES[field]}" if field in _RULES else None
        raise Refused(
            f"{why or f'This cannot be sent: {in_words(str(problem))}'}.",
            "correct it; the command's --help says what it takes.",
        ) from problem


async def told(gate: GateClient, command: AnyCommand) -> Receipt:
    """Send a command; raises Refused with what the gate says."""
    return accepted(await gate.tell(command))


def accepted(receipt: Receipt) -> Receipt:
    """Return the receipt of what was done; raises Refused when it was not."""
    if receipt.status == DONE:
        return receipt
    facts = receipt.facts
    if "field" in facts and "rule" in facts:
        raise Refused(f"{facts['field']}: {facts['rule']}.", "correct it and try again.")
    listed = ", ".join(f"{name}: {value}" for name, value in facts.items())
    # A person sees the facts beside it, by their own names.
    remedy = receipt.remedy.replace("facts.", "")
    raise Refused(f"{receipt.message}{f' ({listed})' if listed else ''}", remedy)


def do(
    data_dir: Path | None, tenant: str, done: str, kind: type[AnyCommand], /, **fields: object
) -> None:
    """Make a command of what was typed, tell the gate, and say that it is *done*."""
    command = made(kind, **fields)
    receipt = ask(tenant, data_dir, lambda gate, _settings: told(gate, command))
    typer.echo(f"{tenant}: {done} (position {receipt.position}).")


# -- What is typed ----------------------------------------------------------------


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


def lasting_us(text: str) -> int:
    """A time such as `90d`, `12h` or `30m` in microseconds; raises Refused."""
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if match is None:
        raise Refused(f"{text!r} is not a time.", "give a number and m, h or d, such as 90d.")
    return int(match[1]) * _UNITS_US[match[2]]


def now_us() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000


# -- What is shown ----------------------------------------------------------------


def shown_time(at_us: int | None) -> str:
    """A moment for a table; none is a dash."""
    return f"{datetime.fromtimestamp(at_us / _US, UTC):%Y-%m-%d %H:%M} UTC" if at_us else "-"


def table_of(headings: Sequence[str], rows: Iterable[Sequence[str]], nothing: str) -> None:
    """Print a table, or *nothing* if it has no rows. Piped, its lines are not cut."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(table if table.row_count else nothing)


def in_json(found: object) -> str:
    """Spell what was found for people and programs."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
