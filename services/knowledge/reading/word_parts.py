"""
What a DOCX has beside its body: footnotes are read, everything else with text in it is named.

Headers and footers, comments, diagrams, charts, and whole documents inside: nobody may think that
they are a part of what was read, and nothing may hide in them unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from docx.document import Document as WordDocument
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from lxml.etree import XMLSyntaxError

_NOTES: Final = re.compile(r"/word/(?:footnotes|endnotes)[^/]*\.xml$")
_OF_THE_BODY: Final = re.compile(
    r"/(?:word/(?:document|styles|stylesWithEffects|settings|webSettings|fontTable|numbering"
    r"|theme/[^/]*|people|commentsExtended|commentsIds|commentsExtensible)\.xml"
    r"|docProps/[^/]*|customXml/.*|_rels/.*)$"
)
_IMAGES: Final = ("image/", "application/vnd.openxmlformats-officedocument.obfuscatedFont")
_TEXTS: Final = ("t", "v", "delText")
_NOTE: Final = (qn("w:footnote"), qn("w:endnote"))


def notes_of(document: WordDocument) -> Iterator[Any]:
    """Every footnote and endnote, as an element with paragraphs."""
    for part in document.part.package.iter_parts():
        if _NOTES.fullmatch(str(part.partname)):
            root = _root_of(part)
            yield from (child for child in root if child.tag in _NOTE)


def unread_of(document: WordDocument) -> Iterator[str]:
    """What else there is, each with its name: the same text in many headers is said once."""
    seen: set[str] = set()
    for part in document.part.package.iter_parts():
        name = str(part.partname)
        if _NOTES.fullmatch(name) or _OF_THE_BODY.fullmatch(name):
            continue
        if part.content_type.startswith(_IMAGES):
            continue
        text = _text_of(part)
        if text and text not in seen:
            seen.add(text)
            yield f"{name.removeprefix('/word/')}: {text}"


def _text_of(part: Any) -> str:
    """The text of a part; of a file inside, which is not looked into, its kind."""
    if not part.content_type.endswith("xml"):
        return f"a file inside ({part.content_type})"
    try:
        root = _root_of(part)
    except XMLSyntaxError:
        return "a part that cannot be read"
    found = (one.text or "" for one in root.iter() if _local(one) in _TEXTS)
    return " ".join(" ".join(found).split())


def _root_of(part: Any) -> Any:
    element = getattr(part, "element", None)
    return parse_xml(part.blob) if element is None else element


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
