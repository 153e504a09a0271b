"""
A twin with live data: the real rules of the gate, the adapters, and vendors on real HTTP.

The sandbox, the gate and the client share one clock, which a test turns.
"""

import contextlib
from datetime import UTC, datetime

import msgspec
import pytest

from contracts.policy import BudgetPolicy, Policy, RatePolicy
from contracts.price_book import PriceBook
from services.client import GateClient
from services.client.patience import Patience, Timing
from services.sandbox.clock import HandClock
from services.sandbox.keys import default_key
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.twins import prices
from services.vendors.data.context_query import MatchQuery, NewsQuery
from services.vendors.data.live_adapters import KINDS
from services.vendors.data.live_context import LiveContext
from services.vendors.outbound import Outbound
from tests.client.fake_gate import FakeGate
from tests.vendors.targets import real

QUICK = Patience(deadline_s=5.0, attempt_s=0.5)
BOOK = PriceBook([prices.SPORTRADAR_SOCCER, prices.API_FOOTBALL, prices.NEWSAPI_EVERYTHING])
PRICE_NANOS = {entry.provider_id: entry.prices["requests"].nanos for entry in BOOK.entries}
ADAPTERS = KINDS
FOOTBALL = ("sportradar", "api-football")
# What each is asked when it does not matter what.
QUERIES = {
    "sportradar": MatchQuery(),
    "api-football": MatchQuery(),
    "newsapi": NewsQuery(words="AI"),
}
# Minute 40 of the two hours on the first pitch is minute 35 of its match; see `match_day`.
MIDNIGHT_US = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp()) * 1_000_000
MINUTE_MS = 60_000


def targets():
    """
    The sandbox for each vendor, and the real ones that the environment names.

    See `tests.vendors.targets` for the names.
    """
    found = [
        pytest.param(vendor, None, Secret(default_key(vendor)), id=vendor) for vendor in ADAPTERS
    ]
    # The id is printed, so the key is no part of it.
    return found + [
        pytest.param(vendor, target.url, target.key, id=f"real-{vendor}")
        for vendor in ADAPTERS
        if (target := real(vendor))
    ]


def policy(limit_nanos=10**12, **rate):
    return Policy(
        rate=RatePolicy(**{"requests": 1_000_000, "burst": 1_000_000, **rate}),
        budget=BudgetPolicy(monthly_hard_limit_nanos=limit_nanos),
        modalities=["data"],
    )


class World:
    """One sandbox and one gate; *gate* is the client of the twin `cantor`."""

    def __init__(self, clock, sandbox, fake_gate, gate, stack):
        self.clock = clock
        self.sandbox = sandbox
        self.fake_gate = fake_gate
        self.gate = gate
        self._stack = stack

    async def twin(self, tenant, keys=None):
        """Provision a twin and put its keys into its vault; returns its client."""
        gate = self.gate if tenant == "cantor" else self.gate.for_tenant(tenant)
        receipt = await gate.provision(
            display_name="A twin",
            organisation="Tests",
            policy=policy(),
            price_book=BOOK,
            activation="immediate",
        )
        assert receipt.status == 200, receipt
        shown = {vendor: default_key(vendor) for vendor in ADAPTERS} | (keys or {})
        for name, value in shown.items():
            assert (await gate.put_secret(name, Secret(value))).status == 200
        return gate

    async def context(self, vendor, *, gate=None, url=None, timeout_s=2.0, **options):
        """A vendor's live context for a twin, over connections of its own."""
        outbound = await self._stack.enter_async_context(
            Outbound(url or self.sandbox.base_url(vendor), timeout_s=timeout_s)
        )
        adapter = ADAPTERS[vendor](vendor, outbound, **options)
        return LiveContext(gate or self.gate, adapter)

    def totals(self, tenant="cantor"):
        return self.fake_gate.totals(tenant)

    def booked(self, tenant="cantor"):
        """Committed and held nanos."""
        totals = self.totals(tenant)
        return totals.committed_nanos, totals.held_nanos

    def authorized(self):
        """How often the gate was asked for a call."""
        return sum(type(it).__name__ == "AuthorizeCall" for it in self.fake_gate.heard)

    def billed(self, vendor):
        """What the vendor bills, in nanos of its price."""
        return self.sandbox.ledger.bill(vendor).requests * PRICE_NANOS[vendor]


@contextlib.asynccontextmanager
async def world(node, *, begins_ms=40 * MINUTE_MS):
    """Everything, at *begins_ms* after midnight."""
    async with contextlib.AsyncExitStack() as stack:
        clock = HandClock(MIDNIGHT_US + begins_ms * 1_000)
        sandbox = await stack.enter_async_context(Sandbox(clock=clock))
        fake_gate = FakeGate(clock.now_us)
        await fake_gate.listen(node.url_for("unrestricted"))
        stack.push_async_callback(fake_gate.close)
        gate = await stack.enter_async_context(
            GateClient.connect(
                node.url_for("client"), tenant="cantor", patience=QUICK, booking=QUICK
            )
        )
        gate.timing = Timing(monotonic_us=clock.now_us, wall_us=clock.now_us)
        made = World(clock, sandbox, fake_gate, gate, stack)
        await made.twin("cantor")
        yield made


def shown(data):
    """The facts as plain values."""
    return [msgspec.to_builtins(fact) for fact in data.facts]
