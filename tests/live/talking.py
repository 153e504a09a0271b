"""A twin that people talk with: a real gate, the real gateway and engine, the sandbox's vendors."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import msgspec

from contracts.access import IssueKey
from contracts.deployment import CreateDeployment, DeploymentTerms, Disclosure, EnableDeployment
from contracts.policy import BudgetPolicy, Policy, SessionLimits
from contracts.price_book import PriceBook
from contracts.topics import Topic
from contracts.views import BudgetView
from services.client.patience import Timing
from services.client.sender import new_id
from services.gateway import server
from services.gateway.limits import Limits
from services.gateway.video_page import VideoPage
from services.http_door.authentication import Authentication, CredentialRefused
from services.http_door.authentication import Identity as Door
from services.http_door.gate_line import GateLine
from services.live.engine import open_engine
from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.twins import prices
from tests.client.twin import CENT, FAST
from tests.gateway.talker import Talker
from tests.http_door.people import FakeDirectory, FakeTokens
from tests.vendors.speaking import price

PAGE = "https://tvazteca.example"
PROMPT = "Sos Andrés Cantor, relator de fútbol. Hablás español rioplatense. Decí ¡Goooool!"
BOOK = PriceBook(
    [
        prices.TAVUS_VIDEO,
        prices.CARTESIA_VOICE,
        prices.DEEPGRAM_HEARING,
        prices.GPT_4O_MINI,
        prices.SPORTRADAR_SOCCER,
    ]
)
PRICED = {
    "tavus": prices.TAVUS_VIDEO,
    "openai": prices.GPT_4O_MINI,
    "cartesia": prices.CARTESIA_VOICE,
    "deepgram": prices.DEEPGRAM_HEARING,
    "sportradar": prices.SPORTRADAR_SOCCER,
}
WITHIN_S = 10.0
ACKNOWLEDGED_EVERY = 8


class NoOther:
    """Knows no token but those that a test has made."""

    def verify(self, _text):
        raise CredentialRefused("The token was not made here.")


def rules(*, limit_nanos=1_000 * CENT, **fields):
    wanted = {
        "rate": FAST,
        "budget": BudgetPolicy(monthly_hard_limit_nanos=limit_nanos),
        "modalities": ["video", "voice", "text", "data"],
        "ladder": ["video", "voice", "text"],
        "session": SessionLimits(),
    }
    return Policy(**(wanted | fields))


async def provision(gate, **fields):
    """A live twin that is told what to say, shown on one page, with keys in its vault."""
    receipt = await gate.provision(
        display_name="A twin that talks",
        organisation="Tests",
        policy=rules(**fields),
        price_book=BOOK,
        activation="immediate",
    )
    assert receipt.status == 200, receipt
    assert (await gate.save_prompt(PROMPT, expected_version=0)).status == 200
    assert (await gate.activate_prompt(1)).status == 200
    bets = Topic(name="Apuestas", phrases=["casa de apuestas"])
    assert (await gate.set_topics([bets], expected_version=0)).status == 200
    for vendor in PRICED:
        assert (await gate.put_secret(vendor, Secret(f"sandbox-{vendor}"))).status == 200
    terms = DeploymentTerms(surface="web_widget", ceiling="video", origins=[PAGE])
    told = Disclosure(text="Hablas con una IA.", language="es-AR")
    for command in (
        CreateDeployment(command_id=new_id(), deployment="web", terms=terms, disclosure=told),
        EnableDeployment(command_id=new_id(), deployment="web"),
    ):
        assert (await gate.tell(command)).status == 200


class Reader(Talker):
    """A talker that acknowledges what it hears, as a page does: now and then."""

    acknowledged = 0

    async def hear(self):
        message = await super().hear()
        position = getattr(message, "position", 0)
        if position - self.acknowledged >= ACKNOWLEDGED_EVERY and not self.socket.closed:
            self.acknowledged = position
            await self.say("acknowledge", position=position)
        return message


class Talking:
    """One twin. *clock* is the vendors' and, where a test wants that, the engine's."""

    def __init__(self, gate, sandbox, engine, session):
        self.gate = gate
        self.sandbox = sandbox
        self.engine = engine
        self.directory = FakeDirectory()
        self.tokens = FakeTokens(NoOther())
        self.session = session
        self.running = None
        self.shows_meter = True
        self.talkers = []

    @property
    def tenant(self):
        return self.gate.tenant

    @property
    def gateway(self):
        return self.running.gateway

    # -- who comes -------------------------------------------------------------------

    async def knocks(self):
        """A visitor of the page, who has not said hello yet."""
        path = f"{self.running.url}/v1/twins/{self.tenant}/deployments/web/visitors"
        async with self.session.post(path, headers={"Origin": PAGE}) as answer:
            assert answer.status == 200, await answer.text()
            token = (await answer.json())["token"]
        return await self._connect(token, {"Origin": PAGE})

    async def visitor(self, **hello):
        """A visitor of the page, who has read the disclosure."""
        talker = await self.knocks()
        welcome = await talker.hello(**hello)
        assert welcome.disclosure is not None, welcome
        await talker.say("disclosed", version=welcome.disclosure.version)
        return talker

    async def service(self, **hello):
        """A service with a key of the twin's."""
        text = self.directory.add_key(self.tenant, "calls")
        (record,) = self.directory.keys.values()
        receipt = await self.gate.tell(_issue(record))
        assert receipt.status == 200, receipt
        talker = await self._connect(text, {})
        await talker.hello(**hello)
        return talker

    async def _connect(self, credential, headers):
        socket = await self.session.ws_connect(
            f"{self.running.url}/v1/twins/{self.tenant}/stream",
            protocols=["vito.v1", f"bearer.{credential}"],
            headers=headers,
            autoping=False,
        )
        self.talkers.append(Reader(socket, self))
        return self.talkers[-1]

    # -- what is so ------------------------------------------------------------------

    async def found(self, talker):
        """The session of a conversation, as the gate has it."""
        (one,) = (await self.gate.find_sessions([talker.welcome.session_id])).sessions
        return one

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


