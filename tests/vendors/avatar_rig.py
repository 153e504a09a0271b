"""An avatar session on one clock: a gate with real rules, the sandbox's Tavus, and a client."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp

from contracts.budget import CallOption
from contracts.policy import BudgetPolicy, Policy
from contracts.price_book import Price, PriceBook, PriceEntry
from contracts.usage import Usage
from domain import gate
from services.client import GateClient
from services.client.patience import Patience, Timing
from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.vendors.adapter import Way
from services.vendors.face.avatar import AvatarConfig, RuntimeLimits
from services.vendors.face.metered_avatar import MeteredAvatar
from services.vendors.face.tavus import TavusAdapter
from services.vendors.outbound import Outbound
from tests.client.fake_gate import FakeGate
from tests.client.twin import FAST, READ

QUICK = Patience(deadline_s=5.0, attempt_s=0.5)
SLICE_MS = 60_000
# A nano a microsecond, so that a slice costs 60 cents.
NANOS_PER_MS = 10_000
SLICE_NANOS = SLICE_MS * NANOS_PER_MS
BOOK = PriceBook(
    [
        PriceEntry("tavus", "cvi", "video", {"stream_ms": Price(NANOS_PER_MS)}, READ),
        PriceEntry("livekit", "room", "video", {"stream_ms": Price(NANOS_PER_MS)}, READ),
    ]
)
CONFIG = AvatarConfig(persona="p1", replica="r1")
LIMITS = RuntimeLimits(session_ms=3_600_000, absent_ms=3_600_000)


def rules(slices=1_000):
    return Policy(
        rate=FAST,
        budget=BudgetPolicy(monthly_hard_limit_nanos=slices * SLICE_NANOS),
        modalities=["video"],
    )


def way(provider_id="tavus", sku="cvi", stream_ms=SLICE_MS):
    return Way(CallOption("video", provider_id, sku, Usage(stream_ms=stream_ms)))


class Rig:
    """*clock* is everybody's: the gate's, the client's and the vendor's."""

    def __init__(self, nats):
        self.nats = nats
        self.clock = HandClock()
        self.timing = Timing(
            monotonic_us=self.clock.now_us, wall_us=self.clock.now_us, sleep=self.sleep
        )
        self.sandbox = Sandbox(clock=self.clock)
        self.vendor = self.sandbox.vendors["tavus"]
        self.gate = FakeGate(now_us=self.clock.now_us)
        self.ended = []
        self.avatars = []

    async def sleep(self, for_s):
        await self.clock.sleep_ms(round(for_s * 1_000))

    @asynccontextmanager
    async def client(self):
        async with GateClient.connect(
            self.nats.url_for("client"), tenant="cantor", patience=QUICK, booking=QUICK
        ) as client:
            client.timing = self.timing
            yield client

    @asynccontextmanager
    async def open(self):
        await self.gate.listen(self.nats.url_for("unrestricted"))
        try:
            async with (
                self.sandbox,
                self.client() as self.client_,
                Outbound(self.sandbox.base_url("tavus"), timeout_s=2.0) as self.outbound,
            ):
                self.adapter = TavusAdapter("tavus", self.outbound, timing=self.timing)
                await self.provision()
                # What is on its way when a test ends must not wait for a clock that stands.
                try:
                    yield self
                finally:
                    await self.finish()
        finally:
            await self.gate.close()

    async def provision(self, client=None):
        client = client or self.client_
        made = await client.provision(
            display_name="A twin",
            organisation="Tests",
            policy=rules(),
            price_book=BOOK,
            activation="immediate",
        )
        assert made.status == 200
        for name, vendor in self.sandbox.vendors.items():
            await client.put_secret(name, Secret(vendor.usable_key))

    async def finish(self):
        draining = asyncio.ensure_future(self.client_.errands.drain())
        while not draining.done():
            self.clock.advance_ms(1_000)
            await asyncio.sleep(0.001)

    def avatar(self, **fields):
        made = MeteredAvatar(self.client_, self.adapter, way(), on_end=self.ended.append, **fields)
        self.avatars.append(made)
        return made

    # -- time -----------------------------------------------------------------------

    async def until(self, is_so, *, advance_ms=0):
        """Let what is under way come about; with *advance_ms*, time passes meanwhile."""
        async with asyncio.timeout(10):
            while not is_so():
                if advance_ms and self.clock._sleepers:
                    self.clock.advance_ms(advance_ms)
                await asyncio.sleep(0.001)

    async def pass_ms(self, for_ms):
        """Let *for_ms* pass, a second at a time; whoever wakes is waited for, not timed."""
        for _ in range(for_ms // 1_000):
            self.clock.advance_ms(1_000)
            await self.until(self.is_asleep)

    def is_asleep(self):
        """Whether every session waits for its time: nothing is on its way to gate or vendor."""
        awake = sum(one._renewing is not None and not one._renewing.done() for one in self.avatars)
        asleep = sum(not woken.done() for *_, woken in self.clock._sleepers)
        return asleep >= awake

    async def outbound_create(self, avatar):
        """A create that arrives at the vendor long after it was sent."""
        name = f"vito:development:{avatar.decision.reservation_id}"
        body = {"persona_id": "p1", "conversation_name": name}
        assert await self.create(body) == 200

    async def create(self, body):
        """Create a conversation behind everybody's back; it waits an hour for its visitor."""
        body = {"properties": {"participant_absent_timeout": 3_600}, **body}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.sandbox.base_url('tavus')}/v2/conversations",
                json=body,
                headers={"x-api-key": "sandbox-tavus"},
            ) as response,
        ):
            return response.status

    # -- what is the case ---------------------------------------------------------------

    def heard(self, kind):
        return [command for command in self.gate.heard if type(command).__name__ == kind]

    def billed_ms(self):
        self.sandbox.reckon()
        return self.sandbox.ledger.bill("tavus").stream_ms

    def booked_ms(self):
        return sum(command.usage.stream_ms for command in self.heard("SettleCall"))

    def committed_nanos(self):
        return self.gate.totals("cantor").committed_nanos

    def held_nanos(self):
        return self.gate.totals("cantor").held_nanos

    def expire(self, by_ms=600_000):
        """Let every hold run out, in writing."""
        self.clock.advance_ms(by_ms)
        state = self.gate.states["cantor"]
        self.gate.apply(state, gate.due(state, self.clock.now_us()))

    def calls(self, operation):
        return self.sandbox.ledger.count("tavus", operation)
