"""Where in a content that is reviewed a flag stands, and which of its words it is about."""

from __future__ import annotations

import re
from typing import Final

from services.knowledge.document import Chunk, Content, Flag, Place

# How an excerpt spells what nobody sees, see `services.knowledge.reading.hidden_characters`.
_SPELLED: Final = re.compile(r"\[U\+[^\]]*\]")
_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"
# Text that people do not see is in no chunk, even where others say the same.
_IN_NO_CHUNK: Final = frozenset(("same_colour", "tiny", "not_shown"))


def words_of(kind: str, excerpt: str) -> re.Pattern[str] | None:
    """Return what finds the words of a flag in its chunk; None where none of them is in one."""
    words = _SPELLED.sub("", excerpt.strip(_CUT)).split()
    if kind in _IN_NO_CHUNK or not words:
        return None
    return re.compile(r"\s+".join(map(re.escape, words)))


def chunk_of(flag: Flag, content: Content) -> int | None:
    """Return the number of the chunk that a flag stands in, or beside; None if it has no place."""
    beside = [chunk for chunk in content.chunks if _is_about(chunk, flag.place)]
    found = words_of(flag.kind, flag.excerpt)
    if found is not None:
        for chunk in (*beside, *content.chunks):
            if found.search(chunk.text):
                return chunk.number
    return beside[0].number if beside else None


def _is_about(chunk: Chunk, place: Place) -> bool:
    """Whether a chunk holds this place, as far as the place is one."""
    for name in ("page", "second"):
        at, first, last = (getattr(one, name) for one in (place, chunk.first, chunk.last))
        if at is not None:
            return first is not None and first <= at <= (last or first)
    return bool(place.headings) and place.headings in (chunk.first.headings, chunk.last.headings)
