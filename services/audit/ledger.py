"""
The ledger: what the tables must show of a twin, made in memory from the same writes.

A projection is a pure function from commits to writes. Here each commit's writes change rows in
memory instead of rows in PostgreSQL; what the database shows must be exactly these. So a row that
somebody changed by hand is found, one that is missing, one too many, and a write that the database
did not do as it should. Of each projection the ledger takes the commits that it has applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from contracts.access import CallerRefused, DenialReported
from contracts.budget import BudgetEvent
from projections.cells import NULL
from projections.projection import Append, Change, Commit, Projection, Write
from services.audit.findings import Findings
from services.audit.ledger_tables import TABLES, Key, Row, Table
from services.audit.shown_rows import row_differences

# Traffic: nothing of it is in any of these tables, and it is most of a log.
_TRAFFIC: Final = frozenset((*get_args(BudgetEvent), CallerRefused, DenialReported))
_PROJECTIONS: Final[tuple[Projection, ...]] = tuple(
    {table.projection.NAME: table.projection for table in TABLES.values()}.values()
)
LEDGER_PROJECTIONS: Final = tuple(projection.NAME for projection in _PROJECTIONS)
_CHANGED_TABLE: Final = re.compile(r"(?:MERGE INTO|UPDATE) \{schema\}\.(\w+)")
_ESCAPED: Final = re.compile(r"\\(.)")
_MEANING: Final = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


class Ledger:
    """The rows of one twin. *applied* says up to which sequence each projection has come."""

    def __init__(self, tenant: str, shard: int, applied: Mapping[str, int]) -> None:
        self._tenant = tenant
        self._shard = shard
        self._applied = applied
        self._shelves: dict[str, dict[Key, Row]] = {name: {} for name in TABLES}
        # Up to which position of the twin all projections were followed, and each beyond that.
        self._common_seq = min(applied.get(name, 0) for name in LEDGER_PROJECTIONS)
        self._common = 0
        self._beyond = dict.fromkeys(LEDGER_PROJECTIONS, 0)

    def commit(self, position: int, seq: int, events: Sequence[Any]) -> None:
        """Take the next commit of the log."""
        self._note_position(position, seq)
        if all(type(event) in _TRAFFIC for event in events):
            return
        at_us = events[-1].at_us
        taken = Commit(self._shard, seq, self._tenant, position, at_us, list(events))
        for projection in _PROJECTIONS:
            if seq <= self._applied.get(projection.NAME, 0):
                fold = projection.Fold()
                fold.add(taken)
                for write in fold.writes():
                    self._write(write)

    def compare(self, shown: Mapping[str, Sequence[Row]], findings: Findings) -> None:
        """Hold what the public views show against it."""
        for name, rows in shown.items():
            table = TABLES[name]
            wanted = dict(self._shown(table))
            found = {_key_of(table, row): row for row in rows}
            for key in sorted(wanted.keys() | found.keys()):
                for what, *values in row_differences(self._tenant, wanted.get(key), found.get(key)):
                    findings.add(
                        "postgres",
                        f"{name}, {what}of {' '.join(key) or self._tenant}",
                        position=max(self._common, self._beyond[table.projection.NAME]),
                        expected=values[0],
                        found=values[1],
                    )

    def _note_position(self, position: int, seq: int) -> None:
        if seq <= self._common_seq:
            self._common = position
            return
        for name in LEDGER_PROJECTIONS:
            if seq <= self._applied.get(name, 0):
                self._beyond[name] = position

    def _shown(self, table: Table) -> Iterator[tuple[Key, Row]]:
        for key, row in self._shelves[table.name].items():
            seen = table.show(row, self._shelves)
            if seen is not None:
                yield key, seen

    # -- writing ---------------------------------------------------------------

    def _write(self, write: Write) -> None:
        if isinstance(write, Append):
            for line in write.lines:
                self._append(write, line)
        else:
            name = _changed_table(write)
            for change in write.rows:
                self._change(TABLES[name], msgspec.structs.asdict(change))

    def _append(self, write: Append, line: str) -> None:
        table = TABLES[write.table]
        row = dict(zip(write.columns, map(_read, line[:-1].split("\t")), strict=True))
        self._shelves[table.name][_key_of(table, row)] = {**table.new, **row}

    def _change(self, table: Table, change: Row) -> None:
        change = {**table.fixed, **change}
        shelf, key = self._shelves[table.name], _key_of(table, change)
        row = shelf.get(key)
        if row is None:
            given = {name: value for name, value in change.items() if value is not None}
            shelf[key] = {**change, **table.new, **given}
        else:
            table.merge(row, change)


def _key_of(table: Table, row: Row) -> Key:
    return tuple(_spelled(row[column]) for column in table.key)


def _spelled(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _changed_table(write: Change) -> str:
    found = _CHANGED_TABLE.search(write.statement)
    assert found is not None, "a statement changes a table"
    return found[1]


def _read(cell: str) -> str | None:
    """Read a value of a COPY line, as `projections.cells` spells it."""
    if cell == NULL:
        return None
    return _ESCAPED.sub(lambda found: _MEANING[found[1]], cell) if "\\" in cell else cell
