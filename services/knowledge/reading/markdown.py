"""Markdown, as it looks once it is rendered: read like a page, without anything around it."""

from __future__ import annotations

from typing import Final

from lxml import etree
from markdown_it import MarkdownIt

from services.knowledge.document import Reading
from services.knowledge.fetched import Fetched
from services.knowledge.reading.charset import characters_of
from services.knowledge.reading.limits import Limits
from services.knowledge.reading.media_type import MARKDOWN
from services.knowledge.reading.notebook import Notebook
from services.knowledge.reading.page_walk import PageWalk
from services.knowledge.reading.visibility import keep_visible
from services.knowledge.reading.web_page import parsed

_NO_TEXT: Final = ("script", "style", "noscript", "template", "iframe", "object", "embed", "svg")


def reading_of(fetched: Fetched, limits: Limits) -> Reading:
    """Return what a Markdown text says; raises IngestionProblem."""
    text = characters_of(fetched.body, fetched.charset)
    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    notebook = Notebook(limits)
    root = parsed(renderer.render(_without_front_matter(text)) or "<p></p>", limits)
    keep_visible(root, notebook)
    etree.strip_elements(root, *_NO_TEXT, with_tail=False)
    PageWalk(notebook).whole(root)
    return notebook.reading(MARKDOWN, fetched.title)


def _without_front_matter(text: str) -> str:
    """Settings of a site generator between two lines of `---` are not part of the text."""
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return text
    ends = [at for at, line in enumerate(lines[1:60], 1) if line.rstrip() in {"---", "..."}]
    return "\n".join(lines[ends[0] + 1 :]) if ends else text
