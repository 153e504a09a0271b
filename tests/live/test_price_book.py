"""The price book changes while somebody talks: what comes next goes by the new one."""

from __future__ import annotations

from contracts.price_book import PriceBook
from contracts.stream import AudioPiece, Notice
from services.twins import prices
from tests.live.talking import BOOK, texts


def book(*, chat=prices.GPT_4O_MINI, voice=prices.CARTESIA_VOICE):
    """The twin's book with another model, or another voice, or none."""
    others = [entry for entry in BOOK.entries if entry.modality in ("video", "data")]
    return PriceBook([*others, *([voice] if voice else []), *([chat] if chat else [])])


def live(twin):
    """The twin, as the engine keeps it."""
    (kept,) = twin.engine._twins.values()
    return kept.beginning.result()


async def set_book(twin, wanted):
    assert (await twin.gate.set_price_book(wanted)).status == 200


async def test_a_model_that_is_replaced_answers_from_the_same_turn_on(twin):
    """
    Goal: who is talking notices nothing when the model is taken out of the book for another.
    Method: one turn with each; the old one is not priced any more when the second is asked.
    """
    service = await twin.service()
    await service.turn("Hola")
    await set_book(twin, book(chat=prices.GPT_4O))

    heard = await service.turn("¿Y ahora?", turn="t2")

    assert heard[-1].outcome == "done"
    assert texts(heard)
    # What is not priced is not granted: so it was the other one.
    assert (live(twin).products.chat_sku, twin.calls()) == ("gpt-4o", 2)
    assert (await twin.found(service)).status == "open"


async def test_a_book_that_changes_is_known_after_the_next_call(twin):
    """
    Goal: a twin that is talked with goes by the book in force, however long the conversation.
    Method: the book puts another model first; one turn later that one is the twin's.
    """
    service = await twin.service()
    await set_book(twin, PriceBook([prices.GPT_4O, *BOOK.entries]))
    await service.turn("Hola")

    assert (live(twin).price_version, live(twin).products.chat_sku) == (2, "gpt-4o")


async def test_the_next_conversation_has_the_voice_of_the_new_book(twin):
    """
    Goal: while somebody talks with a twin, who comes next gets what is sold now.
    Method: a book without a voice is replaced by one with a voice, the first guest still there.
    """
    await set_book(twin, book(voice=None))
    first = await twin.visitor(modality="voice", language="es-AR")
    silent = await first.turn("Hola")
    await set_book(twin, book())

    second = await twin.visitor(modality="voice", language="es-AR")
    heard = await second.turn("Hola")

    assert first.welcome.modality == "text"
    assert not any(isinstance(one, AudioPiece) for one in silent)
    assert second.welcome.modality == "voice"
    assert any(isinstance(one, AudioPiece) for one in heard)


async def test_a_book_without_a_model_refuses_and_keeps_the_conversation(twin):
    """
    Goal: nothing unpriced is called, and a slip in the book does not end what can go on.
    Method: a turn without any model in the book is refused; with one again it is answered.
    """
    service = await twin.service()
    await set_book(twin, book(chat=None))
    refused = await service.turn("Hola")
    await set_book(twin, book())

    heard = await service.turn("¿Y ahora?", turn="t2")

    assert refused[-1].outcome == "refused"
    assert (heard[-1].outcome, twin.calls()) == ("done", 1)
    assert not any(isinstance(one, Notice) for one in heard)
