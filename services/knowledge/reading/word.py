"""DOCX: what stands in the body and in footnotes, without what is hidden in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final
from zipfile import BadZipFile, LargeZipFile, ZipFile

from docx import Document
from docx.document import Document as WordDocument
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml.ns import qn

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import table_rows, word_parts
from services.knowledge.reading.limits import MIB, Limits
from services.knowledge.reading.media_type import OLE, WORD
from services.knowledge.reading.notebook import Notebook
from services.knowledge.reading.word_look import WordLook

MEMBERS_MAX: Final = 2_000
_BODY: Final = "word/document.xml"
_HEADING: Final = re.compile(r"(?:heading|título|titulo) ?([1-9])$", re.IGNORECASE)
_LIST: Final = re.compile(r"list|lista", re.IGNORECASE)
# Around paragraphs and tables: contents with controls, tracked insertions, and the like.
_WRAPPERS: Final = {
    qn("w:sdt"),
    qn("w:sdtContent"),
    qn("w:customXml"),
    qn("w:ins"),
    qn("w:smartTag"),
}
_PASSWORD: Final = "EncryptedPackage".encode("utf-16-le")


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what a document says; raises IngestionProblem, and errors of parsers."""
    _check(fetched.body, limits)
    try:
        document = Document(BytesIO(fetched.body))
    except (PackageNotFoundError, BadZipFile, KeyError):
        raise IngestionProblem(
            "damaged", "It is damaged. Open it in your word processor, and save it anew."
        ) from None
    notebook = Notebook(limits)
    _WordWalk(document, notebook).whole()
    return notebook.reading(WORD, document.core_properties.title or fetched.title)


def _check(body: bytes, limits: Limits) -> None:
    """Look at the directory of the archive before anything is unpacked."""
    if body.startswith(OLE):
        if _PASSWORD in body:
            raise IngestionProblem(
                "encrypted", "It opens with a password only. Save it without one, and upload that."
            )
        raise IngestionProblem("wrong_type", "It is an old Office file. Save it as DOCX or PDF.")
    try:
        members = ZipFile(BytesIO(body)).infolist()
    except (BadZipFile, LargeZipFile, ValueError):
        raise IngestionProblem("damaged", "It is damaged: its archive cannot be read.") from None
    names = {member.filename for member in members}
    if _BODY not in names or "[Content_Types].xml" not in names:
        raise IngestionProblem("wrong_type", "It is an archive, but no DOCX.")
    if any(member.flag_bits & 1 for member in members):
        raise IngestionProblem("encrypted", "Its archive has a password. Save it without one.")
    if len(members) > MEMBERS_MAX or len(names) != len(members):
        raise IngestionProblem("too_large", "It has more parts than a document has.")
    # zipfile reads no more of a member than is stated here.
    if sum(member.file_size for member in members) > limits.unpacked_bytes_max:
        raise IngestionProblem(
            "too_large",
            f"Unpacked it has more than {limits.unpacked_bytes_max // MIB:,} MiB. Leave out its"
            " pictures, or split it.",
        )


class _WordWalk:
    """One walk through the body of a document."""

    def __init__(self, document: WordDocument, notebook: Notebook) -> None:
        self._document = document
        self._notebook = notebook
        self._look = WordLook(document)

    def whole(self) -> None:
        self._inside(self._document.element.body)
        for note in word_parts.notes_of(self._document):
            self._inside(note)
        for unread in word_parts.unread_of(self._document):
            self._notebook.hide("not_read", unread)

    def _inside(self, element: Any) -> None:
        for child in element:
            if child.tag == qn("w:p"):
                self._paragraph(child)
            elif child.tag == qn("w:tbl"):
                self._table(child)
            elif child.tag in _WRAPPERS:
                self._inside(child)

    def _paragraph(self, paragraph: Any) -> None:
        text = self._text(paragraph)
        name = self._look.style_name(paragraph)
        level = self._look.outline_level(paragraph)
        if found := _HEADING.match(name):
            level = int(found[1])
        if level or name.casefold() in {"title", "título"}:
            self._notebook.heading(text, level or 1)
        elif _LIST.search(name) or paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None:
            self._notebook.add("list_item", text)
        else:
            self._notebook.add("paragraph", text)

    def _table(self, table: Any) -> None:
        rows = [[self._cell(cell) for cell in row.iter(qn("w:tc"))] for row in _rows(table)]
        first = next(_rows(table), None)
        says = first is not None and first.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
        for line in table_rows.lines_of(rows, has_header=True if says else None):
            self._notebook.add("table_row", line)

    def _cell(self, cell: Any) -> str:
        return " ".join(filter(None, (self._text(inner) for inner in cell.iter(qn("w:p")))))

    def _text(self, paragraph: Any) -> str:
        """Text of a paragraph that is seen; what is not is flagged, runs in a row as one."""
        seen: list[str] = []
        hidden: list[str] = []
        before = None
        for run in _runs(paragraph):
            text = _text_of(run)
            if not text:
                continue
            kind = self._look.hidden(run, paragraph)
            if before is not None and kind != before:
                self._notebook.hide(before, "".join(hidden))
                hidden = []
            (seen if kind is None else hidden).append(text)
            before = kind
        if before is not None:
            self._notebook.hide(before, "".join(hidden))
        return " ".join("".join(seen).split())


def _rows(table: Any) -> Iterator[Any]:
    """Rows of this table; those of a table in one of its cells are text of the cell."""
    for child in table:
        if child.tag == qn("w:tr"):
            yield child
        elif child.tag in _WRAPPERS:
            yield from _rows(child)


def _runs(paragraph: Any) -> Iterator[Any]:
    """Runs in their order, those of text boxes once, without what was deleted."""
    passed = {
        qn("w:del"),
        qn("w:moveFrom"),
        "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
    }
    for child in paragraph:
        if child.tag == qn("w:r"):
            yield child
        if child.tag not in passed and child.tag != qn("w:pPr"):
            yield from _runs(child)


def _text_of(run: Any) -> str:
    parts = []
    for child in run:
        if child.tag == qn("w:t"):
            parts.append(child.text or "")
        elif child.tag in {qn("w:tab"), qn("w:br"), qn("w:cr")}:
            parts.append(" ")
        elif child.tag == qn("w:noBreakHyphen"):
            parts.append("-")
    return "".join(parts)
