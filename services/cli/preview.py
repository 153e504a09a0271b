"""`vito preview`: what a policy would have done with the calls that were really made."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from contracts.policy import Policy
from contracts.policy_preview import DAYS_MAX, PolicyPreview, PreviewPolicy
from contracts.spelling import in_words
from services import logs
from services.audit.access import opened, settings_in, tenant_named
from services.audit.amounts import money
from services.audit.moments import rfc3339
from services.audit.preview import NotFit, preview_policy
from services.cli.asking import AsJson, DataDir, Tenant
from services.failure import Failure
from services.settings import Settings

_BYTES_MAX = 1 << 20


def preview(
    tenant: Tenant,
    file: Annotated[str, typer.Argument(help="The policy as JSON; `-` reads it from the input.")],
    days: Annotated[
        int | None,
        typer.Option(
            help="How many of the last days.",
            min=1,
            max=DAYS_MAX,
            show_default="those of this month",
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Decide the calls of the last days anew under another policy; nothing is changed.

    First-order: whoever called is taken to have asked for the same, whatever they were answered.
    """
    logs.configure("preview", level="error")
    wanted = PreviewPolicy(policy=_read(file), days=days)
    try:
        found = uvloop.run(_preview(settings_in(data_dir), tenant_named(tenant), wanted))
    except NotFit as problem:
        if as_json:
            print(msgspec.json.encode({"field": problem.field, "rule": problem.rule}).decode())
        raise
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _show(found)


def _read(file: str) -> Policy:
    try:
        data = sys.stdin.buffer.read(_BYTES_MAX) if file == "-" else Path(file).read_bytes()
        return msgspec.json.decode(data, type=Policy)
    except OSError as problem:
        raise Failure(f"{file} cannot be read: {problem.strerror}.", "name another.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Failure(
            f"that is no policy: {in_words(str(problem))}.",
            "`vito show TWIN policy --json` shows the one in force.",
        ) from None


async def _preview(settings: Settings, tenant: str, wanted: PreviewPolicy) -> PolicyPreview:
    async with opened(settings) as access:
        now_us = time.time_ns() // 1_000
        store = access.store_of(tenant)
        return await preview_policy(tenant, store, access.keys, wanted, now_us=now_us)


def _show(found: PolicyPreview) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    part = "" if found.is_whole else " (the first of them)"
    console.print(
        f"[bold]{found.tenant}[/]: {found.calls:,} calls{part} from {rfc3339(found.from_us)}"
        f" to {rfc3339(found.to_us)}"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("was", "would be", "calls"):
        table.add_column(heading, justify="right" if heading == "calls" else "left")
    for one in found.answers:
        was, would = f"{one.recorded} {one.recorded_code}", f"{one.proposed} {one.proposed_code}"
        table.add_row(was, would, f"{one.calls:,}")
    console.print(table)
    cost, proposed = (
        money(nanos, found.currency) for nanos in (found.cost_nanos, found.proposed_cost_nanos)
    )
    console.print(f"cost {cost}; would have cost at most {proposed}")
    if found.left_out:
        console.print(f"[dim]{found.left_out:,} refusals were only counted, and stay refused[/]")
