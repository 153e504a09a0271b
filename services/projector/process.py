"""The process `vito projector`, between its settings and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services import logs
from services.projector.log import open_log
from services.projector.projector import run_projector
from services.settings import Settings


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """
    Project every shard until *stop* is set; *ready* is called when all are followed.

    A batch that is being applied is rolled back: rows and position are lost together, and the
    next start reads it again.
    """
    async with open_log(settings) as (log, keys):
        projecting = asyncio.create_task(
            run_projector(settings.postgres(), log, keys, shards=settings.shards, on_ready=ready)
        )
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({projecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if projecting.done():
            projecting.result()
        projecting.cancel()
        await asyncio.wait({projecting})
    logs.get().info("projector_stopped")
