"""Which reader reads what. Runs in the reading process; parsers are loaded when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Final, Protocol, cast

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.media_type import Kind, kind_of

_MODULES: Final[dict[Kind, str]] = {
    "pdf": "pdf",
    "word": "word",
    "web_page": "web_page",
    "markdown": "markdown",
    "json": "json_feed",
    "transcript": "transcript",
    "text": "plain_text",
}


class _DocumentReader(Protocol):
    def reading_of(self, fetched: Fetched, limits: Limits) -> Reading: ...


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what *fetched* says; raises IngestionProblem, and whatever a parser raises."""
    module = import_module(f"services.knowledge.reading.{_MODULES[kind_of(fetched)]}")
    return cast(_DocumentReader, module).reading_of(fetched, limits)
