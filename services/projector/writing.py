"""Writing: what a projection wants to change, as SQL."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from projections.projection import Append, Change, Write

# Some 100 kB: Postgres begins with them while the next are sent.
LINES_AT_ONCE = 256


class RowsMissing(Exception):
    """A change did not find the rows that it changes: the tables are not a fold of this log."""


async def write(
    connection: AsyncConnection[TupleRow], schema: str, writes: Iterable[Write]
) -> None:
    """Apply *writes* to the tables in *schema*, in order."""
    for item in writes:
        if isinstance(item, Change):
            if item.rows:
                await _change(connection, schema, item)
        elif item.lines:
            await _append(connection, schema, item)


async def _append(connection: AsyncConnection[TupleRow], schema: str, item: Append) -> None:
    async with (
        connection.cursor() as cursor,
        cursor.copy(_copy_statement(schema, item.table, item.columns)) as copy,
    ):
        for at in range(0, len(item.lines), LINES_AT_ONCE):
            await copy.write("".join(item.lines[at : at + LINES_AT_ONCE]))


async def _change(connection: AsyncConnection[TupleRow], schema: str, item: Change) -> None:
    cursor = await connection.execute(
        _statement(schema, item.statement), (msgspec.json.encode(item.rows).decode(),)
    )
    if item.all_match and cursor.rowcount != len(item.rows):
        raise RowsMissing(
            f"{schema}: {len(item.rows)} rows should change, {cursor.rowcount} were found"
        )


@lru_cache(maxsize=256)
def _copy_statement(schema: str, table: str, columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(schema, table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


@lru_cache(maxsize=256)
def _statement(schema: str, statement: str) -> bytes:
    return statement.replace("{schema}", schema).encode()
