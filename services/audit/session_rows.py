"""
The rows of sessions, held against the sessions of the log, one by one.

They grow with traffic, and a row may change as long as its twin lives: a call may be settled late,
an id may come back. So what the log says of them is neither in memory as a whole nor ever final
before the log has been read; it waits in a file, and the database's rows come in batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from projections import sessions
from projections.projection import Change, Commit
from services.audit.findings import Findings
from services.audit.ledger_tables import Row
from services.audit.shown_rows import row_differences
from services.audit.spilled_rows import SpilledRows

NAME: Final = sessions.NAME
VIEW: Final = "twin_sessions"
ROWS_PER_FETCH: Final = 500
# After how many events what they change is written away.
_EVENTS_TOGETHER: Final = 4_000
_ADDED: Final = (
    *("steps", "grants", "denials", "settlements", "turns"),
    *("text_nanos", "voice_nanos", "video_nanos", "data_nanos"),
)
_LEGS: Final = ("text_nanos", "voice_nanos", "video_nanos", "data_nanos")


class SessionRows(Protocol):
    """Rows of the view by column."""

    async def fetchmany(self, size: int, /) -> Sequence[Mapping[str, Any]]:
        """Return the next rows; none at the end."""
        ...


class SessionsCheck:
    """Compares rows with the sessions of commits that are given in log order."""

    def __init__(
        self, rows: SessionRows | None, tenant: str, shard: int, applied: int, findings: Findings
    ) -> None:
        """Take the commits up to sequence *applied*; no *rows*: the view is not built yet."""
        self._rows = rows
        self._tenant = tenant
        self._shard = shard
        self._applied = applied
        self._findings = findings
        self._wanted = SpilledRows()
        self._fold = sessions.Fold()
        self._folded = 0
        self._position = 0

    def commit(self, position: int, seq: int, events: Sequence[Any]) -> None:
        """Take the next commit of the log."""
        if seq > self._applied:
            return
        self._position = position
        at_us = events[-1].at_us if events else 0
        self._fold.add(Commit(self._shard, seq, self._tenant, position, at_us, list(events)))
        self._folded += len(events)
        if self._folded >= _EVENTS_TOGETHER:
            self._write()

    async def at_end(self) -> None:
        """Compare every row; sessions without one are missing, rows without a session too many."""
        self._write()
        if self._rows is None:
            return
        while rows := await self._rows.fetchmany(ROWS_PER_FETCH):
            for row in rows:
                self._compare(row["session_id"], self._wanted.pop(row["session_id"]), dict(row))
        for wanted in self._wanted:
            self._compare(wanted["session_id"], wanted, None)

    def _compare(self, session_id: str, wanted: Row | None, found: Row | None) -> None:
        if wanted is not None:
            wanted = wanted | {"cost_nanos": sum(wanted[leg] for leg in _LEGS)}
        for what, expected, told in row_differences(self._tenant, wanted, found):
            self._findings.add(
                "postgres",
                f"{VIEW}, {what}of {session_id}",
                position=self._position,
                expected=expected,
                found=told,
            )

    def _write(self) -> None:
        with self._wanted.together():
            for write in self._fold.writes():
                assert isinstance(write, Change), "sessions are only ever changed"
                for change in write.rows:
                    self._merge(msgspec.structs.asdict(change))
        self._fold, self._folded = sessions.Fold(), 0

    def _merge(self, change: Row) -> None:
        """Change a row as the statement of the projection does."""
        row = self._wanted.get(change["session_id"])
        if row is not None:
            added = {name: row[name] + change[name] for name in _ADDED}
            if change["decision"] is None:
                change = row | {name: to for name, to in change.items() if to is not None}
            change = change | added
        elif change["decision"] is None:
            return  # a call of a session that nobody opened
        self._wanted.put(change["session_id"], change)
