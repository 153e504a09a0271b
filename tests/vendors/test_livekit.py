"""Rooms that are paid for by who is in them, emptied at once, and tokens that open nothing else."""

import asyncio
import base64
import hashlib
import time
from datetime import timedelta

import pytest
from livekit import api

from contracts.usage import Usage
from services.client.errors import NoGrant
from services.sandbox.faults import Fault
from services.sandbox.livekit import API_SECRET
from services.sandbox.server import Sandbox
from services.secret import Secret
from services.vendors.adapter import VendorCutOff, VendorFailed, VendorUnreachable
from services.vendors.face.avatar import RuntimeLimits
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.face.livekit_token import ApiKey, WebhookRefused, webhook
from services.vendors.failed import KeyRefused
from services.vendors.metered_stream import MeteredStream
from services.vendors.outbound import Outbound
from services.vendors.reconciliation import Product, Reconciler
from tests.vendors.avatar_rig import SLICE_MS, Rig, way

LIMITS = RuntimeLimits(session_ms=3_600_000, absent_ms=600_000, left_ms=600_000)
PAIR = Secret(f"sandbox-livekit:{API_SECRET}")
MINUTE_MS = 60_000


@pytest.fixture
async def rig(own_nats):
    rig = Rig(own_nats)
    async with (
        rig.open(),
        Outbound(rig.sandbox.base_url("livekit"), timeout_s=2.0) as outbound,
    ):
        rig.adapter = LiveKitAdapter("livekit", outbound, timing=rig.timing)
        rig.livekit = rig.sandbox.vendors["livekit"]
        yield rig


def room_of(rig):
    wanted = way("livekit", "room", 3 * SLICE_MS)
    wanted = type(wanted)(wanted.option, {"limits": LIMITS})
    return MeteredStream(rig.client_, rig.adapter, wanted)


def enter(rig, stream, identity="ana"):
    token = rig.adapter.join_token(stream._grant, identity)
    return rig.livekit.join(token.reveal())


def billed_ms(rig):
    rig.sandbox.reckon()
    return rig.sandbox.ledger.bill("livekit").stream_ms


class TestARoom:
    async def test_every_connection_is_booked_in_whole_minutes(self, rig):
        """As LiveKit bills: each is rounded up before they are added."""
        async with room_of(rig) as stream:
            enter(rig, stream)
            enter(rig, stream, "twin")
            rig.clock.advance_ms(61_000)
            await stream.more(Usage(stream_ms=SLICE_MS))
            assert stream.answer.usage == Usage(stream_ms=4 * MINUTE_MS)
            rig.livekit.leave(stream._name, "ana")
            await stream.more(Usage(stream_ms=SLICE_MS))
            rig.clock.advance_ms(60_000)

        assert rig.livekit.rooms == {}
        assert billed_ms(rig) == rig.booked_ms() == (2 + 3) * MINUTE_MS

    async def test_an_empty_room_costs_nothing(self, rig):
        """Only connections do."""
        async with room_of(rig) as stream:
            made = rig.livekit.rooms[stream._name]
            assert (made.empty_timeout_s, made.max_participants) == (600, 3)
            rig.clock.advance_ms(300_000)

        assert billed_ms(rig) == rig.booked_ms() == 0

    async def test_leaving_puts_everybody_out_at_once(self, rig):
        """It is the kill switch: no token, no room."""
        async with room_of(rig) as stream:
            enter(rig, stream)
            name = stream._name
        assert name not in rig.livekit.rooms

    async def test_one_can_be_put_out_and_the_others_stay(self, rig):
        """Twice is the same as once."""
        async with room_of(rig) as stream:
            enter(rig, stream)
            enter(rig, stream, "twin")
            for _ in range(2):
                await rig.adapter.remove_participant(stream._grant, "ana")
            assert list(rig.livekit.rooms[stream._name].participants) == ["twin"]

    @pytest.mark.parametrize("at", ["before", "after"])
    @pytest.mark.parametrize("method", ["CreateRoom", "DeleteRoom"])
    async def test_what_was_not_heard_is_said_again(self, rig, method, at):
        """A name twice is one room, so nothing can be made or billed twice."""
        rig.sandbox.faults.add(
            Fault(vendor="livekit", operation=method, kind="drop", at=at, times=2)
        )

        async def talk():
            async with room_of(rig) as stream:
                enter(rig, stream)

        talking = asyncio.ensure_future(talk())
        await rig.until(talking.done, advance_ms=250)
        await talking

        assert rig.livekit.rooms == {}
        assert len(rig.heard("SettleCall")) == 1

    async def test_a_room_that_the_vendor_closed_is_noticed(self, rig):
        """Nobody came: the next slice says so."""
        async with room_of(rig) as stream:
            rig.livekit.rooms.clear()
            assert (await stream.more(Usage(stream_ms=SLICE_MS))).status == 200
            assert stream.answer.body == {"is_over": True, "reason": "room_gone"}


