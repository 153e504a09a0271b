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
    Part,
    Text,
    UnixUs,
    Version,
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

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    retrieved_on: Annotated[str, msgspec.Meta(pattern=whole("[0-9]{4}-[0-9]{2}-[0-9]{2}"))]
    note: Text = ""


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


# -- Commands ----------------------------------------------------------------


class SetPriceBook(Command, frozen=True, kw_only=True):
    """Replace the whole list. Open holds keep the prices that they were granted at."""

    price_book: PriceBook
    expected_version: Version | None = None
    note: Text = ""


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
