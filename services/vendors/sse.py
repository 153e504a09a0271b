"""
Server-sent events: bytes in, the data of each event out.

As the WHATWG standard has it (html.spec.whatwg.org, 9.2.6): UTF-8; lines end with CR, LF or both;
`data` lines of one event are joined by newlines; a blank line ends an event; a line that begins
with a colon is a comment. An event that the stream ends in the middle of is not one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from services.vendors.adapter import VendorCutOff

EVENT_CHARACTERS_MAX = 1 << 20
_line_end = re.compile("\r\n|\n|\r")


class Events:
    """Cuts the text of one stream into events, however it was cut on its way."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._begun = ""
        self._data: list[str] = []
        self._characters = 0

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the data of every event that *chunk* completes. Raises VendorCutOff: too long."""
        text = self._begun + self._decode(chunk)
        at = 0
        for end in _line_end.finditer(text):
            if end.group() == "\r" and end.end() == len(text):
                break  # The other half of its line end may come with the next chunk.
            if (found := self._line(text[at : end.start()])) is not None:
                yield found
            at = end.end()
        self._begun = text[at:]
        self._bound(len(self._begun))

    def _line(self, line: str) -> str | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        if field == "data":
            self._bound(len(value))
            self._characters += len(value)
            self._data.append(value.removeprefix(" "))
        return None

    def _dispatch(self) -> str | None:
        if not self._data:
            return None
        found = "\n".join(self._data)
        self._data, self._characters = [], 0
        return found

    def _bound(self, more: int) -> None:
        if self._characters + more > EVENT_CHARACTERS_MAX:
            raise VendorCutOff(f"an event has more than {EVENT_CHARACTERS_MAX} characters")


async def events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[str, None]:
    """Yield the data of every event in *chunks*."""
    found = Events()
    async for chunk in chunks:
        for data in found.feed(chunk):
            yield data
