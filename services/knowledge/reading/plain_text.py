"""Plain text: paragraphs between blank lines, list items by what they begin with."""

from __future__ import annotations

import re
from typing import Final

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.reading.charset import characters_of
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.media_type import TEXT
from services.knowledge.reading.notebook import Notebook

_BLANK: Final = re.compile(r"\n[^\S\n]*\n\s*")
BULLET: Final = re.compile(r"(?:[•‣◦▪●∙·\-\u2013\u2014*+]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+(?=\S|$)")


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what a text says; raises IngestionProblem."""
    notebook = Notebook(limits)
    text = characters_of(fetched.body, fetched.charset).replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\f", "\n\n")
    for part in _BLANK.split(text):
        _take_down(notebook, part)
    return notebook.reading(TEXT, fetched.title)


def _take_down(notebook: Notebook, part: str) -> None:
    """One paragraph, or the items of a list; lines that belong together are one."""
    kept: list[str] = []
    is_item = False
    for line in part.split("\n"):
        stripped = line.strip()
        if BULLET.match(stripped):
            _close(notebook, kept, is_item=is_item)
            kept, is_item = [], True
        kept.append(stripped)
    _close(notebook, kept, is_item=is_item)


def _close(notebook: Notebook, kept: list[str], *, is_item: bool) -> None:
    notebook.add("list_item" if is_item else "paragraph", " ".join(kept))
