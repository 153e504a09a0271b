"""
How fast commits become rows, beside a raw COPY of the very same rows into the same tables.

Prepared commits go through the projector's own path: every projection folds them, rows and
positions are written, ten thousand events to a transaction. Then the rows are taken out, the
tables emptied, and the rows put back with one COPY per table, as bytes that Postgres itself has
formatted: nothing that fills these tables can be faster. Medians of several rounds, and the ratio
is the median of each round's own: what else the machine does then weighs on both sides.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

import projections
from contracts.commit import FIRST_PREV, CommitLine
from services.bench.domain_bench import record
from services.migrations import prepare_database
from services.projector.apply import apply_batch, ensure_positions
from services.projector.batches import Batches
from services.projector.chain import Chain
from services.projector.opening import Opened, open_commits
from services.projector.process import calm_collector
from services.projector.source import Stored
from services.projector.versions import read_serving
from services.tenant_log.codec import digest_of, hash_of, seal_commit

EVENTS_PER_COMMIT = 200
TENANTS = 10
ROUNDS = 5
TARGET_RATIO = 0.5
_CHUNK_BYTES = 256 * 1024
_MESSAGES_PER_READ = 500
_KEY = bytes(32)


class ProjectorFigures(msgspec.Struct, frozen=True):
    """
    Events per second. *ratio* is apply / raw COPY, both of the same *rows*.

    *apply* begins with opened commits; *sealed* with stored bytes, as the projector does: each is
    checked, opened and decoded as well.
    """

    events: int
    rows: int
    apply_events_per_s: float
    copy_events_per_s: float
    ratio: float
    sealed_events_per_s: float
    sealed_ratio: float


class _Table(msgspec.Struct, frozen=True):
    schema: str
    name: str
    copied: bytes
    rows: int


class _Round(msgspec.Struct, frozen=True):
    apply_s: float
    copy_s: float
    sealed_s: float


class _Log:
    """Messages in memory, and the one key that opens them."""

    def __init__(self, stored: list[Stored]) -> None:
        self.stored = stored

    async def batches(self, _shard: int, after_seq: int) -> AsyncGenerator[Sequence[Stored], None]:
        for at in range(after_seq, len(self.stored), _MESSAGES_PER_READ):
            yield self.stored[at : at + _MESSAGES_PER_READ]

    async def last_seq(self, _shard: int) -> int:
        return len(self.stored)

    async def get(self, _tenant: str, _version: int) -> bytes:
        return _KEY

    def forget(self, _tenant: str) -> None:
        """Nobody is erased here."""


async def measure(dsn: str, events: int = 100_000, *, rounds: int = ROUNDS) -> ProjectorFigures:
    """
    Measure on an empty database, as its owner; takes half a minute and leaves the rows behind.

    The log is that of TENANTS hot twins: authorisations and settlements in commits of
    EVENTS_PER_COMMIT.
    """
    log = _Log(_sealed_log(events))
    chain = Chain()
    pieces = [await open_commits(0, [message], chain, log) for message in log.stored]
    count = sum(piece.events for piece in pieces)
    tables: list[_Table] = []
    rounds_s: list[_Round] = []
    await prepare_database(dsn)
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SET synchronous_commit = off")
        with calm_collector():
            for _ in range(rounds):
                await _empty(connection)
                sealed_s = await _timed(connection, log, _from_bytes)
                await _empty(connection)
                apply_s = await _timed(connection, log, _from(pieces))
                tables = await _take_out(connection)
                await _empty(connection)
                rounds_s.append(_Round(apply_s, await _timed_copy(connection, tables), sealed_s))
    return ProjectorFigures(
        events=count,
        rows=sum(table.rows for table in tables),
        apply_events_per_s=count / median(one.apply_s for one in rounds_s),
        copy_events_per_s=count / median(one.copy_s for one in rounds_s),
        ratio=median(one.copy_s / one.apply_s for one in rounds_s),
        sealed_events_per_s=count / median(one.sealed_s for one in rounds_s),
        sealed_ratio=median(one.copy_s / one.sealed_s for one in rounds_s),
    )


def _sealed_log(events: int) -> list[Stored]:
    """The same history for every twin, in turns, as a shard's stream has it."""
    history = record(events // TENANTS // 2)
    stored: list[Stored] = []
    heads = {f"hot-{number}": FIRST_PREV for number in range(TENANTS)}
    for index, at in enumerate(range(0, len(history), EVENTS_PER_COMMIT), 1):
        part = history[at : at + EVENTS_PER_COMMIT]
        for tenant, prev in heads.items():
            at_us = part[-1].at_us
            line = CommitLine(tenant, index, at_us, len(part), 1, "bench", digest_of([]), prev)
            payload = seal_commit(line, part, _KEY)
            heads[tenant] = hash_of(payload)
            stored.append(Stored(len(stored) + 1, tenant, payload))
    return stored


_Filling: TypeAlias = Callable[[_Log, Batches], Coroutine[Any, Any, None]]


async def _timed(connection: AsyncConnection[TupleRow], log: _Log, fill: _Filling) -> float:
    """Fold and apply as a shard's projector does: the next batch while this one is written."""
    serving = await read_serving(connection, 0, projections.ALL)
    positions = {name: state.stream_seq for name, state in serving.items()}
    await ensure_positions(connection, 0, {name: s.version for name, s in serving.items()})
    batches = Batches(projections.ALL, positions)
    done_seq = 0
    began = perf_counter()
    filling = asyncio.create_task(fill(log, batches))
    while done_seq < len(log.stored):
        batch = await batches.take()
        serving = await apply_batch(connection, 0, batch, projections.ALL, serving)
        done_seq = batch.last_seq
    await filling
    return perf_counter() - began


async def _from_bytes(log: _Log, batches: Batches) -> None:
    await batches.fill(log, log, Chain(), shard=0, after_seq=0)


def _from(pieces: list[Opened]) -> _Filling:
    async def fill(_log: _Log, batches: Batches) -> None:
        for piece in pieces:
            await batches.put(piece)

    return fill


async def _take_out(connection: AsyncConnection[TupleRow]) -> list[_Table]:
    cursor = await connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname ~ '_v[0-9]+$' ORDER BY 1, 2"
    )
    tables: list[_Table] = []
    for schema, name in await cursor.fetchall():
        statement = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, name))
        async with connection.cursor() as copying:
            async with copying.copy(statement) as copy:
                copied = b"".join([bytes(piece) async for piece in copy])
            tables.append(_Table(schema, name, copied, copying.rowcount))
    return [table for table in tables if table.rows]


async def _timed_copy(connection: AsyncConnection[TupleRow], tables: list[_Table]) -> float:
    began = perf_counter()
    for table in tables:
        statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table.schema, table.name))
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for at in range(0, len(table.copied), _CHUNK_BYTES):
                await copy.write(table.copied[at : at + _CHUNK_BYTES])
    return perf_counter() - began


async def _empty(connection: AsyncConnection[TupleRow]) -> None:
    cursor = await connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname ~ '_v[0-9]+$'"
    )
    names = [sql.Identifier(*row) for row in await cursor.fetchall()]
    statement = sql.SQL("TRUNCATE {}, vito.projection_positions, vito.chain_heads")
    await connection.execute(statement.format(sql.SQL(", ").join(names)))
    # Both sides begin without the other's pages waiting to be written.
    await connection.execute("CHECKPOINT")
