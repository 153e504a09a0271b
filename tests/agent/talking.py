"""A twin that talks through the agents library: a real gate, the sandbox's vendors, one session."""

from contextlib import AsyncExitStack, asynccontextmanager

from contracts.agent_job import AgentJob
from contracts.topics import Topic
from services.agent.twin_session import TwinSession
from services.live.parts import open_parts
from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox
from services.settings import Settings
from tests.rig.talking_twin import BOOK, TalkingTwin, provision, rules, until

__all__ = ["BOOK", "SHORT", "PaperStage", "Talking", "rules", "said", "talking", "until"]

# The twin has a short answer of its own to this: what is heard takes as long as it lasts.
SHORT = "precio"


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

    async def hang_up(self):
        self.hung_up += 1


class Talking(TalkingTwin):
    """One twin; sessions of it are closed at the end of its block."""

    def __init__(self, gate, sandbox, parts, stack):
        super().__init__(gate, sandbox)
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


@asynccontextmanager
async def talking(deployment, tenant, *, clock=None, **policy):
    """A twin of its own on *deployment*, with a sandbox of its own."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(clock=clock or HandClock()))
        parts = await open_parts(Settings.from_env({"VITO_SANDBOX_URL": sandbox.url}), stack)
        gate = await stack.enter_async_context(deployment.client(tenant))
        short = Topic(name="Precios", phrases=[SHORT])
        await provision(gate, short, **policy)
        async with AsyncExitStack() as sessions:
            yield Talking(gate, sandbox, parts, sessions)


def said(result):
    """What the twin said in a run."""
    return [
        event.item.text_content
        for event in result.events
        if event.type == "message" and event.item.role == "assistant"
    ]
