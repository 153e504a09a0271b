"""
Sentences: text that comes in pieces, put together to what can be checked, shown and said at once.

A prohibited phrase may be cut between two pieces; it is not cut between two sentences, because what
stands between words ends none. A text without full stops is cut between words at a bound.
"""

from __future__ import annotations

import re
from typing import Final

CHARS_MAX: Final = 400
# A full stop, question or exclamation mark with what closes a quotation, then white space; a line.
_END: Final = re.compile(r"[.!?…]+[\"'”\u2019»)\]]*\s|\n")


class Sentences:
    """Give it pieces, take whole sentences. Joined together they are the text, to the letter."""

    def __init__(self) -> None:
        self._text = ""

    def add(self, piece: str) -> list[str]:
        """Return the sentences that *piece* completes."""
        self._text += piece
        found = []
        while (end := self._end()) is not None:
            found.append(self._text[:end])
            self._text = self._text[end:]
        return found

    def rest(self) -> str:
        """Return what is left when the text has ended; empty if nothing is."""
        rest, self._text = self._text, ""
        return rest

    def _end(self) -> int | None:
        found = _END.search(self._text, 0, CHARS_MAX)
        if found is not None:
            return found.end()
        if len(self._text) < CHARS_MAX:
            return None
        space = self._text.rfind(" ", 1, CHARS_MAX)
        return CHARS_MAX if space < 0 else space + 1
