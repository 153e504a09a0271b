"""The two twins are documents that the gate accepts, and differ as the requirements say."""

import msgspec
import pytest

from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.usage import Usage
from domain import policy, price_book
from domain.period import zone
from services.client import GateClient
from services.twins import CANTOR, FERNANDEZ, TWINS
from services.twins.provisioning import NotProvisioned, provision_demo_twins
from services.twins.twin import USD
from tests.client.fake_gate import FakeGate


@pytest.fixture
async def gate(own_nats):
    fake = FakeGate()
    await fake.listen(own_nats.url_for("unrestricted"))
    async with GateClient.connect(own_nats.url_for("client"), tenant="cantor") as client:
        client.fake = fake
        yield client
    await fake.close()


def cost_nanos(twin, provider_id, sku, **usage):
    entry = next(e for e in twin.price_book.entries if (e.provider_id, e.sku) == (provider_id, sku))
    tariff = price_book.work_out(entry)
    return price_book.cost_nanos(tariff, Usage(**usage))


class TestDocuments:
    @pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.tenant)
    def test_they_survive_the_contract_and_contradict_nothing(self, twin):
        """Python structs are not checked when built; over the wire every bound is."""
        for part, kind in ((twin.policy, Policy), (twin.price_book, PriceBook)):
            assert msgspec.json.decode(msgspec.json.encode(part), type=kind) == part
        assert policy.contradiction(twin.policy) is None
        assert price_book.duplicate(twin.price_book) is None
        assert zone(twin.policy.time_zone) is not None

    @pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.tenant)
    def test_every_price_says_where_it_comes_from(self, twin):
        """A price that no vendor publishes must not look like one that it does."""
        for entry in twin.price_book.entries:
            assert entry.provenance.note.startswith(("list price", "assumption"))

    def test_prices_are_the_published_ones(self):
        """Exact in nanos: a slip of a power of ten would pass every other test."""
        assert cost_nanos(CANTOR, "tavus", "cvi", stream_ms=60_000) == 37 * USD // 100
        assert cost_nanos(CANTOR, "cartesia", "sonic-3", characters=1_000, stream_ms=9) == (
            5 * USD // 100
        )
        assert cost_nanos(CANTOR, "openai", "gpt-4o-mini", input_tokens=10**6) == 15 * USD // 100
        assert cost_nanos(CANTOR, "openai", "gpt-4o-mini", output_tokens=10**6) == 60 * USD // 100
        assert cost_nanos(FERNANDEZ, "anthropic", "claude-sonnet-4-5", input_tokens=1) == 3_000
        assert cost_nanos(FERNANDEZ, "anthropic", "claude-sonnet-4-5", output_tokens=1) == 15_000

    def test_the_same_engine_has_two_configurations(self):
        """Section 3.3, line by line."""
        cantor, fernandez = CANTOR.policy, FERNANDEZ.policy

        assert cantor.rate.burst > fernandez.rate.burst
        assert (cantor.rate.requests, cantor.rate.overflow) == (50, "queue")
        assert cantor.budget.soft_cap_permille is None
        assert fernandez.budget.soft_cap_modality == "text"
        assert fernandez.session.max_token_units > cantor.session.max_token_units
        assert fernandez.budget.monthly_hard_limit_nanos < cantor.budget.monthly_hard_limit_nanos
        assert cantor.ladder == fernandez.ladder == ["video", "voice", "text"]


class TestProvisioning:
    async def test_it_can_be_repeated_without_an_event(self, gate):
        """`vito up` does it at every start."""
        assert await provision_demo_twins(gate) == ["cantor", "fernandez"]
        heard = len(gate.fake.heard)
        assert await provision_demo_twins(gate) == []
        assert len(gate.fake.heard) == heard

    async def test_a_twin_that_was_changed_is_left_alone(self, gate):
        """The operator's policy is not ours to reset."""
        await provision_demo_twins(gate)
        await gate.set_policy(FERNANDEZ.policy)
        await provision_demo_twins(gate)

        assert gate.fake.states["cantor"].policy.version == 2

    async def test_a_refusal_is_said_with_its_remedy(self, gate, monkeypatch):
        """A first start must not look as if it had worked."""
        broken = msgspec.structs.replace(
            CANTOR, policy=msgspec.structs.replace(CANTOR.policy, time_zone="Mars/Olympus")
        )
        monkeypatch.setattr("services.twins.provisioning.TWINS", (broken,))
        with pytest.raises(NotProvisioned, match="time_zone") as caught:
            await provision_demo_twins(gate)

        assert caught.value.remedy
