"""`vito replay`: a twin's state as the gate saw it then."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console

from services import logs
from services.audit.access import opened, settings_in, tenant_named
from services.audit.moments import Until, parse_until, rfc3339, zone_of
from services.audit.replay import Replayed, replay_until
from services.audit.showing import screen
from services.settings import Settings


def replay(
    tenant: Annotated[str, typer.Argument(help="The twin.")],
    until: Annotated[
        str | None,
        typer.Option(
            help="A position, an RFC 3339 time, or `2026-11-22 20:15` on the twin's own clock.",
            show_default="now",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The views as JSON.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """
    Show a twin's state as the gate saw it then, folded from the log alone.

    A position shows the state just after that commit. A time shows what the gate would have
    answered at that moment: holds that had run out by then are no longer held.
    """
    wanted = parse_until(until) if until is not None else Until()
    logs.configure("replay", level="error")
    found = uvloop.run(_replay(settings_in(data_dir), tenant_named(tenant), wanted))
    if as_json:
        print(_json(tenant, found))
    else:
        _show(tenant, found)


async def _replay(settings: Settings, tenant: str, until: Until) -> Replayed:
    async with opened(settings) as access:
        now_us = time.time_ns() // 1_000
        store = access.store_of(tenant)
        return await replay_until(tenant, store, access.keys, until, now_us=now_us)


def _json(tenant: str, found: Replayed) -> str:
    body = {
        "tenant": tenant,
        "position": found.state.position,
        "events_of_last_commit": found.of_commit,
        "events": found.events,
        "at": rfc3339(found.now_us),
        "at_us": found.now_us,
        "fell_due": [type(event).__name__ for event in found.fell_due],
        "views": found.views,
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=2).decode()


def _show(tenant: str, found: Replayed) -> None:
    zone = zone_of(found.state.policy.policy)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    console.print(
        f"[bold]{tenant}[/] at position {found.state.position} (event {found.of_commit} of it),"
        f" {rfc3339(found.now_us, zone)}, {found.events:,} events folded"
    )
    if found.fell_due:
        told = ", ".join(type(event).__name__ for event in found.fell_due)
        console.print(f"[yellow]fallen due by then, written later:[/] {told}")
    console.print()
    console.print(screen(found.views, zone))
