"""The two twins are documents that the gate accepts, and differ as the requirements say."""

from contextlib import AsyncExitStack

import msgspec
import pytest

from contracts.access import OPERATOR
from contracts.policy import Policy, Quotas
from contracts.price_book import PriceBook
from contracts.twin import Identity, Purpose
from contracts.usage import Usage
from contracts.views import TwinView
from domain import policy, price_book
from domain.period import zone
from domain.twin import contradiction
from services.client import GateClient
from services.live.parts import open_parts
from services.sandbox.clock import HandClock
from services.sandbox.faults import Fault
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.settings import Settings
from services.twins import CANTOR, FERNANDEZ, TWINS
from services.twins.calibration import NotCalibrated, Studio, begin, complete
from services.twins.provisioning import NotProvisioned, provision_demo_twins
from services.twins.twin import USD
from tests.client.fake_gate import FakeGate


@pytest.fixture
async def sandbox():
    """The vendors, at a time that stands still."""
    async with Sandbox(clock=HandClock()) as made:
        yield made


@pytest.fixture
async def studio(sandbox):
    """Where samples are made: by the real adapters, at the sandbox."""
    async with AsyncExitStack() as stack:
        settings = Settings.from_env({"VITO_SANDBOX_URL": sandbox.url})
        yield Studio(parts=await open_parts(settings, stack))


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
    async def test_it_can_be_repeated_without_an_event(self, gate, studio):
        """`vito up` does it at every start."""
        assert await provision_demo_twins(gate, studio) == ["cantor", "fernandez"]
        heard = len(gate.fake.heard)
        assert await provision_demo_twins(gate, studio) == []
        assert len(gate.fake.heard) == heard

    async def test_a_twin_that_was_changed_is_left_alone(self, gate, studio):
        """The operator's policy is not ours to reset."""
        await provision_demo_twins(gate, studio)
        await gate.set_policy(FERNANDEZ.policy)
        await provision_demo_twins(gate, studio)

        assert gate.fake.states["cantor"].policy.version == 2

    @pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.tenant)
    async def test_a_first_start_goes_the_whole_way(self, gate, studio, sandbox, twin):
        """Identity, purpose, three samples that are paid for, a signature: no short cut."""
        await provision_demo_twins(gate, studio)
        client = gate.for_tenant(twin.tenant)
        shown = await client.show(TwinView)

        assert (shown.status, shown.missing) == ("active", [])
        assert (shown.live.identity, shown.purpose.purpose) == (twin.identity, twin.purpose)
        assert shown.live.signed_off_by == OPERATOR
        samples = [e for e in gate.fake.heard if type(e).__name__ == "RecordSample"]
        conversations = sandbox.vendors["tavus"].conversations
        assert {one.reference for one in samples} == set(conversations)
        assert len(samples) == 3 * len(TWINS)
        # Conversations that are over, with the twin's face, which greet with its own phrase.
        assert all(one.ended_us for one in conversations.values())
        faces = {one.wanted.replica_id for one in conversations.values()}
        assert faces == {one.identity.face for one in TWINS}
        # Each is settled by the vendor's own times, and nothing is held any more.
        settled = [e for e in gate.fake.heard if type(e).__name__ == "SettleCall"]
        assert {one.vendor_ref for one in settled} == set(conversations)
        assert gate.fake.totals(twin.tenant).held_nanos == 0

    async def test_an_interrupted_start_goes_on_where_it_stopped(self, gate, studio, sandbox):
        """The vendor was down at the first start; the second must not need a new twin."""
        sandbox.faults.add(
            Fault(vendor="tavus", operation="conversation.create", kind="status", status=402)
        )
        with pytest.raises(NotCalibrated, match="did not make a sample"):
            await provision_demo_twins(gate, studio)
        assert (await gate.show(TwinView)).status == "provisioned"
        sandbox.faults.clear()

        assert await provision_demo_twins(gate, studio) == ["cantor", "fernandez"]
        assert (await gate.show(TwinView)).live.version == 1

    async def test_a_refusal_is_said_with_its_remedy(self, gate, studio, monkeypatch):
        """A first start must not look as if it had worked."""
        broken = msgspec.structs.replace(
            CANTOR, policy=msgspec.structs.replace(CANTOR.policy, time_zone="Mars/Olympus")
        )
        monkeypatch.setattr("services.twins.provisioning.TWINS", (broken,))
        with pytest.raises(NotProvisioned, match="time_zone") as caught:
            await provision_demo_twins(gate, studio)

        assert caught.value.remedy


