"""`vito verify`: prove the log, and that the gate and the tables show it."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psycopg
import typer
import uvloop
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services import logs
from services.audit.access import opened, settings_in, tenant_named
from services.audit.findings import Finding
from services.audit.report import AREAS, Area, Report
from services.audit.verify import Verifier
from services.audit.words import printable
from services.failure import Failure
from services.knowledge.verifying import unproved
from services.projector.opening import LOG_FAULTS
from services.projector.source import SourceUnavailable
from services.settings import Settings

EXIT_DIFFERS = 1
EXIT_NOT_CHECKED = 2
_MARKS = {"proved": "[green]✓[/]", "differs": "[bold red]✗[/]", "not_checked": "[yellow]?[/]"}
_NOTHING = "[dim]-[/]"


class Result(msgspec.Struct, frozen=True):
    """What a run found: of the streams as wholes, and of each tenant."""

    streams: list[Finding]
    tenants: list[Report]
    took_s: float
    # Why what twins know was to be looked at and was not.
    knowledge_left_out: str = ""

    @property
    def findings(self) -> int:
        """How many findings there are, listed or not."""
        return len(self.streams) + sum(report.findings_count for report in self.tenants)

    @property
    def left_out(self) -> list[str]:
        """What was to be checked and could not be."""
        left = [f"{r.tenant}: {what}" for r in self.tenants for what in r.left_out]
        return [*left, *([self.knowledge_left_out] if self.knowledge_left_out else [])]

    @property
    def exit_code(self) -> int:
        """0 only when everything that was asked for was looked at, and nothing found."""
        if self.findings:
            return EXIT_DIFFERS
        return EXIT_NOT_CHECKED if self.left_out else 0


def verify(
    tenant: Annotated[str | None, typer.Argument(help="One twin; all of them without it.")] = None,
    live: Annotated[bool, typer.Option(help="Compare with what the running gate has.")] = True,
    postgres: Annotated[bool, typer.Option(help="Compare with the tables.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
    progress: Annotated[bool, typer.Option(hidden=True, help="How far it is.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """
    Prove a log: unbroken from the first commit, every box opens, the fold equals what is shown.

    Exit code 1 when something is not as it must be, 2 when something could not be checked.
    """
    logs.configure("verify", level="error")
    # Millions of events pass through; walking the long-lived ones again and again costs a tenth.
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    console = Console(highlight=False, stderr=as_json, width=None if sys.stdout.isatty() else 160)
    name = tenant and tenant_named(tenant)
    told = _tell_progress if progress else None
    settings = settings_in(data_dir)
    result = uvloop.run(_verify(settings, name, console, told, live=live, postgres=postgres))
    if as_json:
        print(_json(result))
    else:
        _show(result, console)
    raise typer.Exit(result.exit_code)


def _tell_progress(position: int, last: int) -> None:
    # For programs, a line each; see services.http_api.verification.
    print(f"progress {position} {last}", file=sys.stderr, flush=True)


async def _verify(
    settings: Settings,
    tenant: str | None,
    console: Console,
    progress: Callable[[int, int], None] | None,
    *,
    live: bool,
    postgres: bool,
) -> Result:
    started_s = time.perf_counter()
    reports: list[Report] = []
    spinner: Any = console.status("reading") if console.is_terminal else nullcontext()
    async with (
        opened(settings) as access,
        Verifier(access, with_live=live, with_postgres=postgres, progress=progress) as verifier,
    ):
        shards = [access.shard_of(tenant)] if tenant else range(len(access.stores))
        streams = [found for k in shards for found in (await verifier.stream(k)).listed]
        tenants = [tenant] if tenant else await verifier.tenants()
        with spinner as shown:
            for number, name in enumerate(tenants, 1):
                if shown is not None:
                    shown.update(f"{name} ({number} of {len(tenants)})")
                reports.append(await verifier.tenant(name))
                # So that Ctrl-C is heard between long folds.
                await asyncio.sleep(0)
    is_indexed = postgres and settings.postgres_knowledge_dsn is not None
    knowledge, left_out = await _knowledge(settings, tenant) if is_indexed else ([], "")
    return Result([*streams, *knowledge], reports, time.perf_counter() - started_s, left_out)


async def _knowledge(settings: Settings, tenant: str | None) -> tuple[list[Finding], str]:
    """Return what is live and should not be, and why it could not be looked at."""
    try:
        return await unproved(settings, tenant), ""
    except (psycopg.Error, SourceUnavailable, Failure, *LOG_FAULTS) as problem:
        # Only the kind: the text of a driver may hold an address with a login.
        return [], f"knowledge: {type(problem).__name__}"


def _json(result: Result) -> str:
    body = {
        "exit_code": result.exit_code,
        "streams": result.streams,
        "tenants": result.tenants,
        "took_s": result.took_s,
        "knowledge_left_out": result.knowledge_left_out,
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def _show(result: Result, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("twin")
    table.add_column("position", justify="right")
    table.add_column("events/s", justify="right")
    for area in AREAS:
        table.add_column(area)
    for report in result.tenants:
        rate = report.events / report.took_s if report.took_s else 0
        areas = [_cell(area) for area in report.areas.values()]
        table.add_row(report.tenant, f"{report.position:,}", f"{rate:,.0f}", *areas)
    console.print(table)
    for finding in [*result.streams, *(f for r in result.tenants for f in r.findings)]:
        console.print(Text.assemble(("✗ ", "bold red"), printable(str(finding))), soft_wrap=True)
    more = result.findings - len(result.streams) - sum(len(r.findings) for r in result.tenants)
    if more:
        console.print(f"[red]and {more:,} more[/]")
    _summary(result, console)


def _cell(area: Area) -> str:
    return f"{_MARKS.get(area.state, _NOTHING)} {area.detail}"


def _summary(result: Result, console: Console) -> None:
    events = sum(report.events for report in result.tenants)
    commits = sum(report.position for report in result.tenants)
    rate = events / result.took_s if result.took_s else 0
    console.print(
        f"{len(result.tenants):,} twins, {commits:,} commits, {events:,} events in"
        f" {result.took_s:.2f} s ({rate:,.0f} events/s)"
    )
    skipped = sorted(
        {
            f"{name} ({area.detail})"
            for report in result.tenants
            for name, area in report.areas.items()
            if area.state == "not_checked"
        }
    )
    if result.knowledge_left_out:
        console.print(f"[yellow]NOT checked:[/] {result.knowledge_left_out}", soft_wrap=True)
    if skipped:
        console.print(f"[yellow]NOT checked:[/] {', '.join(skipped)}", soft_wrap=True)
    if result.findings:
        console.print(f"[bold red]{result.findings:,} findings[/]")
    elif result.left_out:
        console.print("[yellow]nothing wrong was found in what could be checked[/]")
    elif result.tenants:
        console.print("[green]everything that was checked is as it must be[/]")
    else:
        console.print("there are no twins yet")
