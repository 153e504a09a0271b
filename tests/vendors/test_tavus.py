"""An avatar's every second is held for before it begins, and its end is certain."""

import asyncio

import pytest

from contracts.usage import Usage
from services.sandbox.faults import Fault
from services.secret import Secret
from services.vendors.adapter import VendorCutOff, VendorFailed
from services.vendors.face.avatar import AvatarEnded, CallRefused, RuntimeLimits, StreamInput
from services.vendors.face.tavus_webhook import Callback, is_token
from services.vendors.failed import CreditUsedUp, KeyRefused, VendorBusy
from tests.vendors.avatar_rig import CONFIG, LIMITS, NANOS_PER_MS, SLICE_MS, Rig, rules

CREATE = "conversation.create"
END = "conversation.end"


@pytest.fixture
async def rig(own_nats):
    async with Rig(own_nats).open() as rig:
        yield rig


def fault(rig, operation=CREATE, **fields):
    rig.sandbox.faults.add(Fault(vendor="tavus", operation=operation, **fields))


class TestOneSession:
    async def test_three_minutes_are_held_slice_by_slice_and_booked_once(self, rig):
        """What the vendor bills is what is booked, to the millisecond, in one settlement."""
        avatar = rig.avatar()
        session = await avatar.initialize_session(CONFIG, LIMITS)
        assert session in rig.vendor.active
        for _ in range(3):
            await rig.pass_ms(SLICE_MS)
        await avatar.terminate("USER_EXIT")

        assert rig.vendor.active == {}
        assert len(rig.heard("ExtendCall")) == 3
        assert rig.billed_ms() == rig.booked_ms() == 3 * SLICE_MS
        (settled,) = rig.heard("SettleCall")
        assert (settled.outcome, settled.vendor_ref) == ("completed", session)
        assert rig.held_nanos() == 0

    async def test_the_vendor_is_told_our_limits_and_our_name(self, rig):
        """If all of ours dies, the vendor itself ends it; and it can be found by its name."""
        avatar = rig.avatar()
        limits = RuntimeLimits(session_ms=900_500, absent_ms=30_000, left_ms=2_000)
        session = await avatar.initialize_session(CONFIG, limits)
        made = rig.vendor.conversations[session].wanted

        assert made.conversation_name == f"vito:development:{avatar.decision.reservation_id}"
        assert made.properties.max_call_duration == 901
        assert made.properties.participant_absent_timeout == 30
        assert made.properties.participant_left_timeout == 2
        await avatar.terminate("USER_EXIT")

    async def test_terminating_twice_books_once(self, rig):
        """A visitor who leaves while the budget runs out."""
        avatar = rig.avatar()
        await avatar.initialize_session(CONFIG, LIMITS)
        await asyncio.gather(avatar.terminate("USER_EXIT"), avatar.terminate("COST_LIMIT"))

        assert len(rig.heard("SettleCall")) == 1
        assert rig.calls(END) == 1

    async def test_what_it_says_is_driven_through_the_room(self, rig):
        """And the caller is told what the session has cost so far."""
        said, told = [], []

        class Room:
            async def send(self, session, message):
                said.append((session, message))

        avatar = rig.avatar(interactions=Room())
        session = await avatar.initialize_session(CONFIG, LIMITS)
        rig.clock.advance_ms(1_500)
        await avatar.drive_avatar(StreamInput(text="¡Goooool!", utterance="u1"), told.append)
        await avatar.drive_avatar(StreamInput(audio=b"\0\1", is_last=False), told.append)

        assert [metrics.usage.stream_ms for metrics in told] == [1_500, 1_500]
        assert told[0].held == Usage(stream_ms=SLICE_MS)
        assert said[0] == (
            session,
            {
                "message_type": "conversation",
                "event_type": "conversation.echo",
                "conversation_id": session,
                "properties": {
                    "done": True,
                    "inference_id": "u1",
                    "modality": "text",
                    "text": "¡Goooool!",
                },
            },
        )
        assert said[1][1]["properties"]["audio"] == "AAE="
        await avatar.terminate("USER_EXIT")


