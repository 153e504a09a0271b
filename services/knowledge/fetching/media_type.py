"""
What a server says that a body is. What it really is, its reader looks at, and decides.

A kind that nobody reads is refused here already, with the words of the server.
"""

from __future__ import annotations

from email.message import Message
from typing import Final

from services.knowledge.problem import IngestionProblem

MARKDOWN: Final = "text/markdown"
# Nothing is known but the bytes.
UNSAID: Final = "application/octet-stream"
ALLOWED: Final = frozenset(
    {
        "application/json",
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/xhtml+xml",
        "text/html",
        "text/plain",
        MARKDOWN,
        UNSAID,
    }
)
_ALIASES: Final = {
    "": UNSAID,
    "application/x-download": UNSAID,
    "application/x-pdf": "application/pdf",
    "binary/octet-stream": UNSAID,
    "text/json": "application/json",
    "text/x-markdown": MARKDOWN,
}
HEADER_CHARS_MAX: Final = 300


def media_type_of(header: str, path: str) -> tuple[str, str]:
    """Return media type and charset that a header states; raises IngestionProblem `wrong_type`."""
    said = Message()
    said["Content-Type"] = header[:HEADER_CHARS_MAX]
    # Without a type the library says text/plain; we have to know that nothing was said.
    named = said.get_content_type().lower() if "/" in header else ""
    named = _ALIASES.get(named, named)
    if named == "text/plain" and path.partition("?")[0].lower().endswith((".md", ".markdown")):
        named = MARKDOWN
    if named not in ALLOWED:
        raise IngestionProblem(
            "wrong_type",
            f"It is {named}; a twin learns from pages, PDF, DOCX, Markdown, text and JSON.",
        )
    charset = said.get_content_charset() or ""
    return named, charset if charset.isascii() and charset.isprintable() else ""
