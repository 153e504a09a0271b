"""A twin with one provider whose calls cost a cent, and a gate that decides about it."""

import pytest

from services.client import GateClient
from services.client.patience import Patience
from tests.client.fake_gate import FakeGate
from tests.client.twin import provision

QUICK = Patience(deadline_s=5.0, attempt_s=0.2)


@pytest.fixture
async def fake_gate(own_nats):
    """A gate that listens on a nats-server of its own."""
    gate = FakeGate()
    await gate.listen(own_nats.url_for("unrestricted"))
    yield gate
    await gate.close()


@pytest.fixture
async def client(own_nats, fake_gate):
    """A client of tenant `cantor`, as the confined user that services log in as."""
    async with GateClient.connect(
        own_nats.url,
        tenant="cantor",
        user="client",
        password=own_nats.password("client"),
        patience=QUICK,
        booking=QUICK,
    ) as gate:
        await provision(gate)
        fake_gate.heard.clear()
        yield gate
