"""What a body is: what its header says, looked at where the header says nothing of use."""

from __future__ import annotations

from email.message import Message
from typing import Final

from services.knowledge.problem import IngestionProblem

PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
ALLOWED: Final = frozenset(
    {PDF, DOCX, HTML, MARKDOWN, "application/xhtml+xml", "application/json", "text/plain"}
)
# Other names of the same.
_ALIASES: Final = {
    "text/x-markdown": MARKDOWN,
    "application/x-pdf": PDF,
    "text/json": "application/json",
}
# What servers say when they do not know.
_UNKNOWN: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_BEGINNINGS: Final = ((b"%PDF-", PDF), (b"<!doctype html", HTML), (b"<html", HTML))
_LOOKED_AT_BYTES: Final = 1_024


def media_type_of(header: str, path: str, body: bytes) -> tuple[str, str]:
    """Return media type and charset of a body; raises IngestionProblem `wrong_type`."""
    said = Message()
    said["Content-Type"] = header[:300]
    # Without a type the library says text/plain; we have to know that nothing was said.
    named = said.get_content_type().lower() if "/" in header else ""
    named = _ALIASES.get(named, named)
    if named in _UNKNOWN:
        named = _looked_at(path, body)
    elif named == "text/plain" and path.partition("?")[0].lower().endswith((".md", ".markdown")):
        named = MARKDOWN
    if named not in ALLOWED:
        raise IngestionProblem(
            "wrong_type",
            f"It is {named or 'of a kind that nobody states'}; a twin learns from pages, PDF, DOCX,"
            " Markdown, text and JSON.",
        )
    charset = said.get_content_charset() or ""
    return named, charset if charset.isascii() and charset.isprintable() else ""


def _looked_at(path: str, body: bytes) -> str:
    beginning = body[:_LOOKED_AT_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for sign, kind in _BEGINNINGS:
        if beginning.startswith(sign.lower()):
            return kind
    is_docx = beginning.startswith(b"pk\x03\x04") and path.partition("?")[0].endswith(".docx")
    return DOCX if is_docx else ""
