"""A twin that talks through the agents library: a real gate, the sandbox's vendors, one session."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

from contracts.agent_job import AgentJob
from contracts.policy import BudgetPolicy, Policy, SessionLimits
from contracts.price_book import PriceBook
from contracts.topics import Topic
from contracts.views import BudgetView
from services.agent.twin_session import TwinSession
from services.live.parts import open_parts
from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.settings import Settings
from services.twins import prices
from tests.client.twin import CENT, FAST
from tests.vendors.speaking import price

PROMPT = "Sos Andrés Cantor, relator de fútbol. Hablás español rioplatense. Decí ¡Goooool!"
BOOK = PriceBook(
    [prices.TAVUS_VIDEO, prices.CARTESIA_VOICE, prices.GPT_4O_MINI, prices.SPORTRADAR_SOCCER]
)
HEARING_BOOK = PriceBook([*BOOK.entries, prices.DEEPGRAM_HEARING])
PAID_ROOM_BOOK = PriceBook([*BOOK.entries, prices.LIVEKIT_ROOM])
PRICED = {
    "tavus": prices.TAVUS_VIDEO,
    "openai": prices.GPT_4O_MINI,
    "cartesia": prices.CARTESIA_VOICE,
    "sportradar": prices.SPORTRADAR_SOCCER,
    "deepgram": prices.DEEPGRAM_HEARING,
}
WITHIN_S = 20.0
# The twin has a short answer of its own to this: what is heard takes as long as it lasts.
SHORT = "precio"


def rules(*, limit_nanos=1_000 * CENT, **fields):
    wanted = {
        "rate": FAST,
        "budget": BudgetPolicy(monthly_hard_limit_nanos=limit_nanos),
        "modalities": ["video", "voice", "text", "data"],
        "ladder": ["video", "voice", "text"],
        "session": SessionLimits(),
    }
    return Policy(**(wanted | fields))


async def provision(gate, book=BOOK, **fields):
    """A live twin that is told what to say, with the sandbox's keys in its vault."""
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
    short = Topic(name="Precios", phrases=["precio"])
    assert (await gate.set_topics([short], expected_version=0)).status == 200
    for vendor in PRICED:
        assert (await gate.put_secret(vendor, Secret(f"sandbox-{vendor}"))).status == 200


class PaperStage:
    """A stage that keeps what it was asked for. *reads*: whether somebody reads disclosures."""

    def __init__(self, *, reads=True):
        self.reads = reads
        self.disclosed = []
        self.states = []
        self.hung_up = 0

    async def disclose(self, disclosure):
        self.disclosed.append(disclosure)
        return self.reads

    async def show(self, state):
        self.states.append(state)

    def watch(self, over):
        self.leave = over

    def listen(self):
        raise AssertionError("nobody can be heard here")

    async def hang_up(self):
        self.hung_up += 1


class Talking:
    """One twin; sessions of it are closed at the end of its block."""

    def __init__(self, gate, sandbox, parts, stack):
        self.gate = gate
        self.sandbox = sandbox
        self.parts = parts
        self._stack = stack

    def job(self, **fields):
        wanted = {"tenant": self.gate.tenant, "session_id": "s-1", "language": "es-AR"}
        return AgentJob(**(wanted | {"modality": "text"} | fields))

    async def open(self, stage=None, **fields):
        """A session in text, without a room."""
        held = TwinSession(self.gate, self.parts, self.job(**fields), stage or PaperStage())
        self._stack.push_async_callback(held.aclose)
        await held.open()
        return held

    async def session(self, session_id="s-1"):
        (found,) = (await self.gate.find_sessions([session_id])).sessions
        return found

    async def books(self):
        return await self.gate.show(BudgetView)

    def billed_nanos(self):
        """What the vendors bill, at the twin's prices."""
        ledger = self.sandbox.ledger
        return sum(price(entry, ledger.bill(vendor)) for vendor, entry in PRICED.items())

    def calls(self, vendor="openai"):
        return self.sandbox.ledger.count(vendor)

    async def settled(self):
        """Wait until nothing is held any more; returns what was committed."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                books = await self.books()
                if not books.open_holds:
                    return next(one.committed for one in books.meters if one.meter == "money")
                await asyncio.sleep(0.01)


@asynccontextmanager
async def talking(deployment, tenant, *, clock=None, book=BOOK, **policy):
    """A twin of its own on *deployment*, with a sandbox of its own."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(clock=clock or HandClock()))
        parts = await open_parts(Settings.from_env({"VITO_SANDBOX_URL": sandbox.url}), stack)
        gate = await stack.enter_async_context(deployment.client(tenant))
        await provision(gate, book, **policy)
        async with AsyncExitStack() as sessions:
            yield Talking(gate, sandbox, parts, sessions)


def said(result):
    """What the twin said in a run."""
    return [
        event.item.text_content
        for event in result.events
        if event.type == "message" and event.item.role == "assistant"
    ]


async def until(is_so, *, within_s=WITHIN_S):
    """Let what is under way come about."""
    async with asyncio.timeout(within_s):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.005)
