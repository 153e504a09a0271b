"""The adapters that a process opens, all of them against the sandbox, as one twin uses them."""

import pytest

from contracts.price_book import PriceBook
from services.secret import Secret
from services.twins.prices import CARTESIA_VOICE, CLAUDE_SONNET, DEEPGRAM_HEARING, GPT_4O_MINI
from services.vendors.adapter import Vendors
from services.vendors.metered import metered_call
from services.vendors.metered_pieces import metered_pieces
from services.vendors.speaking_adapters import ADDRESSES, speaking_adapters
from services.vendors.speech.hearing import Hearing
from services.vendors.speech.speaking import Speech
from tests.vendors.speaking import chat, said, speech, without_turns

PRODUCTS = {
    entry.provider_id: entry
    for entry in (GPT_4O_MINI, CLAUDE_SONNET, CARTESIA_VOICE, DEEPGRAM_HEARING)
}


@pytest.mark.parametrize("provider_id", ADDRESSES)
async def test_each_speaks_with_its_own_key_to_its_own_bill(speaker, sandbox, books, provider_id):
    """Two vendors that speak alike are two bills, two prices and two keys."""
    await speaker.set_price_book(PriceBook(list(PRODUCTS.values())))
    await speaker.put_secret(provider_id, Secret(f"sandbox-{provider_id}"))
    async with speaking_adapters(sandbox.url) as adapters:
        vendors = Vendors(*adapters)
        receipt = await called(speaker, vendors, provider_id)

    assert receipt.cost_nanos > 0
    assert without_turns(books.settled.usage) == books.billed(provider_id)


async def called(gate, vendors, provider_id):
    adapter, sku = vendors[provider_id], PRODUCTS[provider_id].sku
    if isinstance(adapter, Hearing):
        return (await metered_call(gate, vendors, adapter.way(sku, said("hola")))).receipt
    way = (
        adapter.way(sku, speech("¡Hola!"))
        if isinstance(adapter, Speech)
        else adapter.way(sku, chat("hola"), output_tokens=50)
    )
    async with metered_pieces(gate, vendors, way) as talk:
        async for _ in talk:
            pass
    return talk.receipt


def test_real_addresses_are_those_of_the_vendors():
    """Encrypted, and each at home with its vendor; a key goes nowhere else."""
    for provider_id, (address, _, _) in ADDRESSES.items():
        assert address.startswith(f"https://api.{provider_id}.")
