"""How a statement is put together from literals, and run in one snapshot of the public views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import DictRow

Connection: TypeAlias = AsyncConnection[DictRow]
Row: TypeAlias = dict[str, Any]
Keys: TypeAlias = tuple[Any, ...]


class Snapshot:
    """A connection within the transaction that sees one moment of the public views."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _page(self, page: Page, after: Keys | None, limit: int) -> list[Row]:
        return await self._all(page.columns, *page.build(after, limit))

    async def _all(
        self, columns: LiteralString, rest: LiteralString, values: Mapping[str, Any]
    ) -> list[Row]:
        cursor = await self._connection.execute(_select(columns, rest), values)
        return await cursor.fetchall()

    async def _one(
        self,
        columns: LiteralString,
        rest: LiteralString,
        tenant: str,
        number: int | None = None,
        *,
        name: str | None = None,
    ) -> Row | None:
        values = {"tenant": tenant, "number": number, "name": name}
        cursor = await self._connection.execute(_select(columns, rest), values)
        return await cursor.fetchone()


def _select(columns: LiteralString, rest: LiteralString) -> LiteralString:
    # Both are literals of our modules, which their type says; values come as parameters.
    return f"SELECT {columns} FROM {rest}"  # noqa: S608


class Page:
    """
    A statement for one page, put together from literals; the values stay apart.

    It is a method chain and not a template so that a filter that is not asked for is not in the
    statement at all: `x = $1 OR $1 IS NULL` would keep the planner from using an index.
    """

    def __init__(
        self,
        columns: LiteralString,
        view: LiteralString,
        keys: tuple[LiteralString, ...],
        order: LiteralString = "DESC",
    ) -> None:
        self.columns = columns
        self._view = view
        self._keys = keys
        self._order = order
        self._clauses: list[LiteralString] = []
        self._values: dict[str, Any] = {}

    def also(self, clause: LiteralString, **values: Any) -> Page:
        """Only rows for which *clause* holds."""
        self._clauses.append(clause)
        self._values |= values
        return self

    def of(self, tenant: str) -> Page:
        """Only rows of this twin."""
        return self.also("tenant = %(tenant)s", tenant=tenant)

    def during(self, column: LiteralString, filters: Mapping[str, Any]) -> Page:
        """Only rows of [since, until)."""
        if filters["since"] is not None:
            self.also(f"{column} >= %(since)s", since=filters["since"])
        if filters["until"] is not None:
            self.also(f"{column} < %(until)s", until=filters["until"])
        return self

    def build(self, after: Keys | None, limit: int) -> tuple[LiteralString, dict[str, Any]]:
        """What follows FROM, for up to *limit* rows after these keys, and the values."""
        values: dict[str, Any] = {**self._values, "limit": limit}
        clauses = list(self._clauses)
        if after is not None:
            named: list[LiteralString] = [f"%(after_{key})s" for key in self._keys]
            sign: LiteralString = "<" if self._order == "DESC" else ">"
            clauses.append(f"({', '.join(self._keys)}) {sign} ({', '.join(named)})")
            values |= {f"after_{key}": value for key, value in zip(self._keys, after, strict=True)}
        where: LiteralString = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        order: LiteralString = ", ".join([f"{key} {self._order}" for key in self._keys])
        return f"{self._view}{where} ORDER BY {order} LIMIT %(limit)s", values
