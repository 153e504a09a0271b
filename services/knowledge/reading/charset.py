"""Bytes of a text to characters."""

from __future__ import annotations

import codecs
from typing import Final

from charset_normalizer import from_bytes

from services.knowledge.problem import IngestionProblem

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What texts in our languages are written in, and not one that makes sense of any bytes.
_LIKELY: Final = ["cp1252", "latin_1", "iso8859_15", "mac_roman", "cp850", "utf_16", "cp437"]
_SAMPLE: Final = 256 * 1_024
_ZEROS_SHARE_MIN: Final = 0.7


def characters_of(body: bytes, stated: str = "") -> str:
    """
    Return the text of *body*: by its mark, as UTF-8, as *stated*, or as it looks.

    Raises IngestionProblem where it is in no charset that makes sense.
    """
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body.removeprefix(mark).decode(charset, "replace")
    if charset := _wide(body[:_SAMPLE]):
        return body.decode(charset, "replace")
    for charset in ("utf-8", _known(stated)):
        try:
            if charset and not (charset == "utf-8" and b"\0" in body):
                return body.decode(charset)
        except UnicodeError:
            continue
    found = from_bytes(body[:_SAMPLE], cp_isolation=_LIKELY).best()
    if found is None:
        raise IngestionProblem(
            "damaged", "Its characters are in no known encoding. Save it anew as UTF-8."
        )
    return body.decode(found.encoding, "replace")


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: of Latin letters every other byte is 0. Empty where it is not."""
    half = len(sample) // 2
    if sample[::2].count(0) > half * _ZEROS_SHARE_MIN:
        return "utf-16-be"
    return "utf-16-le" if half and sample[1::2].count(0) > half * _ZEROS_SHARE_MIN else ""


def _known(stated: str) -> str:
    """Name of a charset of text as Python has it; empty where it has none."""
    try:
        found = codecs.lookup(stated)
    except (LookupError, ValueError):
        return ""
    # Some codecs of Python are no charsets (rot13, zip); idna and the like decode slowly.
    return found.name if found._is_text_encoding and found.name not in _NOT_CHARSETS else ""  # noqa: SLF001 - nothing public says it


_NOT_CHARSETS: Final = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}
