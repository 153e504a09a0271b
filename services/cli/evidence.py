"""`vito evidence`: the claims of the checklist, measured."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from services import logs
from services.evidence import report
from services.evidence.audit_trail import audit_trail
from services.evidence.burst import burst
from services.evidence.burst_on_sockets import burst_on_sockets
from services.evidence.exhibit import Exhibit
from services.evidence.fresh_stack import fresh_stack
from services.evidence.hard_limit import hard_limit
from services.evidence.isolation import isolation
from services.supervisor.supervisor import Died, Event, Ready

CLAIM_FAILED = 1


def evidence(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
) -> None:
    """
    Measure the claims of the requirements' checklist on a fresh stack of real services.

    The code is 0 only if EV-01 to EV-04 pass, EV-03 over the WebSocket as well. Nothing of yours
    is touched: the stack lives in a temporary directory.
    """
    logs.configure("evidence", level="error")
    console = Console(stderr=as_json)
    exhibits = uvloop.run(_gather(console))
    if as_json:
        sys.stdout.buffer.write(report.as_json(exhibits) + b"\n")
    else:
        report.show_verdict(console, exhibits)
    if not report.holds(exhibits):
        raise typer.Exit(CLAIM_FAILED)


async def _gather(console: Console) -> list[Exhibit]:
    def notify(event: Event) -> None:
        match event:
            case Ready():
                console.print(f"[dim]{event.name} ({event.took_s:.1f} s)[/]", highlight=False)
            case Died():
                console.print(f"[yellow]{event.name} {escape(event.reason)}[/]", highlight=False)

    exhibits: list[Exhibit] = []
    async with fresh_stack(os.environ, notify) as target:
        for exhibit in (
            await hard_limit(target),
            await isolation(target),
            await burst(target),
            await burst_on_sockets(target),
            await audit_trail(target),
        ):
            report.show(console, exhibit)
            exhibits.append(exhibit)
    return exhibits
