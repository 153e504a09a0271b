"""`vito status`: what runs where, on one screen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services import logs
from services.audit.access import settings_in
from services.audit.status import Knowledge, Projected, Shard, Status
from services.audit.status import status as ask
from services.audit.words import printable

_MIB = 1 << 20


def status(
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """Show who serves which shard, how far the tables are, and what is wrong (exit code 1)."""
    logs.configure("status", level="error")
    found = uvloop.run(ask(settings_in(data_dir)))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        _show(found, Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    raise typer.Exit(1 if found.faults else 0)


def _show(found: Status, console: Console) -> None:
    console.print(f"[bold]bus[/]        {found.server or 'not reached'}  {found.nats}")
    console.print(f"[bold]query API[/]  {found.api_state or 'not reached'}  {found.api}")
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("shard", "served by", "commits", "size", "replicas", "tables"):
        table.add_column(heading)
    projected = {one.shard: one for one in found.projectors}
    for shard in found.shards:
        table.add_row(*_row(shard, projected.get(shard.shard)))
    console.print(table)
    console.print()
    if found.knowledge is not None:
        console.print(f"[bold]knowledge[/]  {_knowledge(found.knowledge)}")
        console.print()
    for fault in found.faults:
        console.print(Text.assemble(("✗ ", "bold red"), printable(fault)), soft_wrap=True)
    if not found.server:
        console.print("Start everything on this machine with `vito up`.")
    elif not found.faults:
        console.print("[green]everything answers[/]")


def _knowledge(known: Knowledge) -> str:
    behind = sum(known.behind.values())
    told = [
        f"{known.live:,} sources live",
        f"{known.waiting:,} wait to be ingested",
        f"{known.in_review:,} for a review",
        f"{known.failed:,} failed",
        f"index {behind:,} messages behind" if behind else "index up to date",
    ]
    if known.without_vectors:
        told.append(f"{known.without_vectors:,} chunks without vectors")
    return ", ".join(told)


def _row(shard: Shard, projected: Projected | None) -> tuple[str, ...]:
    return (
        str(shard.shard),
        shard.owner or "nobody",
        "-" if shard.commits is None else f"{shard.commits:,}",
        _size(shard),
        _replicas(shard),
        _tables(projected),
    )


def _size(shard: Shard) -> str:
    if shard.size_bytes is None or not shard.max_bytes:
        return "-"
    share = shard.size_bytes / shard.max_bytes
    return f"{shard.size_bytes / _MIB:,.1f} MiB ({share:.1%} of its bound)"


def _replicas(shard: Shard) -> str:
    if shard.replicas is None:
        return "-"
    return f"{shard.replicas}, led by {shard.leader}" if shard.leader else str(shard.replicas)


def _tables(projected: Projected | None) -> str:
    if projected is None:
        return "not begun"
    if projected.behind is None:
        return projected.state or "unknown"
    if not projected.behind:
        return "up to date"
    return f"{projected.behind:,} commits behind, for {projected.age_s:.1f} s"
