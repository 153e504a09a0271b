"""The two twins are documents that the gate accepts, and differ as the requirements say."""

from contextlib import asynccontextmanager

import msgspec
import pytest

from contracts.access import OPERATOR
from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.twin import Identity, Purpose
from contracts.usage import Usage
from contracts.views import TwinView
from domain import policy, price_book
from domain.period import zone
from domain.twin import contradiction
from services.client import GateClient
from services.twins import CANTOR, FERNANDEZ, TWINS
from services.twins.calibration import NotCalibrated
from services.twins.provisioning import NotProvisioned, provision_demo_twins
from services.twins.twin import USD
from services.vendors.adapter import Vendors
from services.vendors.counting import CountingAdapter
from services.vendors.counting_vendor import Behaviour, CountingVendor
from services.vendors.outbound import Outbound
from tests.client.fake_gate import FakeGate


@asynccontextmanager
async def broken_vendor(provider_id):
    """A vendor that makes nothing."""
    async with CountingVendor() as vendor, Outbound(vendor.url) as outbound:
        vendor.behaviour = Behaviour(status=500)
        yield Vendors(CountingAdapter(provider_id, outbound))


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
        for part, kind in (
            (twin.policy, Policy),
            (twin.price_book, PriceBook),
            (twin.identity, Identity),
            (twin.purpose, Purpose),
        ):
            assert msgspec.json.decode(msgspec.json.encode(part), type=kind) == part
        assert policy.contradiction(twin.policy) is None
        assert price_book.duplicate(twin.price_book) is None
        for document in (twin.identity, twin.purpose):
            assert contradiction(document) is None
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

    def test_their_dna_is_that_of_the_requirements(self):
        """Section 5.4, line by line; accents and the inverted mark included."""
        cantor, fernandez = CANTOR, FERNANDEZ

        assert (cantor.identity.tone, fernandez.identity.tone) == ("Euphoric", "Analytical")
        assert cantor.identity.signature_phrases == ["\u00a1Goooool!"]
        assert fernandez.identity.signature_phrases == ["Let's deep dive"]
        assert (cantor.identity.language, cantor.identity.accent) == (
            "es-AR",
            "Rioplatense Spanish",
        )
        assert cantor.purpose.conversion_goal == "entertainment"
        assert fernandez.purpose.conversion_goal == "lead_gen"
        assert cantor.purpose.call_to_action == "Download the app!"
        assert fernandez.purpose.call_to_action == "Book a strategy call."


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

    @pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.tenant)
    async def test_a_first_start_goes_the_whole_way(self, gate, twin):
        """Identity, purpose, three samples that are paid for, a signature: no short cut."""
        await provision_demo_twins(gate)
        client = gate.for_tenant(twin.tenant)
        shown = await client.show(TwinView)

        assert (shown.status, shown.missing) == ("active", [])
        assert (shown.live.identity, shown.purpose.purpose) == (twin.identity, twin.purpose)
        assert shown.live.signed_off_by == OPERATOR
        # 10 s of video at $0.37 a minute, three times; 10/60 of a nano price is rounded up.
        samples = [e for e in gate.fake.heard if type(e).__name__ == "RecordSample"]
        assert len(samples) == 3 * len(TWINS)
        assert gate.fake.totals(twin.tenant).committed_nanos == 3 * 61_666_667
        assert gate.fake.totals(twin.tenant).held_nanos == 0

    async def test_an_interrupted_start_goes_on_where_it_stopped(self, gate, monkeypatch):
        """The vendor was down at the first start; the second must not need a new twin."""
        monkeypatch.setattr("services.twins.calibration.local_vendor", broken_vendor)
        with pytest.raises(NotCalibrated, match="did not make a sample"):
            await provision_demo_twins(gate)
        assert (await gate.show(TwinView)).status == "provisioned"
        monkeypatch.undo()

        assert await provision_demo_twins(gate) == ["cantor", "fernandez"]
        assert (await gate.show(TwinView)).live.version == 1

    async def test_a_refusal_is_said_with_its_remedy(self, gate, monkeypatch):
        """A first start must not look as if it had worked."""
        broken = msgspec.structs.replace(
            CANTOR, policy=msgspec.structs.replace(CANTOR.policy, time_zone="Mars/Olympus")
        )
        monkeypatch.setattr("services.twins.provisioning.TWINS", (broken,))
        with pytest.raises(NotProvisioned, match="time_zone") as caught:
            await provision_demo_twins(gate)

        assert caught.value.remedy
