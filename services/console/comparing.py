"""
Two texts side by side: which lines were removed, added or changed, and which words of a line.

By difflib of the standard library. It takes time that grows with the product of both lengths, so
beyond a bound only the beginning and the end that are the same are told apart from the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, Literal, TypeAlias

from services.query_api.versions import PAIRS_MAX

Kind: TypeAlias = Literal["same", "removed", "added", "changed", "left_out"]
# Of what is the same, so many lines are shown beside what is not.
CONTEXT: Final = 3
WORDS_MAX: Final = 400
# Below this two lines are two lines, not one that was changed.
_ALIKE: Final = 0.4
_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; *differs*: the other side has something else there."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Lines that stand side by side, each with its number. *count* lines are left out."""

    kind: Kind
    left_number: int | None = None
    left: tuple[Piece, ...] = ()
    right_number: int | None = None
    right: tuple[Piece, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, and how many lines each side has that the other has not."""

    rows: tuple[Row, ...]
    removed: int
    added: int

    @property
    def is_same(self) -> bool:
        """Whether the texts are the same."""
        return not self.removed and not self.added


def compare(before: str, after: str) -> Comparison:
    """Put two texts side by side."""
    old, new = before.split("\n"), after.split("\n")
    blocks = _blocks(old, new)
    rows: list[Row] = []
    for index, (is_same, (a, b), (c, d)) in enumerate(blocks):
        if is_same:
            same = [_same(old[a + n], a + n, c + n) for n in range(b - a)]
            rows += _shortened(same, is_first=index == 0, is_last=index == len(blocks) - 1)
        else:
            rows += _changed(old[a:b], a, new[c:d], c)
    changed = [block for block in blocks if not block[0]]
    return Comparison(
        tuple(rows), sum(b - a for _, (a, b), _ in changed), sum(d - c for _, _, (c, d) in changed)
    )


Block: TypeAlias = tuple[bool, tuple[int, int], tuple[int, int]]


def _blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """Say which lines, [from, to) of each side, are the same and which are not."""
    if len(old) * len(new) <= PAIRS_MAX:
        found = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        return [(tag == "equal", (a, b), (c, d)) for tag, a, b, c, d in found]
    most = min(len(old), len(new))
    head = next((row for row in range(most) if old[row] != new[row]), most)
    rest = most - head
    tail = next((row for row in range(rest) if old[-1 - row] != new[-1 - row]), rest)
    ends = len(old) - tail, len(new) - tail
    parts: list[Block] = [
        (True, (0, head), (0, head)),
        (False, (head, ends[0]), (head, ends[1])),
        (True, (ends[0], len(old)), (ends[1], len(new))),
    ]
    return [part for part in parts if part[1][0] < part[1][1] or part[2][0] < part[2][1]]


def _same(line: str, left: int, right: int) -> Row:
    pieces = (Piece(line),)
    return Row("same", left + 1, pieces, right + 1, pieces)


def _shortened(rows: list[Row], *, is_first: bool, is_last: bool) -> list[Row]:
    """Leave out what is far from any difference."""
    head = 0 if is_first else CONTEXT
    tail = 0 if is_last else CONTEXT
    count = len(rows) - head - tail
    if count <= 1:
        return rows
    return [*rows[:head], Row("left_out", count=count), *rows[len(rows) - tail :]]


def _changed(old: Sequence[str], left: int, new: Sequence[str], right: int) -> Iterator[Row]:
    pairs = zip_longest(enumerate(old, left + 1), enumerate(new, right + 1))
    for before, after in pairs:
        if before is None:
            yield Row("added", right_number=after[0], right=(Piece(after[1], differs=True),))
        elif after is None:
            yield Row("removed", before[0], (Piece(before[1], differs=True),))
        else:
            pieces = _words(before[1], after[1])
            yield Row("changed", before[0], pieces[0], after[0], pieces[1])


def _words(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Say which words of a line were changed; all of it, where it is another line."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    if len(old) > WORDS_MAX or len(new) > WORDS_MAX:
        return (Piece(before, differs=True),), (Piece(after, differs=True),)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return (Piece(before, differs=True),), (Piece(after, differs=True),)
    codes = matcher.get_opcodes()
    return (
        tuple(
            Piece("".join(old[a:b]), differs=tag != "equal") for tag, a, b, _, _ in codes if a < b
        ),
        tuple(
            Piece("".join(new[c:d]), differs=tag != "equal") for tag, _, _, c, d in codes if c < d
        ),
    )
