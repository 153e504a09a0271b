"""
What a PDF has on its pages beside what is painted: notes, comments, form fields, attached files.

None of it is read, because it may say something else than what people see; all of it is named, so
that whoever reviews knows that it is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject

from services.knowledge.reading.pdf_layers import resolved

ANNOTATIONS_MAX: Final = 10_000
# What somebody has written or filled in, as text or as rich text; /TU says what a field is for.
_TEXTS: Final = ("/Contents", "/RC", "/V", "/DV", "/TU")
_MARKUP: Final = re.compile(r"<[^>]*>")
_FAULTS: Final = (PyPdfError, AttributeError, KeyError, TypeError, ValueError, RecursionError)


def notes_of(page: PageObject) -> Iterator[str]:
    """What each annotation of a page says, with its kind; what is broken says nothing."""
    try:
        found = resolved(page.get("/Annots"))
    except _FAULTS:
        return
    if not isinstance(found, ArrayObject):
        return
    for number, one in enumerate(found):
        if number == ANNOTATIONS_MAX:
            yield "more annotations than anybody makes"
            return
        try:
            text = _said(resolved(one))
        except _FAULTS:
            continue
        if text:
            yield text


def files_of(reader: PdfReader) -> Iterator[str]:
    """The names of files that are attached to the document; they are not opened."""
    try:
        names = list(reader.attachments)
    except _FAULTS:
        return
    yield from (f"an attached file: {name}" for name in names[:ANNOTATIONS_MAX])


def _said(annotation: Any) -> str:
    if not isinstance(annotation, DictionaryObject):
        return ""
    texts: list[str] = []
    for one in _with_parent(annotation):
        texts += [_plain(resolved(one.get(name))) for name in _TEXTS]
    said = " ".join(dict.fromkeys(text for text in texts if text))
    return f"{str(annotation.get('/Subtype', 'note')).lstrip('/')}: {said}" if said else ""


def _with_parent(annotation: DictionaryObject) -> Iterator[DictionaryObject]:
    """A field of several boxes keeps what is filled in once, above them."""
    yield annotation
    parent = resolved(annotation.get("/Parent"))
    if isinstance(parent, DictionaryObject) and annotation.get("/Subtype") == "/Widget":
        yield parent


def _plain(value: Any) -> str:
    if isinstance(value, ArrayObject):
        return " ".join(_plain(resolved(one)) for one in value[:100])
    return " ".join(_MARKUP.sub(" ", value).split()) if isinstance(value, str) else ""
