"""The words of a text that flags are about, told apart from the rest of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.console.api import Json
from services.knowledge.flagged import words_of


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; *flag* is the number of what it is flagged for, 0 for nothing."""

    text: str
    flag: int = 0


def marked(text: str, flags: Sequence[Json]) -> list[Piece]:
    """
    Part *text* into pieces; each of *flags* (kind, excerpt, number) marks the words it is about.

    What two flags are about is marked for the first of them.
    """
    pieces, at = [], 0
    for start, end, number in sorted(_spans(text, flags)):
        if end <= at:
            continue
        pieces += [Piece(text[at : max(at, start)]), Piece(text[max(at, start) : end], number)]
        at = end
    return [piece for piece in (*pieces, Piece(text[at:])) if piece.text]


def _spans(text: str, flags: Sequence[Json]) -> list[tuple[int, int, int]]:
    found = []
    for flag in flags:
        words = words_of(flag["kind"], flag["excerpt"])
        if words is not None and (at := words.search(text)):
            found.append((at.start(), at.end(), flag["number"]))
    return found
