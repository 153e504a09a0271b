"""Chunks as rows: what of a content is written to the tables, and what of it is embedded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from services.knowledge.document import Chunk, Content, Place

_HEADINGS_MAX: Final = 1_000


class ChunkPlace(msgspec.Struct, frozen=True):
    """Where a chunk begins and ends, as the tables keep it."""

    first: Place
    last: Place


class ChunkRow(msgspec.Struct, frozen=True):
    """One chunk. *headings*: the title of its source and what it stands under, a line each."""

    number: int
    title: str
    language: str
    text: str
    chunk_hash: str
    place: ChunkPlace
    headings: str

    @property
    def embedded(self) -> str:
        """What its vector is made from."""
        return embedded_text(self.headings, self.text)


def rows_of(content: Content) -> list[ChunkRow]:
    """Return the rows of a content, in the order of its chunks."""
    return [_row(content, chunk) for chunk in content.chunks]


def embedded_text(headings: str, text: str) -> str:
    """Put headings before a text: a chunk often does not name what it is about."""
    return f"{headings}\n{text}"


def place_of(spelled: object) -> ChunkPlace:
    """Read a place back, as psycopg decodes it."""
    return msgspec.convert(spelled, ChunkPlace)


def vector_text(vector: Sequence[float]) -> str:
    """Spell a vector as PostgreSQL reads it."""
    return f"[{','.join(map(repr, vector))}]"


def _row(content: Content, chunk: Chunk) -> ChunkRow:
    headings = "\n".join(dict.fromkeys((content.title, *chunk.first.headings)))
    return ChunkRow(
        chunk.number,
        _clear(content.title),
        content.language,
        _clear(chunk.text),
        chunk.hash,
        ChunkPlace(_clear_place(chunk.first), _clear_place(chunk.last)),
        _clear(headings[:_HEADINGS_MAX]),
    )


def _clear_place(place: Place) -> Place:
    return msgspec.structs.replace(place, headings=tuple(map(_clear, place.headings)))


def _clear(text: str) -> str:
    # PostgreSQL keeps every character but this one, which no reading leaves in a text.
    return text.replace("\0", "\ufffd")
