"""
The audit log's rows, held against the settlements of the log, one by one.

Both come in the order of their decision numbers, so neither is ever in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, Protocol

from psycopg.rows import TupleRow

from contracts.budget import CallSettled
from projections.cells import text
from services.audit.findings import MISSING, Findings

ROWS_PER_FETCH: Final = 2_000

# Column of audit_logs, and where its value is in the event.
_FROM_EVENT: Final = {
    "decision": "decision",
    "reservation": "reservation",
    "occurred_at": "at_us",
    "command_id": "command_id",
    "provider_id": "provider_id",
    "sku": "sku",
    "modality": "modality",
    "outcome": "outcome",
    "period": "period",
    "input_tokens": "usage.input_tokens",
    "output_tokens": "usage.output_tokens",
    "stream_ms": "usage.stream_ms",
    "characters": "usage.characters",
    "requests": "usage.requests",
    "turns": "usage.turns",
    "tokens_milli": "units.tokens_milli",
    "stream_ms_milli": "units.stream_ms_milli",
    "turns_milli": "units.turns_milli",
    "requests_milli": "units.requests_milli",
    "cost_nanos": "cost_nanos",
    "credit_nanos": "credit_nanos",
    "overrun_nanos": "overrun_nanos",
    "held_nanos": "held_nanos",
    "held_credit_nanos": "held_credit_nanos",
    "late": "late",
    "policy_version": "policy_version",
    "price_version": "price_version",
    "session_id": "session_id",
}
COLUMNS: Final = (*_FROM_EVENT, "vendor_ref", "position", "ordinal", "stream_seq")
_POSITION: Final = COLUMNS.index("position")
_of_event = attrgetter(*_FROM_EVENT.values())


class Rows(Protocol):
    """Rows of `COLUMNS`, ordered by decision; times in microseconds, no text is null."""

    async def fetchmany(self, size: int, /) -> Sequence[TupleRow]:
        """Return the next rows; none at the end."""
        ...


class OutcomesCheck:
    """Compares rows with the settlements of commits that are given in log order."""

    def __init__(self, rows: Rows, findings: Findings) -> None:
        self._rows = rows
        self._findings = findings
        self._batch: Sequence[TupleRow] = ()
        self._next = 0
        self.compared = 0

    async def commit(self, position: int, seq: int, events: Sequence[Any]) -> None:
        """Compare a commit's settlements, one by one."""
        for ordinal, event in enumerate(events):
            if type(event) is CallSettled:
                place = (text(event.vendor_ref), position, ordinal, seq)
                await self._compare((*_of_event(event), *place), position, ordinal + 1)

    async def at_end(self) -> None:
        """Rows that no settlement stands behind are too many."""
        while (row := await self._take()) is not None:
            self._too_many(row)

    async def _compare(self, expected: TupleRow, position: int, event: int) -> None:
        row = await self._take()
        while row is not None and row[0] < expected[0]:
            self._too_many(row)
            row = await self._take()
        if row is None or row[0] > expected[0]:
            # Somebody else's row, if any: it stays for the next settlement.
            self._next -= row is not None
            self._found(f"row of decision {expected[0]}", position, event, "a row", MISSING)
            return
        self.compared += 1
        if row == expected:
            return
        for column, wanted, found in zip(COLUMNS, expected, row, strict=True):
            if wanted != found:
                self._found(f"{column} of decision {row[0]}", position, event, wanted, found)

    async def _take(self) -> TupleRow | None:
        if self._next == len(self._batch):
            self._batch, self._next = await self._rows.fetchmany(ROWS_PER_FETCH), 0
            if not self._batch:
                return None
        self._next += 1
        return self._batch[self._next - 1]

    def _too_many(self, row: TupleRow) -> None:
        self._found(f"row of decision {row[0]}", row[_POSITION], None, MISSING, "a row")

    def _found(
        self, what: str, position: int, event: int | None, expected: object, found: object
    ) -> None:
        self._findings.add(
            "postgres",
            f"audit_logs, {what}",
            position=position,
            event=event,
            expected=expected,
            found=found,
        )
