"""Runs of a page to lines, lines of a document to paragraphs and headings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Final

import msgspec

from services.knowledge.reading.pdf_paint import Run
from services.knowledge.reading.plain_text import BULLET

# Of the size of the text: as far apart as lines of one paragraph, or words of one line, may be.
_SAME_LINE: Final = 0.45
_TURNED_MAX: Final = 0.1
_SPACE_MIN: Final = 0.15
_TAB_MIN: Final = 1.0
_LEADING_MAX: Final = 1.35
_INDENT_MIN: Final = 0.8
_SIZE_CHANGE: Final = 0.08
_HEADING_SIZE_MIN: Final = 1.12
_HEADING_CHARACTERS_MAX: Final = 160
_ENDS_SENTENCE: Final = re.compile(r"[.!?:…][\"”»')\]]*$")
_DIGITS: Final = re.compile(r"\d+")
# What stands at the same edge of so many pages is not part of the text.
_REPEATED_SHARE: Final = 0.6
_REPEATED_PAGES_MIN: Final = 4
_EDGE_LINES: Final = 2
_APART_MIN: Final = 1.6
# From this size on a number at the edge is that of a chapter, below it that of the page.
_NUMBERED_HEADING_MIN: Final = 1.25


class Line(msgspec.Struct, frozen=True):
    """Text on one line of *page*; *start* and *end* in the direction of writing, in points."""

    page: int
    text: str
    start: float
    end: float
    across: float
    size: float
    is_bold: bool
    direction: tuple[float, float] = (1.0, 0.0)


class Paragraph:
    """Lines that belong together."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    @property
    def page(self) -> int:
        return self.lines[0].page

    @property
    def size(self) -> float:
        return max(line.size for line in self.lines)

    @property
    def is_bold(self) -> bool:
        return all(line.is_bold for line in self.lines)

    @cached_property
    def text(self) -> str:
        """Its lines as one; a word that is broken at the end of a line is whole again."""
        parts: list[str] = []
        for one, other in pairwise([*self.lines, None]):
            assert one is not None
            if other is None:
                parts.append(one.text)
            elif one.text[-2:-1].isalpha() and one.text.endswith("-") and other.text[:1].islower():
                parts.append(one.text[:-1])
            else:
                parts.append(f"{one.text} ")
        return "".join(parts)


def lines_of(page: int, runs: Iterable[Run]) -> list[Line]:
    """Put together what stands on one line, in the order in which it was painted."""
    lines: list[Line] = []
    kept: list[Run] = []
    for run in runs:
        if kept and not _is_same_line(kept[-1], run):
            lines.append(_line(page, kept))
            kept = []
        kept.append(run)
    if kept:
        lines.append(_line(page, kept))
    return lines


def without_repeated(pages: list[list[Line]]) -> list[list[Line]]:
    """Leave out what is at the top or foot of most pages: running titles and page numbers."""
    if len(pages) < _REPEATED_PAGES_MIN:
        return pages
    largest = body_size(pages) * _NUMBERED_HEADING_MIN
    keys = [{_key(line, largest): line for line in _edges(lines)} for lines in pages]
    seen = Counter(key for edge in keys for key in edge)
    most = {key for key, count in seen.items() if count >= len(pages) * _REPEATED_SHARE}
    left_out = [[line for key, line in edge.items() if key in most] for edge in keys]
    return [
        [line for line in lines if line not in out]
        for lines, out in zip(pages, left_out, strict=True)
    ]


def paragraphs_of(pages: list[list[Line]]) -> Iterator[Paragraph]:
    """Put together lines that are one paragraph, also over the end of a page."""
    kept: list[Line] = []
    for lines in pages:
        leading, width = _leading(lines), max((line.end for line in lines), default=0.0)
        for line in lines:
            if kept and not _continues(kept[-1], line, leading, width):
                yield Paragraph(kept)
                kept = []
            kept.append(line)
    if kept:
        yield Paragraph(kept)


