"""
Server-sent events: bytes in, the data of each event out.

As the WHATWG standard has it (html.spec.whatwg.org, 9.2.6): UTF-8; lines end with CR, LF or both;
`data` lines of one event are joined by newlines; a blank line ends an event; a line that begins
with a colon is a comment. An event that the stream ends in the middle of is not one.
"""

from __future__ import annotations

import codecs
import re
from collections import deque

from services.vendors.adapter import VendorCutOff

EVENT_CHARACTERS_MAX = 1 << 20
_line_end = re.compile("\r\n|\n|\r")


class Events:
    """
    Cuts the text of one stream into events, however it was cut on its way.

    *waiting* is the data of those that are complete and that nobody has taken yet, oldest first.
    """

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._begun = ""
        self._data: list[str] = []
        self._characters = 0

    def feed(self, chunk: bytes) -> None:
        """Add *chunk*. Raises VendorCutOff: an event is too long."""
        text = self._begun + self._decode(chunk)
        at = 0
        for end in _line_end.finditer(text):
            if end.group() == "\r" and end.end() == len(text):
                break  # The other half of its line end may come with the next chunk.
            self._line(text[at : end.start()])
            at = end.end()
        self._begun = text[at:]
        self._bound(len(self._begun))

    def _line(self, line: str) -> None:
        field, _, value = line.partition(":")
        if not line:
            self._dispatch()
        elif field == "data":
            self._bound(len(value))
            self._characters += len(value)
            self._data.append(value.removeprefix(" "))

    def _dispatch(self) -> None:
        if self._data:
            self.waiting.append("\n".join(self._data))
        self._data, self._characters = [], 0

    def _bound(self, more: int) -> None:
        if self._characters + more > EVENT_CHARACTERS_MAX:
            raise VendorCutOff(f"an event has more than {EVENT_CHARACTERS_MAX} characters")
