"""What vendors charge: a versioned list; a call that is not on it is refused."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

import msgspec

from contracts.message import (
    NAME_PATTERN,
    Command,
    Event,
    Modality,
    Name,
    Nanos,
    Note,
    Part,
    UnixUs,
    Version,
    check_lines,
    check_prose,
    line,
    refuse_spelling,
    whole,
)

PricedQuantity: TypeAlias = Literal[
    "input_tokens", "output_tokens", "stream_ms", "characters", "requests", "turns"
]

_is_product = re.compile(f"{NAME_PATTERN} {NAME_PATTERN}").fullmatch


class Price(Part, frozen=True):
    """*nanos* for every *per* of the quantity, so that sub-nano token prices stay exact."""

    nanos: Nanos
    per: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1


class Provenance(Part, frozen=True):
    """Where a price was read and when, so that an auditor can look it up."""

    source: Annotated[str, line(500)]
    retrieved_on: Annotated[str, msgspec.Meta(pattern=whole("[0-9]{4}-[0-9]{2}-[0-9]{2}"))]
    note: Note = ""


class PriceEntry(Part, frozen=True):
    """The prices of one product of one provider. A quantity that is free is priced 0."""

    provider_id: Name
    sku: Name
    modality: Modality
    prices: Annotated[dict[PricedQuantity, Price], msgspec.Meta(min_length=1, max_length=6)]
    provenance: Provenance

    def __post_init__(self) -> None:
        if _is_product(f"{self.provider_id} {self.sku}") is None:
            refuse_spelling(self)


class PriceBook(Part, frozen=True):
    """All prices of a tenant, in the currency of its policy."""

    entries: Annotated[list[PriceEntry], msgspec.Meta(min_length=1, max_length=500)]
    currency: Annotated[str, msgspec.Meta(pattern=whole("[A-Z]{3}"))] = "USD"


def check_price_book(book: PriceBook) -> None:
    """Raise ValueError that names the text in a command's prices that is not fit to be read."""
    # By the command: a price book that is stored must be readable under any later rule.
    for index, entry in enumerate(book.entries):
        where = f"price_book.entries[{index}].provenance"
        check_lines(**{f"{where}.source": entry.provenance.source})
        check_prose(**{f"{where}.note": entry.provenance.note})


# -- Commands ----------------------------------------------------------------


class SetPriceBook(Command, frozen=True, kw_only=True):
    """Replace the whole list. Open holds keep the prices that they were granted at."""

    price_book: PriceBook
    expected_version: Version | None = None
    note: Note = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_price_book(self.price_book)
        check_prose(note=self.note)


PriceBookCommand: TypeAlias = SetPriceBook

# -- Events ------------------------------------------------------------------


class PriceBookSet(Event, frozen=True):
    """Version *version* of the price book prices new calls from here on."""

    decision: int
    command_id: str
    fingerprint: bytes
    at_us: UnixUs
    version: int
    price_book: PriceBook
    note: str
    actor: str


PriceBookEvent: TypeAlias = PriceBookSet
