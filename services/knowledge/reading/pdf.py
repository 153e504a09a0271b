"""PDF: text that can be seen, page by page, with the headings that bookmarks and sizes tell of."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import groupby
from typing import Any, Final

from pypdf import PdfReader, overwrite_configuration
from pypdf.errors import (
    DependencyError,
    FileNotDecryptedError,
    LimitReachedError,
    PdfReadError,
    PyPdfError,
)
from pypdf.generic import DictionaryObject
from pypdf.generic._font import Font

from services.knowledge.document import Place, Reading
from services.knowledge.fetched import Fetched
from services.knowledge.problem import IngestionProblem
from services.knowledge.reading import pdf_lines, pdf_notes
from services.knowledge.reading.hidden_characters import shown
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.media_type import PDF
from services.knowledge.reading.notebook import Notebook
from services.knowledge.reading.pdf_layers import hidden_layers_of, resolved
from services.knowledge.reading.pdf_lines import Line, Paragraph
from services.knowledge.reading.pdf_page import PdfPage
from services.knowledge.reading.pdf_paint import Run
from services.knowledge.reading.plain_text import BULLET

OUTLINE_MAX: Final = 2_000
# Nodes of a page tree that are no pages.
TREE_NODES_MAX: Final = 1_000
_UNTITLED: Final = ("untitled", "sin título", "microsoft word", "(anonymous)", "anonymous")


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what a PDF says; raises IngestionProblem, and errors of pypdf for damaged files."""
    try:
        return _reading_of(fetched, limits)
    except FileNotDecryptedError:
        raise _encrypted() from None
    except DependencyError:
        raise _encrypted() from None
    except LimitReachedError as limit:
        raise _over(limit, limits) from None


def _reading_of(fetched: Fetched, limits: Limits) -> Reading:
    overwrite_configuration(page_tree_maximum_entries=limits.pages_max + TREE_NODES_MAX)
    # What stands before the header counts for nothing, and shifts every address.
    start = fetched.body.find(b"%PDF-")
    reader = PdfReader(BytesIO(fetched.body[start:]))
    if reader.is_encrypted and not reader.decrypt(""):
        raise _encrypted()
    count = _count(reader, limits.pages_max)
    notebook = Notebook(limits)
    pages = list(_pages(reader, count, notebook))
    for unread in pdf_notes.files_of(reader):
        notebook.hide("not_read", unread)
    outline = _outline(reader, count)
    _take_down(notebook, pdf_lines.without_repeated(pages), outline)
    return notebook.reading(PDF, _title(reader) or fetched.title, pages=count)


def _count(reader: PdfReader, most: int) -> int:
    """Number of pages; what the file says of it is believed when it is too many."""
    tree = resolved(reader.root_object.get("/Pages"))
    stated = tree.get("/Count", 0) if isinstance(tree, DictionaryObject) else 0
    if isinstance(stated, int) and stated > most:
        raise _too_many(stated, most)
    count = len(reader.pages)
    if count > most:
        raise _too_many(count, most)
    if not count:
        raise PdfReadError("no pages")
    return count


def _pages(reader: PdfReader, count: int, notebook: Notebook) -> Iterator[list[Line]]:
    fonts: dict[int, Font] = {}
    layers = hidden_layers_of(reader)
    for number in range(1, count + 1):
        page = PdfPage(reader.pages[number - 1], reader, fonts, layers)
        _flag(notebook, page.runs, number)
        for unread in pdf_notes.notes_of(reader.pages[number - 1]):
            notebook.hide("not_read", unread, page=number)
        yield pdf_lines.lines_of(number, (run for run in page.runs if run.hidden is None))


def _flag(notebook: Notebook, runs: list[Run], number: int) -> None:
    """Flag what is not seen: what was painted in one go, or one after the other, as one."""
    for kind, group in groupby(runs, key=lambda run: run.hidden):
        if kind is not None:
            notebook.hide(kind, _joined(group), page=number)
    for is_doubtful, group in groupby(runs, key=lambda run: run.is_doubtful):
        if is_doubtful:
            notebook.flag("same_colour", shown(_joined(group)), Place(page=number))


def _joined(runs: Iterator[Run]) -> str:
    return " ".join(line.text for line in pdf_lines.lines_of(0, runs))


def _take_down(
    notebook: Notebook, pages: list[list[Line]], outline: dict[tuple[int, str], int]
) -> None:
    paragraphs = list(pdf_lines.paragraphs_of(pages))
    body = pdf_lines.body_size(pages)
    sizes = pdf_lines.heading_sizes(paragraphs, body)
    for paragraph in paragraphs:
        level = outline.get((paragraph.page, _folded(paragraph.text)), 0)
        level = level or pdf_lines.heading_level(paragraph, body, sizes)
        _take_down_paragraph(notebook, paragraph, level)


def _take_down_paragraph(notebook: Notebook, paragraph: Paragraph, level: int) -> None:
    text = paragraph.text
    if level:
        notebook.heading(text, level, page=paragraph.page)
    elif BULLET.match(text):
        notebook.add("list_item", text, page=paragraph.page)
    elif " · " in text:
        notebook.add("table_row", text, page=paragraph.page)
    else:
        notebook.add("paragraph", text, page=paragraph.page)


def _outline(reader: PdfReader, count: int) -> dict[tuple[int, str], int]:
    """Level of each bookmark by page and title; a broken outline is none."""
    found: dict[tuple[int, str], int] = {}
    try:
        _walk(reader, reader.outline, 1, found)
    except (PyPdfError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return found
    return {(page, title): level for (page, title), level in found.items() if 0 < page <= count}


def _walk(
    reader: PdfReader, entries: list[Any], level: int, found: dict[tuple[int, str], int]
) -> None:
    for entry in entries:
        if len(found) >= OUTLINE_MAX:
            return
        if isinstance(entry, list):
            _walk(reader, entry, level + 1, found)
        elif (page := reader.get_destination_page_number(entry)) is not None and entry.title:
            found[page + 1, _folded(str(entry.title))] = level


def _folded(text: str) -> str:
    return "".join(text.casefold().split())


def _title(reader: PdfReader) -> str:
    try:
        said = reader.metadata.title if reader.metadata else None
    except (PyPdfError, AttributeError, KeyError, TypeError, ValueError):
        return ""
    title = said if isinstance(said, str) else ""
    return "" if title.casefold().startswith(_UNTITLED) else title


def _encrypted() -> IngestionProblem:
    return IngestionProblem(
        "encrypted", "It opens with a password only. Save it without one, and upload that."
    )


def _too_many(count: int, most: int) -> IngestionProblem:
    return IngestionProblem(
        "too_many_pages",
        f"It has {count:,} pages or more; at most {most:,} can be read. Split it.",
    )


def _over(limit: LimitReachedError, limits: Limits) -> IngestionProblem:
    said = str(limit).lower()
    if "page tree entries" in said or "page tree entry" in said:
        return _too_many(limits.pages_max + 1, limits.pages_max)
    if "depth" in said or "cycle" in said:
        return IngestionProblem("too_deep", "It is nested too deeply, or in itself.")
    return IngestionProblem(
        "too_large", "What is packed in it is too large to be unpacked. Export it anew."
    )
