"""
The closing check: the meters say what the receipts add up to.

Three figures are compared for each twin: the sum of all receipts of this run, by how much the
gate's own meters grew, and what the read side shows.
"""

from __future__ import annotations

import msgspec

from contracts.views import BudgetView
from services.client.read_side import Meters
from services.demo.tally import Tally

SPENDABLE = ("money", "credits")


class Finding(msgspec.Struct, frozen=True):
    """One statement and whether it holds."""

    what: str
    holds: bool


def committed_nanos(view: BudgetView) -> int:
    """What a twin has spent, of its month and of its credits."""
    return sum(meter.committed for meter in view.meters if meter.meter in SPENDABLE)


def held_nanos(view: BudgetView) -> int:
    """What a twin holds, of its month and of its credits."""
    return sum(meter.held for meter in view.meters if meter.meter in SPENDABLE)


def check(
    tenant: str, tally: Tally, before: BudgetView, after: BudgetView, shown: Meters | None
) -> list[Finding]:
    """Compare what one twin was told with what it is shown."""
    grew = committed_nanos(after) - committed_nanos(before)
    others = "" if grew == tally.booked_nanos else _others(before, after)
    found = [
        Finding(
            f"{tenant}: {tally.receipts:,} receipts add up to {tally.booked_nanos:,} nanos,"
            f" the gate's meters grew by {grew:,}{others}",
            grew == tally.booked_nanos,
        )
    ]
    if held_nanos(after):
        found.append(Finding(f"{tenant}: {held_nanos(after):,} nanos are still held", holds=False))
    if shown is not None:
        reads = sum(shown.committed(unit) for unit in SPENDABLE)
        found.append(
            Finding(
                f"{tenant}: billing_meters show {reads:,} nanos at position {shown.position:,},"
                f" the gate {committed_nanos(after):,}",
                reads == committed_nanos(after),
            )
        )
    return found


def _others(before: BudgetView, after: BudgetView) -> str:
    if before.period != after.period:
        return " (a new month began meanwhile)"
    return " (did somebody else use the twin meanwhile?)"
