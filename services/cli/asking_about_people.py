"""What commands that ask the gate for something share: the connection, times, and refusals."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar, get_args

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.access import ROLES, Scope
from contracts.commands import AnyCommand
from contracts.message import TENANT_PATTERN
from contracts.replies import Receipt
from services.audit.access import settings_in
from services.client import GateClient
from services.client.connection import of_login
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

Tenant = Annotated[str, typer.Argument(help="The twin.")]
DataDir = Annotated[Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")]


class Refused(Failure):
    """The gate said no, or what was typed cannot be sent."""


@asynccontextmanager
async def gate_of(tenant: str, data_dir: Path | None) -> AsyncIterator[tuple[GateClient, Settings]]:
    """A client of the gate as the deployment's operator, and the settings."""
    if re.fullmatch(TENANT_PATTERN, tenant) is None:
        raise Refused(
            f"{tenant!r} is not the name of a twin.",
            "use the name it was provisioned under: lower-case letters, digits and dashes.",
        )
    settings = settings_in(data_dir)
    async with GateClient.connect(**of_login(settings.nats("client")), tenant=tenant) as gate:
        yield gate, settings


def made(kind: type[C], **fields: object) -> C:
    """Make a command of what was typed; raises Refused with the field and its rule."""
    try:
        return msgspec.convert({"command_id": _new_id(), **fields}, kind)
    except msgspec.ValidationError as problem:
        rule, _, where = str(problem).partition(" - at `$.")
        field = where.rstrip("`").partition("[")[0]
        raise Refused(
            f"The {field or 'command'} cannot be used: {_RULES.get(field, rule)}.",
            "correct it; the command's --help says what it takes.",
        ) from problem


async def told(gate: GateClient, command: AnyCommand) -> Receipt:
    """Send a command; raises Refused with what the gate says."""
    receipt = await gate.tell(command)
    if receipt.status != DONE:
        facts = ", ".join(f"{name}: {value}" for name, value in receipt.facts.items())
        raise Refused(receipt.message + (f" [{facts}]" if facts else ""), receipt.remedy)
    return receipt


def lasting_us(text: str) -> int:
    """A time such as `90d`, `12h` or `30m` in microseconds; raises Refused."""
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if match is None:
        raise Refused(f"{text!r} is not a time.", "give a number and m, h or d, such as 90d.")
    return int(match[1]) * _UNITS_US[match[2]]


def now_us() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000


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


def _new_id() -> str:
    return f"cli-{time.time_ns():x}"
