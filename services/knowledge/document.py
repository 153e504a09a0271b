"""
A document as a twin would know it: what a person reviews, approves by its hash, and can look up.

Bytes are read into a `Reading`: blocks of text in the order of the document, each with its place.
Blocks are cut into chunks, and the chunks are the `Content`: what is approved is exactly what is
retrieved, so the hash is over the chunks and not over the file.
"""

from __future__ import annotations

import hashlib
from typing import Literal, TypeAlias

import msgspec

BlockKind: TypeAlias = Literal["heading", "paragraph", "list_item", "table_row", "code", "speech"]
FlagKind: TypeAlias = Literal[
    "zero_width",
    "bidi",
    "tag_characters",
    "same_colour",
    "tiny",
    "not_shown",
    "instruction",
    "not_read",
]


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Where in the source something is, as far as the source has such places.

    *page* counts from 1; *second* from the beginning of a recording; *headings* are those that it
    stands under, outermost first.
    """

    page: int | None = None
    second: int | None = None
    headings: tuple[str, ...] = ()


class Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One paragraph, heading, row… as it is read; *level* of a heading, 1 the outermost."""

    kind: BlockKind
    text: str
    place: Place = Place()
    level: int = 0


class Flag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Something that whoever reviews should look at: text that people do not see, that talks to the
    model, or that stands beside what was read and is not in it (`not_read`). *excerpt* is what it
    says, with hidden characters written as their code points.
    """

    kind: FlagKind
    excerpt: str
    place: Place = Place()


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says. *pages* is 0 where there are none. *title* is the file's own, or empty."""

    media_type: str
    title: str
    blocks: tuple[Block, ...]
    flags: tuple[Flag, ...] = ()
    pages: int = 0


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is retrieved as one: at most a few hundred tokens of neighbouring blocks.

    *first* and *last* are the places of its first and last block. *hash* is SHA-256, in hex, of the
    text as it is compared (NFKC, case folded, white space as one blank): equal in two sources, the
    chunk is the same.
    """

    number: int
    text: str
    hash: str
    first: Place
    last: Place


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is approved or rejected as one, and what is put before whoever does.

    *form* is the version of reading and cutting that made it. *language* is BCP 47 (`es`, `en`), or
    `und`. The flags belong to it: who approves the hash has seen them.
    """

    form: int
    title: str
    language: str
    chunks: tuple[Chunk, ...]
    flags: tuple[Flag, ...] = ()
    pages: int = 0

    def to_bytes(self) -> bytes:
        """Return its one spelling: JSON with sorted keys, without white space, in UTF-8."""
        return msgspec.json.encode(self, order="sorted")

    @property
    def hash(self) -> str:
        """SHA-256 of to_bytes(), in hex: what an approval pins."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def content_of(data: bytes) -> Content:
    """Return what to_bytes() wrote; raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Content)
