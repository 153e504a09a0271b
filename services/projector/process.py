"""The process `vito projector`, between its settings and its end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services import logs
from services.projector.log import Log, LogKeys, open_log
from services.projector.projector import run_projector
from services.settings import Settings


@contextmanager
def calm_collector() -> Iterator[None]:
    """
    Look for garbage in cycles rarely: a batch makes a hundred thousand objects and no cycle.

    With Python's own thresholds the collector walks them again and again.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def serve(settings: Settings, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """
    Project every shard until *stop* is set; *ready* is called when all are followed.

    A batch that is being applied is rolled back: rows and position are lost together, and the
    next start reads it again.
    """
    async with open_log(settings) as (log, keys):
        with calm_collector():
            await _project(settings, log, keys, stop, ready)
    logs.get().info("projector_stopped")


async def _project(
    settings: Settings, log: Log, keys: LogKeys, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
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
