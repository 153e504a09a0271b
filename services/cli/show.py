"""`vito show`: what the live gate has of a twin."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import typer
import uvloop
from rich.console import Console

from contracts.account import PLATFORM
from contracts.views import PolicyView, View, ViewNoun
from domain.period import zone
from services import logs
from services.audit import live
from services.audit.access import opened, settings_in, tenant_named
from services.audit.live import LiveDown
from services.audit.showing import screen
from services.failure import Failure
from services.settings import Settings

NOUNS = get_args(ViewNoun)


def show(
    tenant: Annotated[str, typer.Argument(help="The twin.")],
    noun: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(NOUNS)}; all of them without it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The views as JSON.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where `vito up` runs.", show_default=".vito")
    ] = None,
) -> None:
    """Ask the gate what it has of a twin now: every view that it decides by."""
    if noun is not None and noun not in NOUNS:
        raise typer.BadParameter(f"one of {', '.join(NOUNS)}")
    logs.configure("show", level="error")
    views = uvloop.run(_ask(settings_in(data_dir), tenant_named(tenant)))
    policy = views["policy"]
    assert isinstance(policy, PolicyView), "that is what the noun means"
    if as_json:
        wanted = views if noun is None else views[noun]  # type: ignore[index]
        print(msgspec.json.format(msgspec.json.encode(wanted), indent=2).decode())
        return
    clock = zone(policy.policy.time_zone) if policy.policy else UTC
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    # Accounts are the platform's, which is no twin; a twin has an empty view of them.
    left_out = "account" if noun is None and tenant != PLATFORM else None
    wanted = {n: view for n, view in views.items() if noun in (None, n) and n != left_out}
    console.print(screen(wanted, clock))


async def _ask(settings: Settings, tenant: str) -> dict[ViewNoun, View]:
    async with opened(settings) as access:
        try:
            return await live.ask(access, tenant)
        except LiveDown as problem:
            raise Failure(
                f"the gate does not answer for {tenant}: {problem}.",
                "see `vito status`; `vito replay` reads the log itself.",
            ) from problem
