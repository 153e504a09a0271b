"""What bytes are, whatever they are called: the bytes decide, and what was said must agree."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from services.knowledge.fetched import TRANSCRIPT, Fetched
from services.knowledge.problem import IngestionProblem

Kind: TypeAlias = Literal["pdf", "word", "web_page", "markdown", "json", "transcript", "text"]

PDF: Final = "application/pdf"
WORD: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
JSON: Final = "application/json"
TEXT: Final = "text/plain"
MEDIA_TYPE: Final[dict[Kind, str]] = {
    "pdf": PDF,
    "word": WORD,
    "web_page": HTML,
    "markdown": MARKDOWN,
    "json": JSON,
    "transcript": TRANSCRIPT,
    "text": TEXT,
}
# What says nothing about the bytes.
_UNSAID: Final = {"", "application/octet-stream", "binary/octet-stream", "application/x-download"}
_STATED: Final[dict[str, Kind]] = {
    PDF: "pdf",
    "application/x-pdf": "pdf",
    WORD: "word",
    HTML: "web_page",
    "application/xhtml+xml": "web_page",
    MARKDOWN: "markdown",
    "text/x-markdown": "markdown",
    JSON: "json",
    "text/json": "json",
    TRANSCRIPT: "transcript",
    TEXT: "text",
}
_READ: Final = "PDF, DOCX, HTML, Markdown, plain text and JSON"
_NAMES: Final[dict[Kind, str]] = {
    "pdf": "a PDF",
    "word": "a DOCX",
    "web_page": "a web page",
    "markdown": "Markdown",
    "json": "JSON",
    "transcript": "a transcript",
    "text": "plain text",
}
# Beginnings of what is often uploaded and cannot be read.
_OTHERS: Final = (
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"RIFF", "sound, video or a picture"),
    (b"ID3", "sound (MP3)"),
    (b"OggS", "sound or video (Ogg)"),
    (b"\x1aE\xdf\xa3", "video (Matroska)"),
    (b"{\\rtf", "RTF"),
    (b"%!PS", "PostScript"),
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"BZh", "compressed (bzip2)"),
    (b"7z\xbc\xaf", "compressed (7z)"),
    (b"Rar!", "compressed (RAR)"),
    (b"\xfd7zXZ", "compressed (xz)"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# As browsers look for it, and with what fragments begin with.
_HTML: Final = re.compile(
    rb"<(?:!doctype html|html|head|body|title|script|style|meta|iframe|table|main|article|section"
    rb"|header|nav|div|h[1-6]|p|ul|ol|a|b|br|span)[\s>/]",
    re.IGNORECASE,
)
_XML: Final = re.compile(rb"\s*<\?xml\b")
_BEGINNING: Final = 1_024
# Of the first bytes of a text at most this share are control characters.
_CONTROL_SHARE_MAX: Final = 0.02
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {0x09, 0x0A, 0x0C, 0x0D, 0x1B})


def kind_of(fetched: Fetched) -> Kind:
    """
    Return what *fetched* is; raises IngestionProblem for what cannot be read, and for what is not
    what it was said to be.
    """
    body, stated = fetched.body, fetched.media_type
    if not body.strip():
        raise IngestionProblem("no_text", "It is empty.")
    said = _STATED.get(stated)
    if said is None and stated.endswith("+json"):
        said = "json"
    if said is None and stated not in _UNSAID and not stated.startswith("text/"):
        raise IngestionProblem(
            "wrong_type", f"It is said to be {stated[:80]}. What can be read are {_READ}."
        )
    found = _binary(body)
    if found is None:
        found = _text(body, said)
    if said is not None and found != said:
        raise IngestionProblem(
            "wrong_type",
            f"It is said to be {_NAMES[said]}, but is {_NAMES[found]}. Give it the type it has.",
        )
    return found


def _binary(body: bytes) -> Kind | None:
    """Kind of *body* by its first bytes, None for text."""
    head = body[:_BEGINNING].lstrip()
    if b"%PDF-" in body[:_BEGINNING]:
        return "pdf"
    if body.startswith(_ZIP):
        return "word"
    if body.startswith(OLE):
        # An old .doc, or a new one under a password: word.py says which.
        return "word"
    for beginning, what in _OTHERS:
        if head.startswith(beginning) and (len(beginning) > 2 or b"\0" in head):  # noqa: PLR2004 - two letters may begin a text
            raise IngestionProblem("wrong_type", f"It is {what}. What can be read are {_READ}.")
    if not body.startswith(_MARKS) and _is_binary(body[:_BEGINNING]):
        raise IngestionProblem(
            "wrong_type", f"It is no text and nothing known. What can be read are {_READ}."
        )
    return None


def _is_binary(head: bytes) -> bool:
    # UTF-16 without a mark has every other byte 0.
    if head.count(b"\0") > len(head) // 3:
        return max(head[::2].count(0), head[1::2].count(0)) < len(head) // 2 * 0.7
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls > max(len(head) * _CONTROL_SHARE_MAX, 0)


def _text(body: bytes, said: Kind | None) -> Kind:
    head = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:_BEGINNING]
    looks_json = head[:1] in {b"{", b"["}
    if said in {"text", "markdown"}:
        # Anything that is text may be meant as it stands.
        return said
    if said in {"json", "transcript"}:
        return said if looks_json or not _HTML.search(head) else "web_page"
    if _XML.match(head) and b"<html" not in head.lower():
        raise IngestionProblem("wrong_type", f"It is XML. What can be read are {_READ}.")
    if said == "web_page":
        return "json" if looks_json and not _HTML.search(body[: 64 * _BEGINNING]) else "web_page"
    if looks_json:
        return "json"
    return "web_page" if head.startswith(b"<") and _HTML.search(head) else "text"
