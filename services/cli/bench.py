"""`vito bench`: measure against the raw servers."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from services import logs
from services.bench import (
    console_bench,
    conversation_bench,
    failover_bench,
    gate_bench,
    knowledge_bench,
    knowledge_reading_bench,
    projector_bench,
    replay_bench,
    report,
    rollback_bench,
    turn_bench,
)
from services.bench.live_stack import live_stack
from services.bench.own_postgres import own_databases, own_postgres


def bench(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """
    Measure what the design promises, each beside a raw baseline of the same run.

    Takes about ten minutes on fresh servers of its own. Prints what was reached, also when it
    falls short; a figure never fails the command.
    """
    logs.configure("bench", level="error")
    found = asyncio.run(_measure(Console(stderr=True)))
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    else:
        _show(found, Console())


async def _measure(progress: Console) -> report.Report:
    machine = report.machine()
    progress.print("replay and verify ...")
    replay = await asyncio.to_thread(replay_bench.measure)
    progress.print("documents beside the bare library ...")
    reading = await knowledge_reading_bench.measure()
    progress.print("gate beside raw echo ...")
    gate = await gate_bench.measure()
    progress.print("projector beside raw COPY ...")
    projector = await _projector()
    progress.print("failover ...")
    failover = await failover_bench.measure()
    progress.print("prompt rollback to every agent ...")
    rollback = await rollback_bench.measure()
    progress.print("turns beside a vendor asked directly, and conversations ...")
    async with own_postgres() as dsn, live_stack(dsn, ("hot",)) as stack:
        turns = await turn_bench.measure(stack)
        conversations = await conversation_bench.measure(stack)
    progress.print("knowledge, found and timed ...")
    async with own_databases(1 + len(knowledge_bench.SIZES)) as dsns:
        knowledge = await knowledge_bench.measure(*dsns)
    progress.print("pages of the console beside a million audit rows ...")
    async with own_postgres() as dsn:
        console = await console_bench.measure(dsn)
    lines = report.lines(gate, replay, projector, failover, rollback)
    lines += report.live_lines(turns, conversations)
    lines += report.retrieval_lines(knowledge)
    lines += report.knowledge_lines(reading)
    lines.append(report.console_line(console))
    return report.Report(
        machine,
        lines,
        gate,
        replay,
        projector,
        failover,
        rollback,
        turns,
        conversations,
        knowledge,
        reading,
        console,
    )


async def _projector() -> projector_bench.ProjectorFigures:
    async with own_postgres() as dsn:
        return await projector_bench.measure(dsn)


def _show(found: report.Report, console: Console) -> None:
    machine = found.machine
    console.print(
        f"{machine.cores} cores ({machine.processor}), load before {machine.load_before:.1f},"
        f" Python {machine.python}, nats-server {machine.nats_server},"
        f" PostgreSQL {machine.postgres}, nats-py {machine.nats_py}"
    )
    table = Table("what", "at least", "measured", "")
    words = {True: "[green]reached[/]", False: "[red]short[/]", None: "measured"}
    for line in found.lines:
        table.add_row(line.what, line.target, line.measured, words[line.reached])
    console.print(table)
