"""Views of a twin as an operator reads them: the same for the live gate and for a replay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from contracts.policy import Policy
from contracts.views import (
    BudgetView,
    Meter,
    PolicyView,
    PriceBookView,
    RateView,
    SecretsView,
    TenantView,
    View,
    ViewNoun,
)
from services.audit.amounts import money, units
from services.audit.moments import local
from services.audit.words import printable

_NANOS = ("money", "credits")


def screen(views: Mapping[ViewNoun, View], zone: tzinfo | None) -> Group:
    """Lay views out, one below the other, times on the clock of *zone*."""
    return Group(*(_table(view, zone) for view in views.values()))


def _table(view: View, zone: tzinfo | None) -> Group:
    match view:
        case TenantView():
            return _tenant(view, zone)
        case BudgetView():
            return _budget(view, zone)
        case RateView():
            return _rate(view, zone)
        case PolicyView():
            return _facts("policy", _policy(view))
        case PriceBookView():
            return _price_book(view)
        case SecretsView():
            return _secrets(view, zone)


def _facts(title: str, facts: Mapping[str, Any]) -> Group:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), Text(printable(str(value))))
    return Group(Text(title, style="bold"), table, Text())


def _when(at_us: int | None, zone: tzinfo | None) -> str:
    return f"{local(at_us, zone):%Y-%m-%d %H:%M:%S %z}" if at_us else "-"


def _tenant(view: TenantView, zone: tzinfo | None) -> Group:
    return _facts(
        f"tenant {view.tenant}",
        {
            "status": view.status,
            "name": f"{view.display_name}, {view.organisation}",
            "position": view.position,
            "decisions": view.decisions,
            "last event": _when(view.last_event_at_us, zone),
        },
    )


def _policy(view: PolicyView) -> dict[str, str]:
    policy = view.policy
    if policy is None:
        return {"version": "none"}
    return {
        "version": str(view.version),
        **_rules(policy),
        "modalities": ", ".join(policy.modalities),
        "ladder": " → ".join(policy.ladder) or "none",
        "clock": policy.time_zone,
    }


def _rules(policy: Policy) -> dict[str, str]:
    rate, budget = policy.rate, policy.budget
    overflow = (
        f"queued for at most {rate.queue_max_delay_ms} ms"
        if rate.overflow == "queue"
        else "dropped"
    )
    soft = budget.soft_cap_permille
    return {
        "rate": f"{rate.requests} calls per {rate.period_ms} ms, burst {rate.burst}, {overflow}",
        "hard limit": f"{money(budget.monthly_hard_limit_nanos, policy.currency)} a month",
        "soft cap": "none"
        if soft is None
        else f"from {soft / 10:g} % on only {budget.soft_cap_modality} and below",
    }


def _price_book(view: PriceBookView) -> Group:
    book = view.price_book
    if book is None:
        return _facts("price book", {"version": "none"})
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("product", "modality", "price", "source"):
        table.add_column(heading)
    for entry in book.entries:
        prices = ", ".join(
            f"{money(price.nanos, book.currency)} per {price.per:,} {quantity}"
            for quantity, price in entry.prices.items()
        )
        source = f"{entry.provenance.source} ({entry.provenance.retrieved_on})"
        cells = (f"{entry.provider_id}/{entry.sku}", entry.modality, prices, source)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return Group(Text(f"price book, version {view.version}", style="bold"), table, Text())


def _secrets(view: SecretsView, zone: tzinfo | None) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("name", "version", "put by", "until", "opened", "last"):
        table.add_column(heading)
    for found in view.secrets:
        for version in found.versions:
            cells = (
                found.name,
                str(version.version),
                version.actor,
                _when(version.until_us, zone),
                f"{version.openings:,} times",
                _when(version.last_opened_at_us, zone),
            )
            table.add_row(*(Text(printable(cell)) for cell in cells))
        if not found.versions:
            table.add_row(Text(printable(found.name)), "revoked")
    title = f"secret: {len(view.secrets)} names; data key, version {view.key_version}"
    return Group(Text(title, style="bold"), table, Text())


def _budget(view: BudgetView, zone: tzinfo | None) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("meter")
    for heading in ("committed", "held", "limit", "remaining"):
        table.add_column(heading, justify="right")
    for meter in view.meters:
        table.add_row(*_meter(meter, view.currency))
    title = f"budget of {view.period or 'no month yet'}"
    if view.resets_at_us:
        title += f", until {_when(view.resets_at_us, zone)}"
    facts = {
        "a new call could hold": money(view.remaining_nanos, view.currency),
        "open holds": view.open_holds,
        "next runs out": _when(view.next_expiry_us, zone),
        "beyond their holds": f"{view.overruns} calls, {money(view.overrun_nanos, view.currency)}",
        "settled late": view.late_settlements,
    }
    return Group(Text(title, style="bold"), table, _facts("", facts))


def _meter(meter: Meter, currency: str) -> tuple[str, ...]:
    def spelled(grains: int | None) -> str:
        if grains is None:
            return "-"
        if meter.meter in _NANOS:
            return money(grains, currency)
        return units(grains, meter.scale)

    amounts = (meter.committed, meter.held, meter.limit, meter.remaining)
    return (meter.meter, *map(spelled, amounts))


def _rate(view: RateView, zone: tzinfo | None) -> Group:
    if view.retry_after_us:
        answer = f"refused; it fits in {view.retry_after_us / 1_000:g} ms"
    elif view.delay_us:
        answer = f"granted, to start in {view.delay_us / 1_000:g} ms"
    else:
        answer = "granted at once"
    return _facts(
        f"rate at {_when(view.now_us, zone)}",
        {
            "one more call would be": answer,
            "bucket": f"a call each {view.interval_us / 1_000:g} ms, burst {view.burst},"
            f" queue {view.queue_max_us / 1_000:g} ms",
        },
    )
