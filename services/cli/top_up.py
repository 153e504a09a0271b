"""`vito top-up`: prepaid credits for a twin."""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from contracts.replies import Receipt
from services import logs, run_file
from services.client import GateClient
from services.client.connection import of_login
from services.failure import Failure
from services.settings import Settings

NANOS = 1_000_000_000
NANOS_MAX = 1_000_000_000_000_000
DONE = 200


class NotToppedUp(Failure):
    """The credits were not added."""


def top_up(
    tenant: Annotated[str, typer.Argument(help="The twin.")],
    amount: Annotated[str, typer.Argument(help="How much, in its currency, such as 25 or 0.50.")],
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "vito top-up",
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """
    Add prepaid credits to a twin. They are used when the month's limit is used up.

    Credits last until they are spent; they belong to no month.
    """
    env = dict(os.environ)
    if data_dir is not None:
        env["VITO_DATA_DIR"] = str(data_dir)
    logs.configure("top-up", level="error")
    nanos = parse_nanos(amount)
    receipt = uvloop.run(_top_up(run_file.settings(env), tenant, nanos, reason))
    if receipt.status != DONE:
        raise NotToppedUp(receipt.message, receipt.remedy)
    typer.echo(
        f"{tenant}: {exact(nanos)} added at position {receipt.position};"
        f" {exact(receipt.remaining_nanos)} can be spent now."
    )


def parse_nanos(amount: str) -> int:
    """An amount of money as nanos, exactly; raises NotToppedUp."""
    try:
        nanos = Decimal(amount) * NANOS
    except InvalidOperation:
        nanos = Decimal("NaN")
    if not nanos.is_finite() or nanos != int(nanos) or not 0 < nanos <= NANOS_MAX:
        raise NotToppedUp(
            f"{amount!r} is not an amount that can be added.",
            "give a number above 0 and up to 1000000 with at most nine decimals, such as 25.",
        )
    return int(nanos)


def exact(nanos: int) -> str:
    """Nanos as an amount with all that is not zero."""
    text = f"{nanos // NANOS}.{nanos % NANOS:09d}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"{int(whole):,}.{fraction.ljust(2, '0')}"


async def _top_up(settings: Settings, tenant: str, nanos: int, reason: str) -> Receipt:
    async with GateClient.connect(**of_login(settings.nats("client")), tenant=tenant) as gate:
        return await gate.top_up(nanos, reason=reason)
