"""A vendor's key, from the vault to the vendor: opened for a call, and gone with it."""

import asyncio
import contextlib
import gc
import weakref

import pytest

from contracts.secret import OpenSecret, SecretOpened
from contracts.usage import Usage
from services.client import NoGrant, SecretRefused
from services.secret import Secret
from services.vendors.adapter import VendorFailed, Vendors, Way
from services.vendors.counting import CountingAdapter
from services.vendors.counting_vendor import Behaviour
from services.vendors.metered import metered_call
from services.vendors.metered_stream import MeteredStream
from services.vendors.outbound import Outbound
from tests.client.twin import authorize, option

KEY = Secret("sk-SENTINEL-of-the-vendor")


@pytest.fixture
async def keyed(vendor, client):
    """An adapter for a vendor that wants the twin's key, which is in the vault."""
    assert (await client.put_secret("acme/key", KEY)).status == 200
    vendor.behaviour = Behaviour(key=KEY)
    async with Outbound(vendor.url, timeout_s=2.0) as outbound:
        yield CountingAdapter("acme", outbound, secret_name="acme/key")


def openings(fake_gate):
    return [command for command in fake_gate.heard if isinstance(command, OpenSecret)]


async def test_a_call_shows_the_vendor_the_key_of_its_twin(client, keyed, way, fake_gate):
    """End to end: without it this vendor answers 401."""
    done = await metered_call(client, Vendors(keyed), way)

    assert done.receipt.code == "settled"
    (opening,) = openings(fake_gate)
    assert opening.reservation_id == done.decision.reservation_id
    with pytest.raises(VendorFailed):
        async with Outbound(keyed._outbound._base_url) as outbound:
            await metered_call(client, Vendors(CountingAdapter("acme", outbound)), way)


async def test_a_stream_opens_its_key_once(client, keyed, vendor, fake_gate):
    """The gate opens a secret once for each call; slices and the end are the same call."""
    talk = Way(option("voice", sku="talk", stream_ms=10_000))
    async with MeteredStream(client, keyed, talk) as stream:
        for _ in range(3):
            assert (await stream.more(Usage(stream_ms=10_000))).status == 200

    assert list(vendor.refs.values()) == [4]
    assert stream.receipt.code == "settled"
    assert len(openings(fake_gate)) == 1


async def test_a_revoked_key_costs_nothing(client, keyed, way, vendor, fake_gate):
    """Nothing was sent, so the hold is given back; the error says what to do and shows no value."""
    await client.revoke_secret("acme/key", reason="leaked")
    with pytest.raises(SecretRefused) as refused:
        await metered_call(client, Vendors(keyed), way)

    assert (refused.value.code, refused.value.status) == ("secret_unusable", 409)
    assert refused.value.remedy
    totals = fake_gate.totals("cantor")
    assert (totals.held_nanos, totals.committed_nanos, vendor.calls) == (0, 0, 0)


async def test_a_lost_answer_is_asked_for_again_by_the_same_name(client, keyed, way, fake_gate):
    """The same command id, so that it is one opening, whose answer is given twice."""
    fake_gate.faults += [None, "lost"]
    await metered_call(client, Vendors(keyed), way)

    first, again = openings(fake_gate)
    assert first == again


async def test_a_cancelled_opening_can_be_made_up_for(client, keyed, fake_gate):
    """Its answer is nobody's; the adapter that tries again gets it, not a refusal."""
    grant = client.grant(await authorize(client))
    grant.open("acme")
    fake_gate.faults += ["lost"]
    first = asyncio.ensure_future(grant.secret("acme/key"))
    while not openings(fake_gate):  # noqa: ASYNC110 - the gate has no event of ours
        await asyncio.sleep(0.001)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first

    assert await grant.secret("acme/key") == KEY
    assert len({opening.command_id for opening in openings(fake_gate)}) == 1


async def test_many_who_ask_at_once_open_once(client, keyed, fake_gate):
    """Parts of one call run side by side."""
    grant = client.grant(await authorize(client))
    grant.open("acme")
    values = await asyncio.gather(*(grant.secret("acme/key") for _ in range(5)))

    assert set(values) == {KEY}
    assert len(openings(fake_gate)) == 1


async def test_a_grant_that_no_adapter_opened_opens_nothing(client, keyed, fake_gate):
    """Holding one is not enough: it has to be spent on its call."""
    grant = client.grant(await authorize(client))
    with pytest.raises(NoGrant, match="open the grant first"):
        await grant.secret("acme/key")

    assert openings(fake_gate) == []


async def test_the_value_goes_with_the_grant(client, keyed):
    """Nothing here keeps it longer than the call that it was opened for."""
    grant = client.grant(await authorize(client))
    grant.open("acme")
    value = weakref.ref(holder := Holder(await grant.secret("acme/key")))
    from services.client import grant as grants  # noqa: PLC0415 - shadowed by the grant above

    entry = weakref.ref(grants._ENTRIES[grant].opened)
    del grant, holder
    gc.collect()

    assert (value(), entry()) == (None, None)


class Holder:
    """What a weak reference can point to."""

    def __init__(self, value):
        self.value = value


async def test_no_text_of_a_client_shows_the_value(client, keyed, fake_gate):
    """Reprs end in logs: of the grant, of the adapter, of what the gate was told."""
    grant = client.grant(await authorize(client))
    grant.open("acme")
    value = await grant.secret("acme/key")
    events = [
        event
        for state in fake_gate.states.values()
        for _, event in state.memory.young.values()
        if isinstance(event, SecretOpened)
    ]

    shown = repr([grant, grant.terms, value, keyed, fake_gate.heard, events, fake_gate.keys])
    assert events
    assert "SENTINEL" not in shown
