"""`vito top-up`: prepaid credits for a twin."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from services.cli.asking import DataDir, Refused, Tenant, accepted, ask

NANOS = 1_000_000_000
NANOS_MAX = 1_000_000_000_000_000


def top_up(
    tenant: Tenant,
    amount: Annotated[str, typer.Argument(help="How much, in its currency, such as 25 or 0.50.")],
    reason: Annotated[str, typer.Option(help="Kept in the log.")] = "vito top-up",
    data_dir: DataDir = None,
) -> None:
    """
    Add prepaid credits to a twin. They are used when the month's limit is used up.

    Credits last until they are spent; they belong to no month.
    """
    nanos = parse_nanos(amount)
    receipt = accepted(
        ask(tenant, data_dir, lambda gate, _settings: gate.top_up(nanos, reason=reason))
    )
    typer.echo(
        f"{tenant}: {exact(nanos)} added at position {receipt.position};"
        f" {exact(receipt.remaining_nanos)} can be spent now."
    )


def parse_nanos(amount: str) -> int:
    """An amount of money as nanos, exactly; raises Refused."""
    try:
        nanos = Decimal(amount) * NANOS
    except InvalidOperation:
        nanos = Decimal("NaN")
    if not nanos.is_finite() or nanos != int(nanos) or not 0 < nanos <= NANOS_MAX:
        raise Refused(
            f"{amount!r} is not an amount that can be added.",
            "give a number above 0 and up to 1000000 with at most nine decimals, such as 25.",
        )
    return int(nanos)


def exact(nanos: int) -> str:
    """Nanos as an amount with all that is not zero."""
    text = f"{nanos // NANOS}.{nanos % NANOS:09d}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"{int(whole):,}.{fraction.ljust(2, '0')}"
