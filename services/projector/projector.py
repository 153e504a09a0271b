"""The projector process: every shard, and what it says about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import projections
from projections.projection import Projection
from services import logs
from services.projector.shard import ShardProjector, unix_us
from services.projector.source import CommitSource, Keys
from services.projector.status import StatusReporter


class ProjectorStopped(Exception):
    """Every shard has stopped at a fault in its log."""


async def run_projector(
    dsn: str,
    source: CommitSource,
    keys: Keys,
    *,
    shards: int,
    wanted: Sequence[Projection] = projections.ALL,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """
    Project all shards until cancelled.

    *on_ready* is called once, when each shard is followed or known to be held by another
    projector. A shard whose log is at fault does not stop the others; ProjectorStopped is raised
    when none is left.
    """
    running = [ShardProjector(shard, dsn, source, keys, wanted=wanted) for shard in range(shards)]
    reporter = StatusReporter(dsn, source, [one.status for one in running], now_us=unix_us)
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(one.run()) for one in running]
        reports = group.create_task(reporter.run())
        await asyncio.gather(*(one.started.wait() for one in running))
        on_ready()
        logs.get().info("projector_ready", shards=shards)
        await asyncio.wait(followers)
        reports.cancel()
    raise ProjectorStopped("; ".join(f"shard {s.status.shard}: {s.status.error}" for s in running))
