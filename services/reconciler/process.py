"""Wiring: one process of reconciliation, made from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from services import logs
from services.client import GateClient
from services.client.connection import of_login, open_connection
from services.client.read_side import ReadSide
from services.reconciler import hint
from services.reconciler.figures import Figures
from services.reconciler.rounds import Rounds
from services.settings import Settings
from services.vendors.reconciling import AuditLogBookings, Reconciling, reconciled_vendors

HOUR_US: Final = 3_600_000_000


@asynccontextmanager
async def reconciling_of(
    settings: Settings,
    read_side: ReadSide,
    tenants: Callable[[], Awaitable[Sequence[str]]],
    *,
    lookback_us: int,
) -> AsyncIterator[Reconciling]:
    """Connect to the gate and to every vendor that keeps sessions."""
    async with AsyncExitStack() as stack:
        vendors = await stack.enter_async_context(reconciled_vendors(settings))
        login = of_login(settings.nats("reconciler"))
        gate = await stack.enter_async_context(GateClient.connect(**login, tenant="any"))
        yield Reconciling(
            gate,
            vendors,
            tenants,
            bookings=AuditLogBookings(read_side),
            lookback_us=lookback_us,
        )


async def serve(
    settings: Settings,
    reconciling: Reconciling,
    stop: asyncio.Event,
    ready: Callable[[], None],
    *,
    every_s: float,
) -> None:
    """Look round after round until *stop*; *ready* is called once hints are heard."""
    figures = Figures()
    if settings.reconcile_metrics_port:
        figures.serve(settings.reconcile_metrics_host, settings.reconcile_metrics_port)
    rounds = Rounds(reconciling, figures, every_s=every_s, hold_s=settings.hold_s)
    bus = await open_connection(
        **of_login(settings.nats("reconciler")), name="vito-reconcile-hints"
    )
    try:
        await hint.listen(bus, rounds.hint)
        # What is said from here on is heard.
        await bus.flush()
        ready()
        await rounds.run(stop)
        logs.get().info("stopping")
    finally:
        with suppress(OSError, RuntimeError):
            await bus.close()
