"""A twin that people talk with: a real gate, the real gateway and engine, the sandbox's vendors."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import msgspec

from contracts.access import IssueKey
from contracts.deployment import CreateDeployment, DeploymentTerms, Disclosure, EnableDeployment
from contracts.topics import Topic
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
from tests.gateway.talker import Talker
from tests.http_door.people import FakeDirectory, FakeTokens
from tests.rig import talking_twin
from tests.rig.talking_twin import HEARING_BOOK as BOOK
from tests.rig.talking_twin import TalkingTwin, rules, until

__all__ = ["BOOK", "Talking", "by_hand", "rules", "talking", "texts", "until"]

PAGE = "https://tvazteca.example"
ACKNOWLEDGED_EVERY = 8


class NoOther:
    """Knows no token but those that a test has made."""

    def verify(self, _text):
        raise CredentialRefused("The token was not made here.")


async def provision(gate, **fields):
    """A live twin that is shown on one page, and can be spoken to."""
    bets = Topic(name="Apuestas", phrases=["casa de apuestas"])
    await talking_twin.provision(gate, bets, BOOK, **fields)
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


class Talking(TalkingTwin):
    """One twin. *clock* is the vendors' and, where a test wants that, the engine's."""

    def __init__(self, gate, sandbox, engine, session):
        super().__init__(gate, sandbox)
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
        talker = await self._connect(await self.key(), {})
        await talker.hello(**hello)
        return talker

    async def key(self):
        """A new API key, which gateway and gate know."""
        before = set(self.directory.keys)
        text = self.directory.add_key(self.tenant, "calls")
        (name,) = set(self.directory.keys) - before
        receipt = await self.gate.tell(_issue(self.directory.keys[name]))
        assert receipt.status == 200, receipt
        return text

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
