"""What the adapters rely on, asked of the vendor itself: the sandbox, the real one by choice."""

import pytest

from contracts.usage import Usage
from services.client import GateClient
from services.secret import Secret
from services.vendors.adapter import VendorFailed
from services.vendors.face.avatar import AvatarConfig, RuntimeLimits
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.face.tavus import TavusAdapter
from services.vendors.failed import KeyRefused
from services.vendors.metered_stream import MeteredStream
from services.vendors.outbound import Outbound
from tests.client.fake_gate import FakeGate
from tests.vendors import targets
from tests.vendors.avatar_rig import BOOK, QUICK, rules, way

# Short: with a real vendor each second costs.
LIMITS = RuntimeLimits(session_ms=60_000, absent_ms=60_000, left_ms=1_000)
KINDS = {"tavus": (TavusAdapter, "cvi"), "livekit": (LiveKitAdapter, "room")}


@pytest.fixture(params=[(vendor, name) for vendor in KINDS for name in targets.names(vendor)])
async def party(request, own_nats):
    """A vendor, its adapter, and a client whose twin has its key."""
    vendor, name = request.param
    gate = FakeGate()
    await gate.listen(own_nats.url_for("unrestricted"))
    async with (
        targets.target(vendor, name) as target,
        GateClient.connect(
            own_nats.url_for("client"), tenant="cantor", patience=QUICK, booking=QUICK
        ) as client,
        Outbound(target.url) as outbound,
    ):
        await client.provision(
            display_name="A twin",
            organisation="Tests",
            policy=rules(),
            price_book=BOOK,
            activation="immediate",
        )
        await client.put_secret(vendor, target.key)
        yield Party(vendor, target, client, outbound)
    await gate.close()


class Party:
    def __init__(self, vendor, target, client, outbound):
        kind, self.sku = KINDS[vendor]
        self.vendor, self.target, self.client = vendor, target, client
        self.adapter = kind(vendor, outbound, deployment="conformance")

    def stream(self):
        wanted = way(self.vendor, self.sku)
        config = AvatarConfig(persona=self.target.persona)
        request = {"config": config, "limits": LIMITS}
        return MeteredStream(self.client, self.adapter, type(wanted)(wanted.option, request))

    async def look(self):
        """Our sessions as the vendor lists them, and the grant to go on with."""
        decision = await self.client.authorize(
            modality="video",
            provider_id=self.vendor,
            sku=self.sku,
            estimate=Usage(),
            purpose="reconciliation",
        )
        grant = self.client.grant(decision)
        return grant, await self.adapter.sessions(grant, 0)


async def test_a_session_begins_goes_on_and_ends(party):
    """With its slices, and one settlement."""
    async with party.stream() as stream:
        assert stream.decision.status == 200
        await stream.more(Usage(stream_ms=1_000))
        assert not stream.answer.body["is_over"]

    assert stream.receipt.code == "settled"


async def test_a_running_session_is_listed_by_the_name_that_we_gave_it(party):
    """On this rests that a lost create is found, and a zombie traced to its hold."""
    async with party.stream() as stream:
        _, sessions = await party.look()
        (ours,) = [one for one in sessions if one.ref == stream._name]

    assert ours.name.reservation_id == stream.decision.reservation_id
    assert not ours.is_over
    assert ours.created_us > 1_700_000_000_000_000


async def test_ending_what_was_found_ends_it_and_ending_it_again_is_harmless(party):
    """Two who reconcile, and whoever began it, all end the same session."""
    async with party.stream() as stream:
        grant, _ = await party.look()
        found = await party.adapter.end_found(grant, stream._name)
        assert found.is_over

    assert stream.receipt.code == "settled"
    _, sessions = await party.look()
    assert all(one.is_over for one in sessions if one.ref == stream._name)


async def test_a_wrong_key_is_refused_as_such(party):
    """Not as a failure that may pass."""
    wrong = "wrong" if party.vendor == "tavus" else "wrong:" + "s" * 40
    await party.client.put_secret(party.vendor, Secret(wrong))
    with pytest.raises(KeyRefused):
        async with party.stream():
            pass


async def test_what_is_not_there_is_no_server_error(party):
    """A 4xx: asking again would not help."""
    grant, _ = await party.look()
    gone = "c404404404404404" if party.vendor == "tavus" else "vito:conformance:cantor.404"
    with pytest.raises(VendorFailed) as said:
        await party.adapter.end_found(grant, gone)

    assert not said.value.may_pass
