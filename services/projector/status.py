"""
Status: what a projector says about its shards, in `vito.shard_status`, about once a second.

*behind_since* is when the oldest commit that is not applied yet was first seen at the end of the
stream, to the second: how long ago that is, is the age of what the tables lack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from projections.cells import moment
from services import logs
from services.projector.source import CommitSource, SourceUnavailable

REPORT_EVERY_S = 1.0
ERROR_CHARS_MAX = 1_000
State: TypeAlias = Literal["waiting", "running", "retrying", "stopped"]

_REPORT = """
INSERT INTO vito.shard_status AS s (shard, state, error, last_seq, behind_since, reported_at)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (shard) DO UPDATE SET
    state = excluded.state, error = excluded.error,
    last_seq = coalesce(excluded.last_seq, s.last_seq),
    behind_since = excluded.behind_since, reported_at = excluded.reported_at
"""


class ShardStatus(msgspec.Struct):
    """
    One shard as its projector sees it, updated in place.

    `waiting`: another projector holds the shard, and reports on it.
    """

    shard: int
    state: State = "waiting"
    error: str | None = None
    applied_seq: int = 0
    last_seq: int | None = None
    _target_seq: int = 0
    _behind_since_us: int | None = None

    @property
    def behind_since(self) -> str | None:
        """Since when commits wait to be applied; None if none do."""
        return None if self._behind_since_us is None else moment(self._behind_since_us)

    def seen(self, last_seq: int, now_us: int) -> None:
        """Take note of where the stream ends."""
        self.last_seq = last_seq
        if self._behind_since_us is not None and self.applied_seq < self._target_seq:
            return
        if last_seq > self.applied_seq:
            self._target_seq, self._behind_since_us = last_seq, now_us
        else:
            self._behind_since_us = None


class StatusReporter:
    """Writes the status of the shards that this process holds."""

    def __init__(
        self,
        dsn: str,
        source: CommitSource,
        shards: Sequence[ShardStatus],
        *,
        now_us: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dsn = dsn
        self._source = source
        self._shards = shards
        self._now_us = now_us
        self._sleep = sleep

    async def run(self) -> None:
        """Report for ever; while Postgres is away, try again every time."""
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._dsn,
                    autocommit=True,
                    connect_timeout=5,
                    application_name="vito-projector-status",
                ) as connection:
                    while True:
                        await self.report(connection)
                        await self._sleep(REPORT_EVERY_S)
            except psycopg.Error as error:
                logs.get().warning("status_not_written", error=str(error))
                await self._sleep(REPORT_EVERY_S)

    async def report(self, connection: AsyncConnection[TupleRow]) -> None:
        """Report once."""
        for status in self._shards:
            if status.state == "waiting":
                continue
            try:
                status.seen(await self._source.last_seq(status.shard), self._now_us())
            except SourceUnavailable as error:
                logs.get().warning("log_end_unknown", shard=status.shard, error=str(error))
            await write_status(connection, status, self._now_us())


async def write_status(
    connection: AsyncConnection[TupleRow], status: ShardStatus, now_us: int
) -> None:
    """Write what is known of one shard."""
    error = None if status.error is None else status.error[:ERROR_CHARS_MAX]
    await connection.execute(
        _REPORT,
        (
            status.shard,
            status.state,
            error,
            status.last_seq,
            status.behind_since,
            moment(now_us),
        ),
    )
