"""A counting vendor on real HTTP, its adapter, and a client of a gate."""

import pytest

from services.client import GateClient
from services.client.patience import Patience
from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.vendors.adapter import Vendors, Way
from services.vendors.chat.openai_chat import OpenAIChat
from services.vendors.counting import CountingAdapter
from services.vendors.counting_vendor import CountingVendor
from services.vendors.outbound import Outbound
from services.vendors.speech.cartesia import Cartesia
from tests.client.fake_gate import FakeGate
from tests.client.twin import option, provision
from tests.vendors import speaking

QUICK = Patience(deadline_s=5.0, attempt_s=0.2)


@pytest.fixture
async def fake_gate(own_nats):
    gate = FakeGate()
    await gate.listen(own_nats.url_for("unrestricted"))
    yield gate
    await gate.close()


@pytest.fixture
async def client(own_nats, fake_gate):
    async with GateClient.connect(
        own_nats.url_for("client"), tenant="cantor", patience=QUICK, booking=QUICK
    ) as gate:
        await provision(gate)
        yield gate


@pytest.fixture
async def vendor():
    async with CountingVendor() as vendor:
        yield vendor


@pytest.fixture
async def adapter(vendor):
    async with Outbound(vendor.url, timeout_s=2.0) as outbound:
        yield CountingAdapter("acme", outbound)


@pytest.fixture
def vendors(adapter):
    return Vendors(adapter)


@pytest.fixture
def way():
    """Up to three requests, of which the vendor will bill two."""
    return Way(option(requests=3), {"usage": {"requests": 2}})


@pytest.fixture
async def sandbox():
    async with Sandbox(clock=HandClock()) as sandbox:
        yield sandbox


@pytest.fixture
async def speaker(own_nats, fake_gate):
    """A client of a twin that may write and speak, with the sandbox's keys in its vault."""
    async with GateClient.connect(
        own_nats.url_for("client"), tenant="cantor", patience=QUICK, booking=QUICK
    ) as gate:
        await speaking.provision(gate)
        for vendor in ("openai", "cartesia"):
            await gate.put_secret(vendor, Secret(f"sandbox-{vendor}"))
        yield gate


@pytest.fixture
def books(fake_gate, sandbox):
    return speaking.Books(fake_gate, sandbox)


@pytest.fixture
async def model(sandbox):
    async with Outbound(f"{sandbox.base_url('openai')}/v1") as outbound:
        yield OpenAIChat("openai", outbound, total_s=5.0, idle_s=2.0)


@pytest.fixture
async def voice(sandbox):
    async with Outbound(sandbox.base_url("cartesia")) as outbound:
        yield Cartesia("cartesia", outbound, idle_s=2.0)


@pytest.fixture
def speakers(model, voice):
    return Vendors(model, voice)
