"""A citation: which piece of approved knowledge was put before the model for an answer."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from contracts.knowledge import ContentHash, SourceId

CITATIONS_MAX: Final = 16

ChunkNumber: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Place: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] | None


class Citation(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,
):
    """
    Chunk *chunk* of the content *content_hash* of *source*, and how well it matched the question.

    *score_permille* is 1,000 for the best that there can be. *page* counts from 1, *second* from
    the beginning of a recording; null where the source has no such places.
    """

    source: SourceId
    content_hash: ContentHash
    chunk: ChunkNumber
    score_permille: Annotated[int, msgspec.Meta(ge=0, le=1_000)]
    page: Place = None
    second: Place = None


class CitedSource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    Where something that the answer goes by stands, and how well it matched: 1,000 is the best.

    *page* counts from 1, *second* from the beginning of a recording; null without such places.
    """

    source: str
    title: str
    content_hash: str
    chunk: int
    score_permille: int
    page: int | None = None
    second: int | None = None


Citations: TypeAlias = Annotated[
    list[Citation], msgspec.Meta(min_length=1, max_length=CITATIONS_MAX)
]
