"""The report: for people, and as JSON for other programs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.evidence.exhibit import Exhibit, Status

# EV-03 twice: at the gate, and where visitors are.
NEEDED = ("EV-01", "EV-02", "EV-03", "EV-03-WS", "EV-04")
COLOURS: dict[Status, str] = {
    "PASS": "bold green",
    "FAIL": "bold red",
}


def holds(exhibits: Sequence[Exhibit]) -> bool:
    """Whether every claim that can be verified was, and passed."""
    passed = {exhibit.id for exhibit in exhibits if exhibit.status == "PASS"}
    return set(NEEDED) <= passed and not any(e.status == "FAIL" for e in exhibits)


def as_json(exhibits: Sequence[Exhibit]) -> bytes:
    """The report as one JSON document."""
    document = {
        "holds": holds(exhibits),
        "exhibits": [
            {"status": exhibit.status, **msgspec.structs.asdict(exhibit)} for exhibit in exhibits
        ],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def show(console: Console, exhibit: Exhibit) -> None:
    """Print one exhibit: claim, method, observed figures, verdict."""
    status = exhibit.status
    console.print(f"\n[bold]{exhibit.id}[/]  {escape(exhibit.claim)}", highlight=False)
    console.print(f"[dim]{escape(exhibit.method)}[/]", highlight=False)
    figures = Table.grid(padding=(0, 3, 0, 2))
    for name, value in exhibit.observed.items():
        figures.add_row(name, escape(str(value)))
    if exhibit.observed:
        console.print(figures)
    for fault in exhibit.faults:
        console.print(f"  [red]✗ {escape(fault)}[/]", highlight=False)
    console.print(f"[{COLOURS[status]}]{status}[/]", highlight=False)


def show_verdict(console: Console, exhibits: Sequence[Exhibit]) -> None:
    """Print the table of verdicts."""
    table = Table()
    for heading in ("claim", "verdict"):
        table.add_column(heading, no_wrap=True)
    for exhibit in exhibits:
        name = exhibit.claim.partition(":")[0]
        table.add_row(f"{exhibit.id} {name}", f"[{COLOURS[exhibit.status]}]{exhibit.status}[/]")
    console.print()
    console.print(table)
