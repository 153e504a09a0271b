"""
The database of the projections: one snapshot per question, and its troubles told as problems.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from services import logs
from services.query_api.lag import Applied
from services.query_api.problems import (
    OVERLOADED,
    READ_SIDE_UNAVAILABLE,
    TOO_SLOW,
    HttpProblem,
)
from services.query_api.rows import BEGIN_SNAPSHOT, CONFIGURE, Reader
from services.query_api.statements import Connection

T = TypeVar("T")


class PoolLimits(msgspec.Struct, frozen=True):
    """What the database is asked to bear."""

    connections_max: int = 8
    waiting_max: int = 256
    acquire_s: float = 1.0
    statement_ms: int = 5_000


class ReadSide:
    """The database of the projections, as a role that may only read."""

    def __init__(self, dsn: str, limits: PoolLimits | None = None) -> None:
        self._limits = limits or PoolLimits()
        self._busy = 0
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            kwargs={
                "row_factory": dict_row,
                # We begin our transactions ourselves, see BEGIN_SNAPSHOT.
                "autocommit": True,
                "connect_timeout": 2,
                "application_name": "vito-api",
            },
            min_size=1,
            max_size=self._limits.connections_max,
            max_waiting=self._limits.waiting_max,
            timeout=self._limits.acquire_s,
            # Short, so that after an outage the next question tries at once instead of
            # waiting for the end of a back-off.
            reconnect_timeout=1.0,
            configure=self._configure,
            open=False,
        )

    async def open(self) -> None:
        """
        Connect, so that the first reader need not wait for it.

        If the database does not answer, go on without it: such a server is alive, not ready.
        """
        await self._pool.open(wait=False)
        try:
            await self.applied()
        except HttpProblem as problem:
            logs.get().warning("read_side_not_there_yet", code=problem.kind.code)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close(timeout=0.5)

    def stats(self) -> Mapping[str, int]:
        """Figures of the pool, as psycopg_pool names them."""
        return self._pool.get_stats()

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        """
        Answer a question from one snapshot.

        *work* may run twice: connections do not survive a restart of the database, and the pool
        only learns that from using them.

        Raises:
            HttpProblem: the database is away, too busy or too slow.
        """
        try:
            return await self._once(work)
        except _Broken:
            await self._pool.check()
        try:
            return await self._once(work)
        except _Broken as broken:
            raise HttpProblem(READ_SIDE_UNAVAILABLE, "The connection was lost.") from broken

    async def positions(self, tenants: Sequence[str]) -> dict[str, int]:
        """The position of each of these twins that the tables reflect; absent if unknown."""

        async def work(reader: Reader) -> dict[str, int]:
            return await reader.positions(tenants)

        return await self.read(work)

    async def applied(self) -> list[Applied]:
        """How far the serving projections are."""

        async def work(reader: Reader) -> list[Applied]:
            return await reader.applied()

        return await self.read(work)

    async def _configure(self, connection: Connection) -> None:
        await connection.execute(CONFIGURE, [str(self._limits.statement_ms)])

    async def _once(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        try:
            # The pool ends the transaction when it takes the connection back.
            async with self._pool.connection() as connection:
                self._busy += 1
                try:
                    await connection.execute(BEGIN_SNAPSHOT)
                    return await work(Reader(connection))
                except psycopg.Error as error:
                    raise await _trouble(connection, error) from error
                finally:
                    self._busy -= 1
        except TooManyRequests:
            raise HttpProblem(OVERLOADED, "Too many questions wait for the database.") from None
        except PoolTimeout:
            raise self._nobody_free() from None

    def _nobody_free(self) -> HttpProblem:
        # The pool counts attempts to connect as connections, so it cannot tell.
        if self._busy == 0:
            return HttpProblem(READ_SIDE_UNAVAILABLE, "No connection could be made.")
        return HttpProblem(OVERLOADED, "All connections to the database are busy.")


class _Broken(Exception):
    """The connection died under the question, or what it had prepared is out of date."""


async def _trouble(connection: Connection, error: psycopg.Error) -> Exception:
    """Say what an error of the database means; a fault in our SQL stays what it is."""
    if connection.broken or connection.closed:
        return _Broken()
    match error:
        case psycopg.errors.FeatureNotSupported():
            # A rebuilt projection has other types of columns than a prepared statement expects.
            await connection.close()
            return _Broken()
        case psycopg.errors.QueryCanceled():
            return HttpProblem(TOO_SLOW, "The database took too long.")
        case psycopg.errors.UndefinedTable() | psycopg.errors.InsufficientPrivilege():
            logs.get().error("read_side_unprepared", error=str(error))
            return HttpProblem(READ_SIDE_UNAVAILABLE, "The tables are not there, or not for us.")
        case psycopg.OperationalError():
            logs.get().warning("read_side_unavailable", error=str(error))
            return HttpProblem(READ_SIDE_UNAVAILABLE, "The database refused.")
        case _:
            return error
