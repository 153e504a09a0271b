"""
Blocks to chunks: what is approved, retrieved and cited as one.

A chunk is 200 to 350 tokens of neighbouring blocks where there are as many. It never reaches over a
heading of the top, ends at a lower one once it is long enough, and ends with none that fits into
the next. What is longer is cut between sentences. Rows name their columns, so each can stand
anywhere. There is no overlap: what a chunk stands under is in its places, and whoever embeds it may
put that before it.

Pure: the same reading is the same content, byte for byte.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from services.knowledge.document import Block, BlockKind, Chunk, Content, Place, Reading
from services.knowledge.language import language_of
from services.knowledge.sentences import sentences_of

# Whenever the same bytes come out otherwise: contents of two forms are not compared.
FORM: Final = 1
TOKENS_MIN: Final = 200
TOKENS_MAX: Final = 350
# What is left of a section joins the chunk before it when it is less, even over the maximum.
TOKENS_LEFT: Final = 50
# Of Spanish and English in the vocabularies of current models: 3.5 to 4.5.
CHARACTERS_PER_TOKEN: Final = 4


class _Piece(msgspec.Struct, frozen=True):
    """A block, or as much of one as fits; *continues* what came before in the same block."""

    kind: BlockKind
    text: str
    place: Place
    continues: bool = False

    @property
    def tokens(self) -> int:
        return tokens_of(self.text)


def content_of_reading(reading: Reading) -> Content:
    """Return what is put before whoever approves."""
    groups = _merged(_groups(_pieces(reading.blocks)))
    return Content(
        form=FORM,
        title=reading.title,
        language=language_of(block.text for block in reading.blocks if block.kind != "code"),
        chunks=tuple(_chunk(number, group) for number, group in enumerate(groups, 1)),
        flags=reading.flags,
        pages=reading.pages,
    )


def tokens_of(text: str) -> int:
    """Return about how many tokens *text* has."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def hash_of_text(text: str) -> str:
    """SHA-256, in hex, of *text* as it is compared with that of other sources."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(folded.encode()).hexdigest()


def _pieces(blocks: Iterable[Block]) -> Iterator[_Piece]:
    for block in blocks:
        place = block.place
        if block.kind == "heading":
            # It stands under itself, for whoever cites it.
            place = Place(page=place.page, headings=(*place.headings, block.text))
        for at, text in enumerate(_fitting(block)):
            yield _Piece(block.kind, text, place, continues=at > 0)


def _fitting(block: Block) -> Iterator[str]:
    """The text of a block in parts that fit into a chunk, cut between sentences where it can be."""
    if tokens_of(block.text) <= TOKENS_MAX:
        yield block.text
        return
    parts = block.text.split("\n") if block.kind == "code" else sentences_of(block.text)
    joint = "\n" if block.kind == "code" else " "
    kept = ""
    for part in (short for long in parts for short in _short(long)):
        if kept and tokens_of(kept + joint + part) > TOKENS_MAX:
            yield kept
            kept = part
        else:
            kept = f"{kept}{joint}{part}" if kept else part
    if kept:
        yield kept


def _short(text: str) -> Iterator[str]:
    """A sentence that is too long, between words; a word that is too long, anywhere."""
    most = TOKENS_MAX * CHARACTERS_PER_TOKEN
    while len(text) > most:
        cut = text.rfind(" ", most // 2, most)
        cut = most if cut < 0 else cut
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    yield text


def _groups(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Pieces that become one chunk."""
    kept: list[_Piece] = []
    tokens = 0
    for piece in pieces:
        is_heading = piece.kind == "heading"
        is_top = is_heading and len(piece.place.headings) == 1
        ends = tokens + piece.tokens > TOKENS_MAX or (is_heading and tokens >= TOKENS_MIN)
        if kept and (is_top or ends):
            carried = [] if is_top else _headings_at_end(kept)
            if sum(one.tokens for one in carried) + piece.tokens > TOKENS_MAX:
                carried = []
            if len(carried) < len(kept):
                yield kept[: len(kept) - len(carried)]
                kept = carried
                tokens = sum(one.tokens for one in kept)
        kept.append(piece)
        tokens += piece.tokens
    if kept:
        yield kept


def _headings_at_end(pieces: list[_Piece]) -> list[_Piece]:
    at = len(pieces)
    while at and pieces[at - 1].kind == "heading":
        at -= 1
    return pieces[at:]


def _merged(groups: Iterable[list[_Piece]]) -> Iterator[list[_Piece]]:
    """Let the short rest of a section join what stands before it."""
    before: list[_Piece] = []
    for group in groups:
        is_rest = sum(one.tokens for one in group) < TOKENS_LEFT and group[0].kind != "heading"
        if before and is_rest and _top(before[-1]) == _top(group[0]):
            before = before + group
            continue
        if before:
            yield before
        before = group
    if before:
        yield before


def _top(piece: _Piece) -> str:
    return piece.place.headings[0] if piece.place.headings else ""


def _chunk(number: int, pieces: list[_Piece]) -> Chunk:
    text = "".join(_written(at, piece) for at, piece in enumerate(pieces))
    return Chunk(
        number=number,
        text=text,
        hash=hash_of_text(text),
        first=pieces[0].place,
        last=pieces[-1].place,
    )


def _written(at: int, piece: _Piece) -> str:
    text = f"- {piece.text}" if piece.kind == "list_item" and not piece.continues else piece.text
    if at == 0:
        return text
    return (" " if piece.continues or piece.kind == "speech" else "\n") + text