class TestKeys:
    @pytest.mark.parametrize("pair", ["no-colon", "key:short", ":" + "s" * 40])
    async def test_what_is_no_pair_is_refused_before_anything_is_sent(self, rig, pair):
        """The message says what it must be, and not what it is."""
        await rig.client_.put_secret("livekit", Secret(pair))
        with pytest.raises(VendorUnreachable) as said:
            async with room_of(rig):
                pass

        assert pair not in str(said.value)
        assert list(rig.sandbox.ledger.calls("livekit")) == []

    async def test_a_key_that_the_server_does_not_know_is_typed(self, rig):
        """And the hold is given back or settled with nothing."""
        await rig.client_.put_secret("livekit", Secret("other:" + "s" * 40))
        with pytest.raises(KeyRefused):
            async with room_of(rig):
                pass

        assert rig.committed_nanos() == 0


class TestTokens:
    async def test_the_official_package_reads_ours(self, rig, monkeypatch):
        """Grants, kind and attributes as LiveKit's own verifier sees them."""
        key = ApiKey(PAIR)
        token = key.for_joining(
            "r", "twin", now_s=_now_s(), kind="agent", attributes={"lk.publish_on_behalf": "a"}
        )
        claims = api.TokenVerifier("sandbox-livekit", API_SECRET).verify(token.reveal())

        assert (claims.identity, claims.kind) == ("twin", "agent")
        assert claims.video.room_join
        assert (claims.video.room, claims.video.room_admin) == ("r", None)
        assert claims.attributes == {"lk.publish_on_behalf": "a"}

    async def test_it_lets_into_its_room_for_two_minutes(self, rig):
        """A token that leaks from a browser must be worth little."""
        async with room_of(rig) as stream:
            token = rig.adapter.join_token(stream._grant, "ana").reveal()
            rig.clock.advance_ms(121_000)
            assert rig.livekit.join(token) is None

    async def test_nobody_is_let_into_a_room_that_is_not_paid_for(self, rig):
        """After the hold has run out, there are no more tokens."""
        async with room_of(rig) as stream:
            rig.clock.advance_ms(200_000)
            with pytest.raises(NoGrant):
                rig.adapter.join_token(stream._grant, "ana")


def _now_s():
    return int(time.time())


def signed(body: bytes, *, key="sandbox-livekit", secret=API_SECRET, ttl_s=300):
    """As LiveKit's own package signs a webhook."""
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    token = api.AccessToken(key, secret).with_sha256(digest).with_ttl(timedelta(seconds=ttl_s))
    return token.to_jwt()


class TestWebhooks:
    async def test_who_came_and_went_between_two_looks_is_booked(self, rig):
        """Webhooks tell of a stay that no listing ever showed."""
        async with room_of(rig) as stream:
            at_s = rig.clock.now_us() // 1_000_000
            for event, seconds in (("participant_joined", 0), ("participant_left", 70)):
                body, authorization = rig.livekit.webhook(
                    {
                        "event": event,
                        "createdAt": str(at_s + seconds),
                        "room": {"name": stream._name},
                        "participant": {"identity": "ana", "sid": "PA_1"},
                    }
                )
                rig.adapter.webhook(stream._grant, body, authorization)
            rig.clock.advance_ms(100_000)

        assert rig.booked_ms() == 2 * MINUTE_MS

    async def test_what_livekit_did_not_sign_changes_nothing(self, rig):
        """Another key, another body, an old one, no event."""
        async with room_of(rig) as stream:
            fine = {"event": "participant_joined", "room": {"name": stream._name}}
            body, authorization = rig.livekit.webhook(fine)
            wrong = [
                (body + b" ", authorization),
                (body, signed(body, secret="x" * 40)),
                (body, signed(body, key="other")),
                (body, ""),
                (b"[]", rig.livekit.webhook([])[1]),
            ]
            for sent, shown in wrong:
                with pytest.raises(WebhookRefused):
                    rig.adapter.webhook(stream._grant, sent, shown)
            rig.clock.advance_ms(400_000)
            with pytest.raises(WebhookRefused, match="expired"):
                rig.adapter.webhook(stream._grant, body, authorization)

        assert rig.booked_ms() == 0

    def test_the_official_package_signs_what_we_read(self):
        """The sandbox is ours; this signature is not."""
        body = b'{"event":"room_finished","id":"EV_1","createdAt":"1795336745"}'
        event = webhook(ApiKey(PAIR), body, signed(body), now_s=_now_s())

        assert (event.event, event.id) == ("room_finished", "EV_1")