class TestTheBudget:
    async def test_a_refused_session_asks_nothing_of_the_vendor(self, rig):
        """The refusal carries the gate's code."""
        await rig.client_.suspend(asleep=True)
        with pytest.raises(CallRefused) as refused:
            await rig.avatar().initialize_session(CONFIG, LIMITS)

        assert (refused.value.code, refused.value.status) == ("twin_sleeping", 402)
        assert list(rig.sandbox.ledger.calls()) == []

    async def test_at_the_hard_limit_it_ends_with_its_last_held_second(self, rig):
        """Money for two slices: it lasts two minutes, and not one nano is spent above the limit."""
        await rig.client_.set_policy(rules(slices=2))
        avatar = rig.avatar()
        await avatar.initialize_session(CONFIG, LIMITS)
        await rig.pass_ms(2 * SLICE_MS - 1_000)
        assert len(rig.vendor.active) == 1
        await rig.pass_ms(1_000)
        await rig.until(lambda: rig.heard("SettleCall"))
        with pytest.raises(CallRefused):
            await avatar.drive_avatar(StreamInput(text="más"), lambda _metrics: None)
        await avatar.terminate("COST_LIMIT")

        assert rig.ended == ["monthly_hard_limit_reached"]
        assert rig.vendor.active == {}
        assert rig.billed_ms() == rig.booked_ms() == 2 * SLICE_MS
        assert rig.committed_nanos() == 2 * SLICE_MS * NANOS_PER_MS

    async def test_a_twin_that_is_suspended_does_not_finish_its_slice(self, rig):
        """A kill is at the next question, not when what was paid for is used up."""
        avatar = rig.avatar()
        await avatar.initialize_session(CONFIG, LIMITS)
        await rig.client_.suspend()
        await rig.pass_ms(SLICE_MS - 10_000)
        await rig.until(lambda: rig.heard("SettleCall"))

        assert rig.ended == ["twin_suspended"]
        assert rig.billed_ms() == SLICE_MS - 10_000

    async def test_it_ends_at_the_sessions_own_limit(self, rig):
        """Ninety seconds: a slice and a half, and nothing held beyond."""
        avatar = rig.avatar()
        limits = RuntimeLimits(session_ms=90_000, absent_ms=3_600_000)
        await avatar.initialize_session(CONFIG, limits)
        await rig.pass_ms(SLICE_MS)
        assert rig.held_nanos() == 90_000 * NANOS_PER_MS
        await rig.pass_ms(30_000)
        await rig.until(lambda: rig.heard("SettleCall"))

        assert rig.booked_ms() == 90_000


class TestWhenTheVendorSaysNo:
    @pytest.mark.parametrize(
        ("status", "kind"), [(401, KeyRefused), (402, CreditUsedUp), (429, VendorBusy)]
    )
    async def test_it_is_typed_and_free(self, rig, status, kind):
        """Tavus has made nothing then, so nothing is booked, and nothing asked again."""
        fault(rig, kind="status", status=status, headers={"Retry-After": "7"})
        with pytest.raises(kind) as said:
            await rig.avatar().initialize_session(CONFIG, LIMITS)

        assert said.value.retry_after_ms == 7_000
        assert (rig.calls(CREATE), rig.booked_ms(), rig.held_nanos()) == (1, 0, 0)

    async def test_too_many_at_once_is_busy_though_it_is_a_400(self, rig):
        """Its plan's places are taken; a wrong request would be a bug of ours."""
        rig.vendor.concurrent_max = 0
        with pytest.raises(VendorBusy) as said:
            await rig.avatar().initialize_session(CONFIG, LIMITS)

        assert said.value.code == "concurrent_conversations"

    async def test_a_create_is_never_sent_twice(self, rig):
        """A 500 may have made one; it is looked for, and nothing is found."""
        fault(rig, kind="status", status=500, times=1)
        beginning = asyncio.ensure_future(rig.avatar().initialize_session(CONFIG, LIMITS))
        await rig.until(beginning.done, advance_ms=500)
        with pytest.raises(VendorFailed):
            await beginning

        assert rig.calls(CREATE) == 1
        assert rig.calls("conversation.list") == 4


class TestWhenTheAnswerIsLost:
    async def test_what_was_made_is_found_by_its_name_and_ended(self, rig):
        """It bills from its creation, and the answer with its id never came."""
        other = rig.avatar()
        await other.initialize_session(CONFIG, LIMITS)
        fault(rig, kind="drop", at="after", times=1)
        with pytest.raises(VendorCutOff):
            await rig.avatar().initialize_session(CONFIG, LIMITS)

        assert rig.calls(CREATE) == 2
        assert list(rig.vendor.active) == [other.metrics().session]
        (settled,) = rig.heard("SettleCall")
        assert settled.outcome == "cut_off"
        assert settled.vendor_ref in rig.vendor.conversations
        await other.terminate("USER_EXIT")

    async def test_one_that_appears_late_is_found_too(self, rig):
        """The create was still on its way when it was first looked for."""
        assert await rig.create({"persona_id": "p1", "conversation_name": "another"}) == 200
        fault(rig, kind="drop", at="before", times=1)
        avatar = rig.avatar()
        beginning = asyncio.ensure_future(avatar.initialize_session(CONFIG, LIMITS))
        await rig.until(lambda: rig.calls("conversation.list") == 2, advance_ms=500)
        await rig.outbound_create(avatar)
        await rig.until(beginning.done, advance_ms=500)
        with pytest.raises(VendorCutOff):
            await beginning

        (left,) = rig.vendor.active.values()
        assert left.wanted.conversation_name == "another"
        assert len(rig.heard("SettleCall")) == 1

    async def test_what_cannot_be_found_is_not_booked_and_its_hold_runs_out(self, rig):
        """Booking a guess would be wrong for ever; reconciliation books the truth, late."""
        fault(rig, kind="drop", at="before", times=1)
        beginning = asyncio.ensure_future(rig.avatar().initialize_session(CONFIG, LIMITS))
        await rig.until(beginning.done, advance_ms=500)
        with pytest.raises(VendorCutOff):
            await beginning
        assert (rig.heard("SettleCall"), rig.heard("ReleaseCall")) == ([], [])
        rig.expire()

        assert rig.held_nanos() == 0

    async def test_a_visitor_who_leaves_while_it_is_created_leaves_nothing_running(self, rig):
        """The create arrives, takes a while, and nobody waits for it any more."""
        fault(rig, kind="slow", delay_ms=700, times=1)
        beginning = asyncio.ensure_future(rig.avatar().initialize_session(CONFIG, LIMITS))
        await rig.until(lambda: rig.clock._sleepers)
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        await rig.until(lambda: rig.heard("SettleCall"), advance_ms=100)

        assert (rig.calls(CREATE), rig.vendor.active) == (1, {})
        assert rig.booked_ms() >= rig.billed_ms()

    @pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"status": "active"}', b""])
    async def test_an_answer_that_is_none_is_a_lost_one(self, rig, answer, monkeypatch):
        """Whatever stands between us and the vendor may say anything with status 200."""
        send = rig.outbound.request

        async def garbled(meter, method, path, **fields):
            reply = await send(meter, method, path, **fields)
            is_create = method == "POST" and path == "/v2/conversations"
            return type(reply)(reply.status, reply.headers, answer) if is_create else reply

        monkeypatch.setattr(rig.outbound, "request", garbled)
        with pytest.raises(VendorCutOff):
            await rig.avatar().initialize_session(CONFIG, LIMITS)

        assert rig.vendor.active == {}
        assert len(rig.heard("SettleCall")) == 1


