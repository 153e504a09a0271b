"""
Which of its priced products a twin talks with.

The first entry of a modality in the price book whose provider this process has an adapter for, and
which is of the right kind. So whoever governs the twin chooses its model, its voice and its face by
putting them first, with their price, and nothing unpriced can ever be chosen.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from contracts.message import Modality
from contracts.price_book import PriceBook
from services.vendors.adapter import VendorAdapter, Vendors
from services.vendors.chat import ChatModel
from services.vendors.speech import Speech

Adapter = TypeVar("Adapter", bound=VendorAdapter)


class Products(msgspec.Struct, frozen=True, kw_only=True):
    """What a twin talks with; *voice* None: it only writes."""

    chat: ChatModel
    chat_sku: str
    voice: Speech | None = None
    voice_sku: str = ""


class NoProduct(Exception):
    """The price book has no model of text that this process has an adapter for."""


def of_price_book(book: PriceBook | None, vendors: Vendors) -> Products:
    """Choose; raises NoProduct."""
    chat = _first(book, "text", vendors, ChatModel)
    if chat is None:
        raise NoProduct("no language model in the price book has an adapter here")
    voice = _first(book, "voice", vendors, Speech)
    return Products(
        chat=chat[0],
        chat_sku=chat[1],
        voice=voice[0] if voice else None,
        voice_sku=voice[1] if voice else "",
    )


def _first(
    book: PriceBook | None, modality: Modality, vendors: Vendors, kind: type[Adapter]
) -> tuple[Adapter, str] | None:
    for entry in book.entries if book is not None else ():
        if entry.modality == modality and entry.provider_id in vendors:
            adapter = vendors[entry.provider_id]
            if isinstance(adapter, kind):
                return adapter, entry.sku
    return None