class TestReconciliation:
    async def test_a_room_of_a_dead_process_is_emptied_and_booked(self, rig):
        """Who was still there is known; the hold had run out."""
        stream = room_of(rig)
        await stream.__aenter__()
        enter(rig, stream)
        rig.expire(605_000)
        reconciler = Reconciler(rig.client_, rig.adapter, Product("video", "room"))
        report = await reconciler.run()

        assert [one.what for one in report.findings] == ["booked_late"]
        assert rig.livekit.rooms == {}
        assert billed_ms(rig) == rig.booked_ms() == 11 * MINUTE_MS
        assert (await reconciler.run()).sessions == 0

    async def test_a_room_that_somebody_else_just_emptied_is_not_booked_as_free(self, rig):
        """Who was in it is known to the other one, who books it."""
        stream = room_of(rig)
        await stream.__aenter__()
        enter(rig, stream)
        rig.expire(605_000)
        reconciler = Reconciler(rig.client_, rig.adapter, Product("video", "room"))
        list_first, gone = rig.adapter.sessions, rig.livekit.rooms

        async def listed_then_gone(grant, since_us):
            found = await list_first(grant, since_us)
            gone.clear()
            return found

        rig.adapter.sessions = listed_then_gone
        report = await reconciler.run()

        assert [one.what for one in report.findings] == ["not_ended"]
        assert rig.heard("SettleCall") == []


class TestTheSandbox:
    async def test_the_official_client_works_with_it(self):
        """Over Protobuf, with its own tokens: what stands here is not only what we speak."""
        async with (
            Sandbox() as sandbox,
            api.LiveKitAPI(sandbox.base_url("livekit"), "sandbox-livekit", API_SECRET) as client,
        ):
            made = await client.room.create_room(
                api.CreateRoomRequest(name="r1", empty_timeout=30, max_participants=3)
            )
            assert (made.name, made.empty_timeout, made.max_participants) == ("r1", 30, 3)
            token = api.AccessToken("sandbox-livekit", API_SECRET).with_identity("ana")
            token = token.with_grants(api.VideoGrants(room_join=True, room="r1")).to_jwt()
            sandbox.vendors["livekit"].join(token)
            request = api.ListParticipantsRequest(room="r1")
            there = await client.room.list_participants(request)
            assert [one.identity for one in there.participants] == ["ana"]
            await client.room.delete_room(api.DeleteRoomRequest(room="r1"))
            with pytest.raises(api.TwirpError) as gone:
                await client.room.delete_room(api.DeleteRoomRequest(room="r1"))
            assert (gone.value.code, gone.value.status) == ("not_found", 404)

    async def test_a_token_that_grants_something_else_is_not_enough(self, rig):
        """A join token must not list, and one for a room not look into another."""
        async with room_of(rig) as stream:
            key = ApiKey(PAIR)
            now_s = rig.clock.now_us() // 1_000_000
            running = rig.adapter._running[stream._grant.meter]
            running.key = type(
                "Key", (), {"for_api": lambda _self, **_: key.for_joining("r", "x", now_s=now_s)}
            )()
            with pytest.raises(VendorFailed) as refused:
                await rig.adapter._look(stream._grant.meter, running)
            assert (refused.value.status, refused.value.code) == (403, "permission_denied")
            running.key = key


async def test_an_answer_that_is_no_room_is_a_lost_one(rig, monkeypatch):
    """The room may be there, so it is deleted."""
    send = rig.adapter._outbound.request

    async def garbled(meter, method, path, **fields):
        reply = await send(meter, method, path, **fields)
        return type(reply)(200, {}, b"[]") if path.endswith("CreateRoom") else reply

    monkeypatch.setattr(rig.adapter._outbound, "request", garbled)
    with pytest.raises(VendorCutOff):
        async with room_of(rig):
            pass

    assert rig.livekit.rooms == {}