class TestSamples:
    """What makes the samples is what will show the twin: a face, a voice, or words."""

    async def shaped(self, gate, modality, *, vendors=("tavus", "cartesia", "openai")):
        """A twin that appears in *modality* at most, with an identity and its vendors' keys."""
        modalities = {"voice": ["voice", "text"], "text": ["text"]}.get(modality, [])
        rules = msgspec.structs.replace(
            CANTOR.policy,
            modalities=modalities or CANTOR.policy.modalities,
            ladder=modalities or CANTOR.policy.ladder,
            quotas=Quotas() if modalities else CANTOR.policy.quotas,
        )
        made = await gate.provision(
            display_name="A twin",
            organisation="Tests",
            policy=rules,
            price_book=CANTOR.price_book,
        )
        assert made.status == 200, made
        for vendor in vendors:
            assert (await gate.put_secret(vendor, Secret(f"sandbox-{vendor}"))).status == 200
        assert (await gate.set_identity(CANTOR.identity, expected_version=0)).status == 200
        assert (await gate.set_purpose(CANTOR.purpose, expected_version=0)).status == 200

    @pytest.mark.parametrize(
        ("modality", "provider_id", "sku"),
        [("voice", "cartesia", "sonic-3"), ("text", "openai", "gpt-4o-mini")],
    )
    async def test_a_twin_without_a_face_is_heard_or_read(
        self, gate, studio, sandbox, modality, provider_id, sku
    ):
        """Three calls that the vendor has counted, and each is a sample and on the bill."""
        await self.shaped(gate, modality)
        await begin(gate, provider_id=provider_id, sku=sku)
        takes = []
        await complete(gate, msgspec.structs.replace(studio, keep=takes.append))
        shown = await gate.show(TwinView)

        assert [one.reservation_id for one in takes] == [
            one.reservation_id for one in shown.calibration.samples
        ]
        assert all(one.pcm if modality == "voice" else one.text for one in takes)
        assert [one.state for one in shown.calibration.samples] == ["recorded"] * 3
        assert sum(one.is_billed for one in sandbox.ledger.calls(provider_id)) == 3
        assert gate.fake.totals("cantor").committed_nanos > 0
        assert gate.fake.totals("cantor").held_nanos == 0

    async def test_a_person_is_shown_where_to_look(self, gate, studio, sandbox):
        """With a real vendor the Owner looks at the sample while it lasts."""
        await self.shaped(gate, "video")
        told, slept = [], []

        async def sleep(for_s):
            slept.append(for_s)

        gate.timing = msgspec.structs.replace(gate.timing, sleep=sleep)
        await begin(gate, provider_id="tavus", sku="cvi")
        shown = msgspec.structs.replace(studio, shown_s=10.0, show=told.append)
        await complete(gate, shown)

        names = list(sandbox.vendors["tavus"].conversations)
        assert told == [f"{sandbox.url}/tavus/rooms/{name}" for name in names]
        assert slept.count(10.0) == 3

    async def test_a_key_that_is_missing_is_said(self, gate, studio, sandbox):
        """Nothing is made and nothing held; the remedy is the command to type."""
        await self.shaped(gate, "video", vendors=())
        await begin(gate, provider_id="tavus", sku="cvi")
        with pytest.raises(NotCalibrated, match="tavus cannot be used") as caught:
            await complete(gate, studio)

        assert "vito secret put cantor tavus" in caught.value.remedy
        assert sandbox.vendors["tavus"].conversations == {}
        assert gate.fake.totals("cantor").held_nanos == 0
