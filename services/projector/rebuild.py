"""
Rebuild: fill new tables from the log beside the serving ones, then switch.

    1 discard what an earlier, interrupted rebuild left      2 create version n+1, `building`
    3 fill it, shard by shard, until it is close to the serving one
    4 in one transaction, while no batch is applied: fill the rest, point the views to it, `serving`
    5 drop the old version

The projector goes on all the while; it waits only during 4, reads which version serves with its
next batch, and goes on from the position that the rebuild has reached. Whenever a rebuild dies,
what serves is complete: run it again, or do nothing. The chain of every tenant is checked from its
first commit on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from projections.projection import Projection, writes
from services import logs
from services.projector import versions
from services.projector.apply import advance, ensure_positions, step
from services.projector.chain import Chain
from services.projector.erasing import erase_rows, is_end
from services.projector.locks import Lock, hold_in_transaction, try_hold
from services.projector.opening import Opened, open_commits
from services.projector.source import CommitSource, Keys
from services.projector.versions import Serving, schema_of
from services.projector.writing import write

# Rounds of filling before the switch; each ends where the log ended when it began.
ROUNDS_MAX = 20
# So few commits behind, the rest is filled in the switch itself.
CLOSE_COMMITS = 500
# How long readers and the projector may be made to wait before the switch gives up.
LOCK_TIMEOUT = "10s"


class RebuildRunning(Exception):
    """Another rebuild is running; one at a time is enough."""


class Rebuilt(msgspec.Struct, frozen=True):
    """*events* were applied to version *version*, which now serves instead of *replaced*."""

    projection: str
    version: int
    replaced: int | None
    events: int


class Progress(msgspec.Struct, frozen=True):
    """How far a rebuild is in a shard."""

    shard: int
    stream_seq: int
    last_seq: int


def _quiet(_progress: Progress) -> None:
    return


async def rebuild(
    dsn: str,
    projection: Projection,
    source: CommitSource,
    keys: Keys,
    *,
    shards: int,
    on_progress: Callable[[Progress], None] = _quiet,
) -> Rebuilt:
    """
    Rebuild one projection. *dsn* is the owner's.

    Raises RebuildRunning; what open_commits finds at fault; psycopg.Error, also when the tables
    could not be locked in time. What serves is then as it was.
    """
    async with await AsyncConnection.connect(
        dsn, autocommit=True, application_name=f"vito-rebuild-{projection.NAME}"
    ) as connection:
        if not await try_hold(connection, Lock.REBUILD):
            raise RebuildRunning("another rebuild is running: wait until it is done")
        await discard(connection, projection)
        task = _Rebuild(connection, projection, source, keys, shards, on_progress)
        return await task.run()


async def discard(connection: AsyncConnection[TupleRow], projection: Projection) -> list[int]:
    """Drop every version that does not serve; which ones. Nobody may be rebuilding it."""
    dropped: list[int] = []
    for state in ("building", "retired"):
        for version in await versions.versions_in(connection, projection, state):
            await versions.drop(connection, projection, version)
            dropped.append(version)
    return dropped


class _Rebuild:
    """One run. *chains* and *positions* are of the version that is built, per shard."""

    def __init__(
        self,
        connection: AsyncConnection[TupleRow],
        projection: Projection,
        source: CommitSource,
        keys: Keys,
        shards: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._connection = connection
        self._projection = projection
        self._source = source
        self._keys = keys
        self._on_progress = on_progress
        self._version = 0
        self._events = 0
        self._chains = {shard: Chain() for shard in range(shards)}
        self._positions = dict.fromkeys(range(shards), 0)

    async def run(self) -> Rebuilt:
        await self._create()
        for _ in range(ROUNDS_MAX):
            ends = {shard: await self._source.last_seq(shard) for shard in self._positions}
            behind = sum(ends.values()) - sum(self._positions.values())
            for shard, end in ends.items():
                await self._fill(shard, end)
            if behind <= CLOSE_COMMITS:
                break
        replaced = await self._switch()
        if replaced is not None:
            await self._drop(replaced)
        return Rebuilt(self._projection.NAME, self._version, replaced, self._events)

    async def _create(self) -> None:
        connection = self._connection
        async with connection.transaction():
            self._version = await versions.next_version(connection, self._projection)
            await versions.create(connection, self._projection, self._version)
            for shard in self._positions:
                await ensure_positions(connection, shard, {self._projection.NAME: self._version})

    async def _fill(self, shard: int, end_seq: int) -> None:
        """Apply the shard's commits up to *end_seq*, a batch and its position at a time."""
        if self._positions[shard] >= end_seq:
            return
        async with aclosing(self._source.batches(shard, self._positions[shard])) as arriving:
            async for stored in arriving:
                opened = await open_commits(shard, stored, self._chains[shard], self._keys)
                if opened.fault is not None:
                    raise opened.fault
                await self._apply(shard, opened)
                self._on_progress(Progress(shard, opened.last_seq, end_seq))
                if opened.last_seq >= end_seq:
                    return

    async def _apply(self, shard: int, opened: Opened) -> None:
        state = Serving(self._version, self._projection.DEFINITION, self._positions[shard])
        connection = self._connection
        async with connection.transaction():
            changes = writes(self._projection, opened.commits)
            await write(connection, schema_of(self._projection, self._version), changes)
            await erase_rows(connection, sorted({c.tenant for c in opened.commits if is_end(c)}))
            last = opened.commits[-1]
            moved = step(self._projection, state, last.stream_seq, last.at_us)
            await advance(connection, shard, [moved])
        self._positions[shard] = opened.last_seq
        self._events += opened.events

    async def _switch(self) -> int | None:
        """Make the new version serve; the one that it replaces."""
        connection = self._connection
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            await hold_in_transaction(connection, Lock.SWITCH)
            serving = await versions.versions_in(connection, self._projection, "serving")
            for shard, end_seq in (await self._positions_of(serving)).items():
                await self._fill(shard, end_seq)
            await versions.show(connection, self._projection, self._version)
            for version, state in [
                *((old, "retired") for old in serving),
                (self._version, "serving"),
            ]:
                await connection.execute(
                    "UPDATE vito.projection_versions SET state = %s"
                    " WHERE projection = %s AND version = %s",
                    (state, self._projection.NAME, version),
                )
        return serving[0] if serving else None

    async def _positions_of(self, serving: Sequence[int]) -> dict[int, int]:
        """How far the serving version is, per shard: a reader must never be taken back."""
        cursor = await self._connection.execute(
            "SELECT shard, stream_seq FROM vito.projection_positions"
            " WHERE projection = %s AND version = ANY(%s)",
            (self._projection.NAME, list(serving)),
        )
        return dict(await cursor.fetchall())

    async def _drop(self, version: int) -> None:
        connection = self._connection
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                await versions.drop(connection, self._projection, version)
        except psycopg.errors.LockNotAvailable:
            # A long query still reads the old tables; the next rebuild drops them.
            logs.get().warning("old_version_kept", schema=schema_of(self._projection, version))
