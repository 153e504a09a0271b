"""Writing: what a projection wants to change, as SQL."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from projections.projection import Append, Change, Write


class RowsMissing(Exception):
    """A change did not find the rows that it changes: the tables are not a fold of this log."""


async def write(connection: AsyncConnection[TupleRow], schema: str, writes: Iterable[Write]) -> int:
    """Apply *writes* to the tables in *schema*, in order; how many rows they had."""
    rows = 0
    for item in writes:
        if not item.rows:
            continue
        rows += len(item.rows)
        match item:
            case Append():
                await _append(connection, schema, item)
            case Change():
                await _change(connection, schema, item)
    return rows


async def _append(connection: AsyncConnection[TupleRow], schema: str, item: Append) -> None:
    async with (
        connection.cursor() as cursor,
        cursor.copy(_copy_statement(schema, item.table, item.columns)) as copy,
    ):
        for row in item.rows:
            await copy.write_row(row)


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
