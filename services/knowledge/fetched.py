"""What a source brings before anybody has read it."""

from __future__ import annotations

from typing import Final

import msgspec

# Lines of speech with their seconds, as `Transcript` in JSON.
TRANSCRIPT: Final = "application/vnd.vito.transcript+json"


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """
    Bytes and what they say they are. *media_type* without parameters, lower case; *charset* empty
    where none was stated. *location* is where they came from in the end, after redirects.
    """

    body: bytes
    media_type: str
    charset: str = ""
    location: str = ""
    title: str = ""


class Line(msgspec.Struct, frozen=True):
    """What is said from *start_ms* of a recording on."""

    start_ms: int
    text: str


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What is said in a recording. *language* is BCP 47; *is_generated* by a machine."""

    title: str
    language: str
    is_generated: bool
    lines: tuple[Line, ...]
