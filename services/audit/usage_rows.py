"""
The sums of usage, held against sums of the settlements in the log.

They are made here from the events themselves and not by the projection's own fold, so that a fault
of that is found as well. Their number grows with time and with sessions, not with calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from contracts.budget import CallSettled
from contracts.price_book import PriceBookSet
from contracts.session import SessionBegun
from projections import usage
from projections.cells import text
from services.audit.findings import MISSING, Findings

NAME: Final = usage.NAME
# The columns that name a row, of each view; quarters are in microseconds.
VIEWS: Final[Mapping[str, tuple[str, ...]]] = {
    "usage_sums": ("quarter", "provider_id", "modality", "deployment", "price_version"),
    "usage_sessions": ("quarter", "session_id", "price_version"),
}
SUMS: Final = (
    "calls",
    "cost_nanos",
    "tokens_milli",
    "stream_ms_milli",
    "turns_milli",
    "requests",
)
COLUMNS: Final = ("currency", *SUMS)

Key: TypeAlias = tuple[Any, ...]
# By view and key: the currency, then the sums.
Rows: TypeAlias = Mapping[str, Mapping[Key, Sequence[Any]]]


class UsageCheck:
    """Adds up the commits of one twin up to sequence *applied*, given in log order."""

    def __init__(self, applied: int) -> None:
        self._applied = applied
        self._sums: dict[str, dict[Key, list[int]]] = {
            name: defaultdict(lambda: [0] * len(SUMS)) for name in VIEWS
        }
        self._places: dict[str, str] = {}
        self._currencies: dict[int, str] = {}
        self._position = 0

    def commit(self, position: int, seq: int, events: Sequence[Any]) -> None:
        """Take the next commit of the log."""
        if seq > self._applied:
            return
        self._position = position
        for event in events:
            if type(event) is CallSettled:
                self._settled(event)
            elif type(event) is SessionBegun:
                self._places[event.session_id] = event.deployment
            elif type(event) is PriceBookSet:
                self._currencies[event.version] = text(event.price_book.currency)

    def compare(self, shown: Rows, findings: Findings) -> None:
        """Hold what the views show against it; a view that is not built yet is left out."""
        for name, rows in shown.items():
            wanted = {key: self._row(key, sums) for key, sums in self._sums[name].items()}
            for key in sorted(wanted.keys() | rows.keys(), key=repr):
                self._compare(name, key, wanted.get(key), rows.get(key), findings)

    def _settled(self, event: CallSettled) -> None:
        quarter = event.at_us - event.at_us % usage.QUARTER_US
        session_id = text(event.session_id or "")
        place = self._places.get(session_id, "")
        product = (text(event.provider_id), event.modality, place)
        self._add("usage_sums", (quarter, *product, event.price_version), event)
        if session_id:
            self._add("usage_sessions", (quarter, session_id, event.price_version), event)

    def _add(self, name: str, key: Key, event: CallSettled) -> None:
        units, sums = event.units, self._sums[name][key]
        one = (
            1,
            event.cost_nanos,
            units.tokens_milli,
            units.stream_ms_milli,
            units.turns_milli,
            event.usage.requests,
        )
        sums[:] = [sum(pair) for pair in zip(sums, one, strict=True)]

    def _row(self, key: Key, sums: Sequence[int]) -> tuple[Any, ...]:
        return (self._currencies.get(key[-1]), *sums)

    def _compare(
        self,
        name: str,
        key: Key,
        wanted: Sequence[Any] | None,
        found: Sequence[Any] | None,
        findings: Findings,
    ) -> None:
        where = " ".join(map(str, key))
        if wanted is None or found is None:
            self._differs(findings, f"{name}, row of {where}", wanted, found)
            return
        for column, *values in zip(COLUMNS, wanted, found, strict=True):
            if values[0] != values[1]:
                self._differs(findings, f"{name}, {column} of {where}", *values)

    def _differs(self, findings: Findings, what: str, wanted: Any, found: Any) -> None:
        findings.add(
            "postgres",
            what,
            position=self._position,
            expected=MISSING if wanted is None else wanted,
            found=MISSING if found is None else found,
        )
