"""Keys are tested with real adapters, by calls that are granted, tiny, settled and in the log."""

from contextlib import AsyncExitStack

import pytest
from msgspec.structs import replace

from contracts.price_book import PriceBook
from contracts.secret import SecretsView
from services.secret import Secret
from services.twins import prices
from services.vendors.data.live_adapters import live_adapters
from services.vendors.face.tavus import TavusAdapter
from services.vendors.key_trial import ANSWER_TOKENS, WORDS, try_key
from services.vendors.outbound import Outbound
from services.vendors.speaking_adapters import speaking_adapters
from tests.client.twin import CENT
from tests.vendors.speaking import rules

PRODUCTS = (
    prices.GPT_4O_MINI,
    prices.CLAUDE_SONNET,
    prices.CARTESIA_VOICE,
    prices.DEEPGRAM_HEARING,
    prices.TAVUS_VIDEO,
    prices.SPORTRADAR_SOCCER,
    prices.API_FOOTBALL,
    prices.NEWSAPI_EVERYTHING,
)
VENDORS = tuple(entry.provider_id for entry in PRODUCTS)
EVERYTHING = {
    "modalities": ["video", "voice", "text", "data"],
    "ladder": ["video", "voice", "text"],
}


@pytest.fixture
async def adapters(sandbox):
    """What a process has, all of it against the sandbox."""
    async with AsyncExitStack() as stack:
        speaking = await stack.enter_async_context(speaking_adapters(sandbox.url))
        live = await stack.enter_async_context(live_adapters(sandbox.url))
        outbound = await stack.enter_async_context(Outbound(sandbox.base_url("tavus")))
        made = (*speaking, *live, TavusAdapter("tavus", outbound, deployment="tests"))
        yield {one.provider_id: one for one in made}


@pytest.fixture
async def gate(speaker):
    """A client of a twin that waits for its sign-off, and has a price and a key of everybody."""
    twin = speaker.for_tenant("eva")
    receipt = await twin.provision(
        display_name="Eva",
        organisation="Tests",
        policy=rules(**EVERYTHING),
        price_book=PriceBook(list(PRODUCTS)),
    )
    assert receipt.status == 200
    for vendor in VENDORS:
        await twin.put_secret(vendor, Secret(f"sandbox-{vendor}"))
    return twin


async def _tested(gate, adapters, name):
    found = await try_key(gate, adapters, name, voice="v-1")
    assert bool(found.code) is (found.outcome != "works")
    assert found.title
    return found


def _settled(fake_gate):
    return [one.usage for one in fake_gate.heard if type(one).__name__ == "SettleCall"]


async def test_every_vendor_takes_its_key_and_is_paid(gate, adapters, fake_gate):
    """Before anybody has signed the twin off; an avatar is not even begun."""
    assert set(adapters) == set(VENDORS)
    for name in VENDORS:
        found = await _tested(gate, adapters, name)
        assert (found.outcome, found.remedy) == ("works", ""), name
        assert found.decision_id.startswith("eva.")
        assert found.cost_nanos <= CENT
    asked = {
        one.provider_id: one.purpose
        for one in fake_gate.heard
        if type(one).__name__ == "AuthorizeCall"
    }
    assert asked == dict.fromkeys(VENDORS, "test") | {"tavus": "reconciliation"}
    assert len(_settled(fake_gate)) == len(VENDORS) - 1
    assert max(usage.output_tokens for usage in _settled(fake_gate)) <= ANSWER_TOKENS
    assert fake_gate.totals("eva").held_nanos == 0
    opened = {one.name: one.versions[0].openings for one in (await gate.show(SecretsView)).secrets}
    assert opened == dict.fromkeys(VENDORS, 1)


async def test_a_wrong_key_is_told_from_none_and_from_a_vendor_that_is_away(
    gate, adapters, sandbox, fake_gate
):
    """And from a name that is no vendor's. Whatever happens, nothing stays held."""
    for name in ("openai", "tavus", "newsapi"):
        await gate.put_secret(name, Secret("wrong-wrong-wrong-wrong"))
        assert (await _tested(gate, adapters, name)).outcome == "key_refused", name
    await gate.revoke_secret("deepgram")
    refused = await _tested(gate, adapters, "deepgram")
    assert (refused.outcome, refused.code) == ("refused", "secret_unusable")
    assert (await _tested(gate, adapters, "nobody")).outcome == "not_testable"
    await sandbox.__aexit__(None, None, None)
    assert (await _tested(gate, adapters, "anthropic")).outcome == "unreachable"
    assert fake_gate.totals("eva").held_nanos == 0


async def test_what_the_gate_refuses_is_said_in_its_words(gate, adapters):
    """No money, no price, and no voice to speak with."""
    tight = replace(rules(**EVERYTHING), budget=rules(limit_cents=0).budget)
    await gate.set_policy(tight)
    broke = await _tested(gate, adapters, "openai")
    assert (broke.outcome, broke.code) == ("refused", "monthly_hard_limit_reached")
    assert broke.remedy
    assert (await try_key(gate, adapters, "cartesia")).outcome == "no_voice"
    await gate.set_price_book(PriceBook([prices.GPT_4O_MINI]))
    assert (await _tested(gate, adapters, "cartesia")).outcome == "no_price"
    assert set(WORDS) >= {"no_price", "no_voice"}