@asynccontextmanager
async def talking(deployment, tenant, *, clock=None, shows_meter=True, **policy):
    """A twin of its own on *deployment*, with a gateway and vendors of its own."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(clock=clock or HandClock()))
        settings = msgspec.structs.replace(
            deployment.settings, sandbox_url=sandbox.url, default_voice="v-1", default_face="r-1"
        )
        engine = await stack.enter_async_context(open_engine(settings))
        if clock is not None:
            engine._gate.timing = by_hand(clock)
            engine._parts.vendors["tavus"]._timing = by_hand(clock)
        gate = await stack.enter_async_context(deployment.client(tenant))
        await provision(gate, **policy)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        made = Talking(gate, sandbox, engine, session)
        made.shows_meter = shows_meter
        line = GateLine(settings.nats("gateway"), name="gateway")
        stack.push_async_callback(line.close)
        async with AsyncExitStack() as serving:
            made.running = await server.start(_parts(made, line), serving)
            yield made
            for talker in made.talkers:
                talker.drop()


def by_hand(clock):
    """The engine's time, from the vendors' clock."""

    async def sleep(for_s):
        # Up to the next whole millisecond: who wakes too early would ask for nothing, for ever.
        await clock.sleep_ms(-(-round(for_s * 1_000_000) // 1_000))

    return Timing(monotonic_us=clock.now_us, wall_us=clock.now_us, sleep=sleep)


def _parts(made, line):
    door = Door(made.directory, made.tokens, _now_us, lambda *_key: None, "test")
    return server.Parts(
        host="127.0.0.1",
        port=0,
        authentication=Authentication(None, door),
        directory=made.directory,
        gate=line,
        tokens=made.tokens,
        conversations=made.engine,
        limits=Limits(close_s=5.0, drain_s=0.05),
        clock_s=time.monotonic,
        clock_us=_now_us,
        shows_meter=made.shows_meter,
        video=VideoPage(made.sandbox.url),
    )


def _now_us():
    return time.time_ns() // 1_000


def _issue(record):
    return IssueKey(
        command_id=new_id(),
        key_id=record.key_id,
        label="service",
        scopes=sorted(record.scopes),
        secret_hash=record.secret_hash,
    )


def texts(messages):
    """What the twin has said in these."""
    return "".join(message.text for message in messages if hasattr(message, "text"))


async def until(is_so):
    """Let what is under way come about."""
    async with asyncio.timeout(WITHIN_S):
        while not is_so():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)
