"""
Puts the commits of one shard into its stream.

With few tenants waiting each commit is a message of its own, several in flight side by side. From
about ten on they travel as one atomic batch: one disk sync for all of them, where a sync each
would be the ceiling. Each message of a batch carries its tenant's own fence; one stale fence
refuses the whole batch, which is then sent one by one, so that only the stale tenant suffers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from services.eventstore.appending import Append
from services.eventstore.errors import FenceConflict, LogProblem
from services.gate.log import TenantLog
from services.gate.writer import Group, TenantWriter

# Below about ten commits plain publishes win (0.5 ms each); a batch costs 2.4 ms at least.
PLAIN_IN_FLIGHT_MAX = 10
BATCH_MAX = 512
BATCH_BYTES_MAX = 4_000_000

_log = structlog.get_logger()


class Committer:
    """
    Drains the writers that say they have work.

    *on_stored* is called after each commit is durable, *on_lost* when a tenant's commit was
    refused or its fate could not be learnt: the writer must be dropped then.
    """

    def __init__(
        self,
        log: TenantLog,
        on_stored: Callable[[TenantWriter, Group], None],
        on_lost: Callable[[TenantWriter, Exception], None],
    ) -> None:
        self._log = log
        self._on_stored = on_stored
        self._on_lost = on_lost
        self._ready: dict[TenantWriter, None] = {}
        self._plain: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()

    def ready(self, writer: TenantWriter) -> None:
        """Say that *writer* may have something to commit. Cheap; call it as often as you like."""
        if writer.has_work and writer not in self._ready:
            self._ready[writer] = None
            self._wake.set()

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ready:
                await self._drain()

    async def _drain(self) -> None:
        if len(self._ready) + len(self._plain) <= PLAIN_IN_FLIGHT_MAX:
            for writer in self._take_ready(PLAIN_IN_FLIGHT_MAX):
                task = asyncio.create_task(self._append([(writer, writer.take())]))
                self._plain.add(task)
                task.add_done_callback(self._plain.discard)
            return
        await self._append([(writer, writer.take()) for writer in self._take_ready(BATCH_MAX)])

    def _take_ready(self, count: int) -> list[TenantWriter]:
        writers = [writer for writer, _ in zip(self._ready, range(count), strict=False)]
        for writer in writers:
            del self._ready[writer]
        return [writer for writer in writers if writer.has_work]

    async def _append(self, commits: list[tuple[TenantWriter, Append]]) -> None:
        try:
            sequences = await self._log.append([append for _, append in commits])
        except FenceConflict as conflict:
            if len(commits) == 1:
                self._on_lost(commits[0][0], conflict)
                return
            for commit in commits:
                await self._append([commit])
            return
        except LogProblem as problem:
            for writer, _ in commits:
                self._on_lost(writer, problem)
            return
        for (writer, _), seq in zip(commits, sequences, strict=True):
            self._on_stored(writer, writer.stored(seq))
            self.ready(writer)
