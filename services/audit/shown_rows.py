"""A row as a public view shows it, held against what the log says that it must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from projections.cells import moment
from services.audit.findings import MISSING
from services.audit.ledger_tables import Row

_MOMENT: Final = "%Y-%m-%d %H:%M:%S.%f+00"


def row_differences(
    tenant: str, wanted: Row | None, found: Row | None
) -> Iterator[tuple[str, object, object]]:
    """Return what differs, maybe the row itself, with what was expected and what was found."""
    if wanted is None or found is None:
        yield (
            "row ",
            MISSING if wanted is None else "a row",
            MISSING if found is None else "a row",
        )
        return
    for column, value in found.items():
        expected, told = _alike(_wanted(tenant, wanted, column), value)
        if expected != told:
            yield f"{column} ", expected, told


def _wanted(tenant: str, row: Row, column: str) -> Any:
    """Return what a column of the view must be; some are made of another one."""
    if column in row:
        return row[column]
    if f"{column}_us" in row:
        at_us = row[f"{column}_us"]
        return None if at_us is None else moment(int(at_us))
    number = row[column.removesuffix("_id")]
    return None if number is None else f"{tenant}.{number}"


def _alike(expected: Any, found: Any) -> tuple[Any, Any]:
    """Spell what was written and what the database gives the same way."""
    match found:
        case None:
            return expected, None
        case bool():
            return (expected == "t" if isinstance(expected, str) else expected), found
        case int():
            return (int(expected) if isinstance(expected, str) else expected), found
        case datetime():
            return expected, found.astimezone(UTC).strftime(_MOMENT)
        case bytes():
            return expected, found.hex()
        case list() | dict() if isinstance(expected, str):
            return json.loads(expected), found
        case _:
            return expected, found
