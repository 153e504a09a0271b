"""`vito reconcile`: end sessions at vendors that nobody pays for, and book what they cost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated

import msgspec
import typer
import uvloop

from services import logs
from services.audit.access import settings_in, tenant_named
from services.cli.asking import AsJson, DataDir, reading
from services.failure import Failure
from services.reconciler.process import HOUR_US, reconciling_of, serve
from services.settings import Settings
from services.supervisor.readiness import announce
from services.vendors.reconciliation import Report, What

_WORDS: dict[What, str] = {
    "ended": "ended",
    "booked_late": "ended and settled late",
    "booked_unheld": "ended and booked without a hold",
    "not_ended": "could not be ended",
    "cost_unknown": "ended; what it cost is not known",
}


class NotReconciled(Failure):
    """Something could not be ended, booked or looked at."""


def reconcile(
    tenant: Annotated[str | None, typer.Argument(help="One twin; all of them without it.")] = None,
    every: Annotated[
        int | None,
        typer.Option(min=10, max=86_400, help="Go on, and look again after so many seconds."),
    ] = None,
    hours: Annotated[
        int, typer.Option(min=1, max=720, help="How far back; more after an outage.")
    ] = 3,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Ask the vendors for their sessions; end those that nobody pays for and book what they cost.

    Run it as often as you like, and as many as you like: each cost is booked once. It speaks to the
    sandbox when VITO_SANDBOX_URL says where that is.
    """
    settings = settings_in(data_dir)
    logs.configure("reconcile", level=settings.log_level if every else "error")
    reports = uvloop.run(_run(settings, tenant, every, hours))
    if every is None:
        _tell(reports, as_json=as_json)


async def _run(
    settings: Settings, tenant: str | None, every_s: int | None, hours: int
) -> list[Report]:
    async with AsyncExitStack() as stack:
        read_side = await stack.enter_async_context(reading(settings))

        async def named() -> Sequence[str]:
            return [tenant_named(tenant)] if tenant else await read_side.tenants()

        reconciling = await stack.enter_async_context(
            reconciling_of(settings, read_side, named, lookback_us=hours * HOUR_US)
        )
        if every_s is None:
            return await reconciling.once()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(settings, reconciling, stop, announce, every_s=every_s)
        return []


def _tell(reports: list[Report], *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(reports).decode())
    else:
        _show(reports)
    left = [one for one in reports if one.refused or not one.is_clean]
    if left:
        raise NotReconciled(
            f"{len(left)} of {len(reports)} could not be reconciled: "
            + "; ".join(f"{one.tenant} with {one.provider_id} {one.refused}" for one in left[:5]),
            "mend what is said, and run it again: nothing is booked twice.",
        )


def _show(reports: list[Report]) -> None:
    sessions = sum(report.sessions for report in reports)
    findings = [(report, one) for report in reports for one in report.findings]
    typer.echo(f"{len(reports)} reconciled, {sessions} sessions, {len(findings)} findings")
    for report, one in findings:
        booked = f", {one.usage.stream_ms:,} ms booked for {one.cost_nanos:,} nanos"
        typer.echo(
            f"{report.tenant}: {report.provider_id} session {one.ref}, "
            f"hold {one.reservation_id} {one.hold}: {_WORDS[one.what]}"
            + (booked if one.usage.stream_ms else "")
            + (f" ({one.reason})" if one.reason else "")
        )