class TestEnding:
    async def ended(self, rig):
        avatar = rig.avatar()
        session = await avatar.initialize_session(CONFIG, LIMITS)
        rig.clock.advance_ms(30_000)
        ending = asyncio.ensure_future(avatar.terminate("USER_EXIT"))
        await rig.until(ending.done, advance_ms=500)
        await ending
        return session

    @pytest.mark.parametrize(
        "wrong",
        [{"kind": "status", "status": 503}, {"kind": "drop"}, {"kind": "drop", "at": "after"}],
    )
    async def test_it_is_said_again_until_it_is_heard(self, rig, wrong):
        """Ending twice is harmless, running on is not."""
        fault(rig, END, times=2, **wrong)
        await self.ended(rig)

        assert rig.vendor.active == {}
        assert rig.calls(END) == 3
        assert rig.billed_ms() <= rig.booked_ms() <= rig.billed_ms() + 2_000

    async def test_what_cannot_be_ended_is_not_booked_as_ended(self, rig):
        """Its cost is not known yet: the hold runs out and is settled late with the truth."""
        fault(rig, END, kind="status", status=503)
        await self.ended(rig)

        assert len(rig.vendor.active) == 1
        assert (rig.heard("SettleCall"), rig.calls(END)) == ([], 4)

    async def test_a_conversation_that_is_gone_needs_no_end(self, rig):
        """Somebody deleted it at the vendor: what we counted is booked."""
        avatar = rig.avatar()
        session = await avatar.initialize_session(CONFIG, LIMITS)
        rig.clock.advance_ms(30_000)
        rig.vendor.conversations.pop(session)
        await avatar.terminate("USER_EXIT")

        assert rig.booked_ms() == 30_000

    async def test_one_that_the_vendor_ended_is_noticed_and_booked_as_long_as_it_lasted(self, rig):
        """Nobody came for 20 s; the slice was a minute, the truth is 20 s."""
        avatar = rig.avatar()
        limits = RuntimeLimits(session_ms=3_600_000, absent_ms=20_000)
        await avatar.initialize_session(CONFIG, limits)
        await rig.pass_ms(SLICE_MS - 10_000)
        await rig.until(lambda: rig.heard("SettleCall"))
        with pytest.raises(AvatarEnded):
            await avatar.drive_avatar(StreamInput(text="¿hola?"), lambda _metrics: None)

        assert rig.ended == ["participant_absent_timeout"]
        assert rig.billed_ms() == rig.booked_ms() == 20_000

    async def test_the_key_outlives_its_grant_to_end_the_session(self, rig):
        """The hold has run out; ending still has to work, with the key that began it."""
        avatar = rig.avatar()
        await avatar.initialize_session(CONFIG, LIMITS)
        await rig.client_.revoke_secret("tavus", reason="leaked")
        rig.clock.advance_ms(600_000)
        await avatar.terminate("USER_EXIT")

        assert rig.vendor.active == {}
        assert rig.booked_ms() == rig.billed_ms()


async def test_tavus_is_told_where_to_say_that_it_ended(rig):
    """Each twin has an address of its own there, which nobody else can make."""
    rig.adapter._callback = Callback("https://twins.example", Secret("w" * 40))
    avatar = rig.avatar()
    session = await avatar.initialize_session(CONFIG, LIMITS)
    await avatar.terminate("USER_EXIT")

    told = rig.vendor.conversations[session].wanted.callback_url
    assert told == f"https://twins.example/v1/webhooks/tavus/cantor/{told.rpartition('/')[2]}"
    assert is_token(told.rpartition("/")[2], Secret("w" * 40), "cantor")
    assert not is_token(told.rpartition("/")[2], Secret("w" * 40), "fernandez")
