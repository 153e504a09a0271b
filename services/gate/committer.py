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

from services.eventstore.appending import Append
from services.eventstore.errors import FenceConflict
from services.gate.group import Group
from services.gate.log import TenantLog
from services.gate.tasks import end_all
from services.gate.writer import TenantWriter

# Below about ten commits plain publishes win (0.5 ms each); a batch costs 2.4 ms at least.
PLAIN_IN_FLIGHT_MAX = 10
BATCH_MAX = 512
# A batch is closed by the commit that reaches it, so it may be larger by one commit.
BATCH_BYTES_MAX = 4_000_000


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

    async def close(self) -> None:
        """Give up what is in flight; nobody is told what becomes of it."""
        await end_all(self._plain)

    async def _drain(self) -> None:
        if len(self._ready) + len(self._plain) <= PLAIN_IN_FLIGHT_MAX:
            for commit in self._take(PLAIN_IN_FLIGHT_MAX):
                task = asyncio.create_task(self._append([commit]))
                self._plain.add(task)
                task.add_done_callback(self._plain.discard)
            return
        commits = self._take(BATCH_MAX)
        if commits:
            await self._append(commits)

    def _take(self, count_max: int) -> list[tuple[TenantWriter, Append]]:
        commits: list[tuple[TenantWriter, Append]] = []
        size = 0
        for writer in list(self._ready):
            if len(commits) == count_max or size >= BATCH_BYTES_MAX:
                break
            del self._ready[writer]
            if not writer.has_work:
                continue
            try:
                append = writer.take()
            except Exception as problem:  # noqa: BLE001 - one tenant's fault must not stop the others
                self._on_lost(writer, problem)
                continue
            commits.append((writer, append))
            size += len(append.state)
        return commits

    async def _append(self, commits: list[tuple[TenantWriter, Append]]) -> None:
        try:
            sequences = await self._log.append([append for _, append in commits])
        except FenceConflict as conflict:
            if len(commits) == 1:
                self._lose(commits, conflict)
                return
            for commit in commits:
                await self._append([commit])
            return
        except Exception as problem:  # noqa: BLE001 - whatever it is, who waits must be answered
            self._lose(commits, problem)
            return
        for (writer, _), seq in zip(commits, sequences, strict=True):
            if not writer.is_lost:
                self._stored(writer, seq)

    def _stored(self, writer: TenantWriter, seq: int) -> None:
        try:
            self._on_stored(writer, writer.stored(seq))
        except Exception as problem:  # noqa: BLE001 - as above: the other tenants go on
            self._on_lost(writer, problem)
            return
        self.ready(writer)

    def _lose(self, commits: list[tuple[TenantWriter, Append]], problem: Exception) -> None:
        for writer, _ in commits:
            if not writer.is_lost:
                self._on_lost(writer, problem)
