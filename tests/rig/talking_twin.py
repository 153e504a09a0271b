"""A twin that can be talked with, whoever holds the conversation: its terms, and its books."""

from __future__ import annotations

import asyncio

from contracts.policy import BudgetPolicy, Policy, SessionLimits
from contracts.price_book import PriceBook
from contracts.views import BudgetView
from services.secret import Secret
from services.twins import prices
from tests.client.twin import CENT, FAST
from tests.vendors.speaking import price

PROMPT = "Sos Andrés Cantor, relator de fútbol. Hablás español rioplatense. Decí ¡Goooool!"
BOOK = PriceBook(
    [prices.TAVUS_VIDEO, prices.CARTESIA_VOICE, prices.GPT_4O_MINI, prices.SPORTRADAR_SOCCER]
)
HEARING_BOOK = PriceBook([*BOOK.entries, prices.DEEPGRAM_HEARING])
PRICED = {entry.provider_id: entry for entry in HEARING_BOOK.entries}
WITHIN_S = 20.0


def rules(*, limit_nanos=1_000 * CENT, **fields):
    wanted = {
        "rate": FAST,
        "budget": BudgetPolicy(monthly_hard_limit_nanos=limit_nanos),
        "modalities": ["video", "voice", "text", "data"],
        "ladder": ["video", "voice", "text"],
        "session": SessionLimits(),
    }
    return Policy(**(wanted | fields))


async def provision(gate, topic, book=BOOK, **fields):
    """A live twin that is told what to say and what not, with the sandbox's keys in its vault."""
    receipt = await gate.provision(
        display_name="A twin that talks",
        organisation="Tests",
        policy=rules(**fields),
        price_book=book,
        activation="immediate",
    )
    assert receipt.status == 200, receipt
    assert (await gate.save_prompt(PROMPT, expected_version=0)).status == 200
    assert (await gate.activate_prompt(1)).status == 200
    assert (await gate.set_topics([topic], expected_version=0)).status == 200
    for vendor in PRICED:
        assert (await gate.put_secret(vendor, Secret(f"sandbox-{vendor}"))).status == 200


class TalkingTwin:
    """What is booked of a twin, and what its vendors bill."""

    def __init__(self, gate, sandbox):
        self.gate = gate
        self.sandbox = sandbox

    async def books(self):
        return await self.gate.show(BudgetView)

    def billed_nanos(self):
        """What the vendors bill, at the twin's prices."""
        self.sandbox.reckon()
        ledger = self.sandbox.ledger
        return sum(price(entry, ledger.bill(vendor)) for vendor, entry in PRICED.items())

    def calls(self, vendor="openai"):
        return self.sandbox.ledger.count(vendor)

    async def settled(self, clock=None):
        """Wait until nothing is held any more, time passing by *clock*; return what was booked."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                if clock is not None:
                    clock.advance_ms(100)
                books = await self.books()
                if not books.open_holds:
                    return next(one.committed for one in books.meters if one.meter == "money")
                await asyncio.sleep(0.01)


async def until(is_so):
    """Let what is under way come about."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.005)
