"""Walks through a page in the order in which it is read, and takes down its blocks."""

from __future__ import annotations

import re
from typing import Any, Final

from services.knowledge.document import BlockKind
from services.knowledge.reading import table_rows
from services.knowledge.reading.notebook import Notebook

_HEADING: Final = {f"h{level}" for level in range(1, 7)}
_ITEMS: Final = {"li", "dd"}
_CELLS: Final = {"td", "th"}
_CODE: Final = {"pre", "xmp", "listing", "plaintext"}
_BREAKS: Final = {"br", "hr"}
_INLINE: Final = {
    "a",
    "abbr",
    "acronym",
    "b",
    "bdi",
    "bdo",
    "big",
    "cite",
    "code",
    "data",
    "del",
    "dfn",
    "em",
    "font",
    "i",
    "ins",
    "kbd",
    "label",
    "mark",
    "math",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "time",
    "tt",
    "u",
    "var",
    "wbr",
}
# Inside of a table they say that it puts things beside each other, and is none of values.
_LAYOUT: Final = ("table", "h1", "h2", "h3", "h4", "h5", "h6", "article", "section")
_PARAGRAPHS_OF_A_CELL_MAX: Final = 3
_PARAGRAPH: Final = re.compile(r"\n\s*\n")


class PageWalk:
    """One walk; `whole()` takes down everything that is in an element."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._parts: list[str] = []
        self._kind: BlockKind = "paragraph"

    def whole(self, element: Any) -> None:
        """Take down what is in *element*."""
        self._inside(element)
        self._close()

    def _inside(self, element: Any) -> None:
        self._parts.append(_one_line(element.text))
        for child in element:
            if isinstance(child.tag, str):
                self._visit(child)
            self._parts.append(_one_line(child.tail))

    def _visit(self, element: Any) -> None:
        tag = element.tag.lower()
        if tag in _HEADING:
            self._close()
            self._notebook.heading(text_of(element), int(tag[1]))
        elif tag == "table":
            self._close()
            self._table(element)
        elif tag in _CODE:
            self._close()
            self._notebook.add("code", "".join(element.itertext()).strip("\n"))
        elif tag in _BREAKS:
            self._parts.append("\n")
        elif tag in _INLINE:
            self._inside(element)
        else:
            self._block(element, "list_item" if tag in _ITEMS else self._kind)

    def _block(self, element: Any, kind: BlockKind) -> None:
        self._close()
        outer, self._kind = self._kind, kind
        self._inside(element)
        self._close()
        self._kind = outer

    def _table(self, table: Any) -> None:
        if _is_layout(table):
            self._block(table, self._kind)
            return
        caption = table.find("caption")
        if caption is not None:
            self._notebook.add("paragraph", text_of(caption))
        rows = [[cell for cell in row if cell.tag in _CELLS] for row in table.iter("tr")]
        texts = [[text_of(cell) for cell in row] for row in rows]
        if all(len(row) <= 1 for row in texts):
            for text in (cell for row in texts for cell in row):
                self._notebook.add(self._kind, text)
            return
        for line in table_rows.lines_of(texts, has_header=_has_header(rows)):
            self._notebook.add("table_row", line)

    def _close(self) -> None:
        """What has come together is a block; empty lines made with `<br>` part paragraphs."""
        text = "".join(self._parts)
        self._parts.clear()
        if text and not text.isspace():
            for part in _PARAGRAPH.split(text):
                self._notebook.add(self._kind, " ".join(part.split()))


def text_of(element: Any) -> str:
    """Return what is in *element* on one line; what stands in blocks of its own has blanks."""
    parts: list[str] = []
    _gather(element, parts)
    return " ".join("".join(parts).split())


def _gather(element: Any, parts: list[str]) -> None:
    parts.append(element.text or "")
    for child in element:
        if isinstance(child.tag, str):
            apart = "" if child.tag in _INLINE else " "
            parts.append(apart)
            _gather(child, parts)
            parts.append(apart)
        parts.append(child.tail or "")


def _one_line(text: str | None) -> str:
    """Line feeds of the source are blanks."""
    return (text or "").replace("\n", " ")


def _is_layout(table: Any) -> bool:
    if next(table.iterdescendants(*_LAYOUT), None) is not None:
        return True
    return any(
        len(list(cell.iterdescendants("p", "li"))) > _PARAGRAPHS_OF_A_CELL_MAX
        for cell in table.iter(*_CELLS)
    )


def _has_header(rows: list[list[Any]]) -> bool | None:
    first = next((row for row in rows if row), [])
    # A first column of names is no row of them.
    return True if len(first) > 1 and all(cell.tag == "th" for cell in first) else None
