"""
Which of its priced products a twin talks with.

The first entry of a modality in the price book whose provider this process has an adapter for, and
which is of the right kind. So whoever governs the twin chooses its model, its voice and its face by
putting them first, with their price, and nothing unpriced can ever be chosen. What it listens with
is a product of the voice as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard, TypeVar

import msgspec

from contracts.message import Modality
from contracts.price_book import PriceBook
from services.vendors.adapter import VendorAdapter, Vendors
from services.vendors.chat.model import ChatModel
from services.vendors.face.avatar import AvatarAdapter
from services.vendors.speech.hearing import Hearing
from services.vendors.speech.speaking import Speech

Adapter = TypeVar("Adapter", bound=VendorAdapter)


class Products(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a twin talks with; *voice* None: it only writes; *face* None: nobody sees it; *ear* None:
    it only reads.
    """

    chat: ChatModel
    chat_sku: str
    voice: Speech | None = None
    voice_sku: str = ""
    face: AvatarAdapter | None = None
    face_sku: str = ""
    ear: Hearing | None = None
    ear_sku: str = ""


class NoProduct(Exception):
    """The price book has no model of text that this process has an adapter for."""


def of_price_book(book: PriceBook | None, vendors: Vendors) -> Products:
    """Choose; raises NoProduct."""
    chat = _first(book, "text", vendors, _is_chat)
    if chat is None:
        raise NoProduct("no language model in the price book has an adapter here")
    voice = _first(book, "voice", vendors, _is_speech)
    face = _first(book, "video", vendors, _is_avatar)
    ear = _first(book, "voice", vendors, _is_hearing)
    return Products(
        chat=chat[0],
        chat_sku=chat[1],
        voice=voice[0] if voice else None,
        voice_sku=voice[1] if voice else "",
        face=face[0] if face else None,
        face_sku=face[1] if face else "",
        ear=ear[0] if ear else None,
        ear_sku=ear[1] if ear else "",
    )


def _first(
    book: PriceBook | None,
    modality: Modality,
    vendors: Vendors,
    is_kind: Callable[[VendorAdapter], TypeGuard[Adapter]],
) -> tuple[Adapter, str] | None:
    for entry in book.entries if book is not None else ():
        if entry.modality == modality and entry.provider_id in vendors:
            adapter = vendors[entry.provider_id]
            if is_kind(adapter):
                return adapter, entry.sku
    return None


def _is_chat(adapter: VendorAdapter) -> TypeGuard[ChatModel]:
    return isinstance(adapter, ChatModel)


def _is_speech(adapter: VendorAdapter) -> TypeGuard[Speech]:
    return isinstance(adapter, Speech)


def _is_avatar(adapter: VendorAdapter) -> TypeGuard[AvatarAdapter]:
    return isinstance(adapter, AvatarAdapter)


def _is_hearing(adapter: VendorAdapter) -> TypeGuard[Hearing]:
    return isinstance(adapter, Hearing)
