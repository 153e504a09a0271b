"""
Price book: what a call costs, exactly.

    cost = sum over quantities of ceil(quantity x nanos / per)

Each line is rounded up to a whole nano, in the platform's favour, once. A quantity that is not
zero must have a price (which may be 0); `turns` are our own unit and are free unless priced.
"""

from __future__ import annotations

import msgspec

from contracts.price_book import PriceBook, PriceBookSet, PriceEntry
from contracts.usage import Usage

_UNPRICED_IS_FREE = "turns"


class State(msgspec.Struct, array_like=True):
    """The prices in force. Version 0: none yet."""

    version: int = 0
    currency: str = ""
    entries: dict[str, PriceEntry] = {}


def key(provider_id: str, sku: str, modality: str) -> str:
    """Name a product: the same sku may be sold as voice and as text."""
    return f"{provider_id}\n{sku}\n{modality}"


def duplicate(book: PriceBook) -> int | None:
    """Return the index of the first entry that repeats an earlier one, if any."""
    seen: set[str] = set()
    for index, entry in enumerate(book.entries):
        name = key(entry.provider_id, entry.sku, entry.modality)
        if name in seen:
            return index
        seen.add(name)
    return None


def cost_nanos(entry: PriceEntry, usage: Usage) -> int | None:
    """Price a usage, or None when one of its quantities has no price."""
    total = 0
    prices = entry.prices
    for name in usage.__struct_fields__:
        quantity: int = getattr(usage, name)
        if quantity == 0:
            continue
        price = prices.get(name)  # type: ignore[call-overload]
        if price is not None:
            total += -(-quantity * price.nanos // price.per)
        elif name != _UNPRICED_IS_FREE:
            return None
    return total


def evolve(state: State, event: PriceBookSet) -> State:
    """Put the new version in force."""
    state.version = event.version
    state.currency = event.price_book.currency
    state.entries = {key(e.provider_id, e.sku, e.modality): e for e in event.price_book.entries}
    return state
