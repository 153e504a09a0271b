"""Rows of a table as lines that can be read each by itself, with the names of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

SEPARATOR: Final = " · "
_NUMBER: Final = re.compile(r"[\d.,%$€+\-/: ]*\d[\d.,%$€+\-/: ]*")


def lines_of(rows: Sequence[Sequence[str]], *, has_header: bool | None = None) -> list[str]:
    """
    Return a line for each row with something in it: `Year: 1986 · Champion: Argentina`.

    *has_header* says whether the first row names the columns; None where the table does not say,
    and then it does if it looks like it.
    """
    filled = [[" ".join(cell.split()) for cell in row] for row in rows if any(map(str.strip, row))]
    if not filled:
        return []
    if has_header is None:
        has_header = _looks_like_header(filled)
    if not has_header or len(filled) == 1:
        return [SEPARATOR.join(filter(None, row)) for row in filled]
    header, *body = filled
    return [_with_names(header, row) for row in body]


def _looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    first = rows[0]
    return (
        len(rows) > 1
        and len(first) > 1
        and all(first)
        and len({cell.casefold() for cell in first}) == len(first)
        and not any(_NUMBER.fullmatch(cell) or len(cell) > 60 for cell in first)  # noqa: PLR2004 - a name, no sentence
    )


def _with_names(header: Sequence[str], row: Sequence[str]) -> str:
    named = []
    for at, cell in enumerate(row):
        name = header[at].rstrip(":") if at < len(header) else ""
        if cell:
            named.append(f"{name}: {cell}" if name and name != cell else cell)
    return SEPARATOR.join(named)