def body_size(pages: list[list[Line]]) -> float:
    """The size that most of the text has."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[round(line.size * 2) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def heading_sizes(paragraphs: Iterable[Paragraph], body: float) -> list[float]:
    """Sizes that headings have, the largest first."""
    found = {round(one.size * 2) / 2 for one in paragraphs if _is_large(one, body)}
    return sorted(found, reverse=True)


def heading_level(paragraph: Paragraph, body: float, sizes: list[float]) -> int:
    """Level of a heading as it looks, 0 for what looks like none."""
    if _is_large(paragraph, body):
        return sizes.index(round(paragraph.size * 2) / 2) + 1
    text = paragraph.text
    is_title = (
        paragraph.is_bold
        and len(paragraph.lines) == 1
        and len(text) <= _HEADING_CHARACTERS_MAX / 2
        and not text.endswith((".", ",", ";", ":"))
        and not BULLET.match(text)
    )
    return len(sizes) + 1 if is_title else 0


def _is_large(paragraph: Paragraph, body: float) -> bool:
    text = paragraph.text
    return (
        paragraph.size >= body * _HEADING_SIZE_MIN
        and len(text) <= _HEADING_CHARACTERS_MAX
        and any(map(str.isalpha, text))
    )


def _is_same_line(one: Run, other: Run) -> bool:
    turned = max(abs(a - b) for a, b in zip(one.direction, other.direction, strict=True))
    apart = abs(one.across - other.across)
    return turned < _TURNED_MAX and apart <= max(one.size, other.size) * _SAME_LINE


def _line(page: int, runs: list[Run]) -> Line:
    ordered = sorted(runs, key=lambda run: run.along)
    parts: list[str] = []
    end = ordered[0].along
    for run in ordered:
        gap = run.along - end
        if parts and gap > run.size * _SPACE_MIN:
            is_column = gap > run.size * _TAB_MIN and not _is_bullet(parts)
            parts.append(" · " if is_column else " ")
        parts.append(run.text)
        end = max(end, run.along + run.length)
    main = max(ordered, key=lambda run: len(run.text))
    return Line(
        page=page,
        text=" ".join("".join(parts).split()),
        start=ordered[0].along,
        end=end,
        across=main.across,
        size=main.size,
        is_bold=all(run.is_bold for run in ordered),
        direction=main.direction,
    )


def _is_bullet(parts: list[str]) -> bool:
    return len(parts) == 1 and BULLET.fullmatch(f"{parts[0].strip()} -"[:-1]) is not None


def _edges(lines: list[Line]) -> list[Line]:
    """Lines at the top and at the foot that stand apart from what is between."""
    ordered = sorted(lines, key=lambda line: -line.across)
    return _apart(ordered) + _apart(ordered[::-1])


def _apart(ordered: list[Line]) -> list[Line]:
    for at in range(min(_EDGE_LINES, len(ordered) - 1)):
        one, other = ordered[at], ordered[at + 1]
        if abs(one.across - other.across) > max(one.size, other.size) * _APART_MIN:
            return ordered[: at + 1]
    return []


def _key(line: Line, largest: float) -> tuple[str, int]:
    """What makes lines of two pages the same; a heading with another number is another one."""
    text = line.text if line.size > largest else _DIGITS.sub("#", line.text)
    return text, round(line.across / 4)


def _leading(lines: list[Line]) -> float:
    """How far lines usually stand apart, as a share of their size."""
    gaps = [
        (one.across - other.across) / other.size
        for one, other in pairwise(lines)
        if other.size and 0 < one.across - other.across < other.size * 2
    ]
    return median(gaps) if gaps else 1.2


def _continues(one: Line, other: Line, leading: float, width: float) -> bool:
    """Whether *other* goes on with the paragraph of *one*."""
    size = max(one.size, other.size)
    if abs(one.size - other.size) > size * _SIZE_CHANGE or one.direction != other.direction:
        return False
    if one.is_bold != other.is_bold or BULLET.match(other.text):
        return False
    gap = one.across - other.across
    if one.page != other.page or gap < 0:
        # Another page or column: a sentence goes on, a paragraph begins.
        return not _ENDS_SENTENCE.search(one.text) and other.text[:1].islower()
    if gap > size * leading * _LEADING_MAX or "·" in other.text:
        return False
    if not _ENDS_SENTENCE.search(one.text):
        return True
    is_short = one.end < width - size * 6
    return not (is_short or other.start > one.start + size * _INDENT_MIN)
