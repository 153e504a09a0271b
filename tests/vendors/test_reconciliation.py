"""What a crash left running is ended, and its cost booked: once, whoever looks, whatever dies."""

import asyncio

import pytest

from contracts.usage import Usage
from services.sandbox.faults import Fault
from services.secret import Secret
from services.vendors.adapter import VendorCutOff
from services.vendors.failed import KeyRefused
from services.vendors.reconciliation import Booking, Product, Reconciler
from services.vendors.reconciling import Reconciled, Reconciling
from tests.vendors.avatar_rig import CONFIG, LIMITS, NANOS_PER_MS, SLICE_MS, Rig

PRODUCT = Product("video", "cvi")


class HeardBookings:
    """The audit log of these tests: what the gate has booked."""

    def __init__(self, rig):
        self.rig = rig
        self.asked = 0

    async def since(self, tenant, provider_id, since_us, *, position):
        self.asked += 1
        return [
            Booking(event.reservation_id, event.vendor_ref, event.usage.stream_ms)
            for event in self.rig.heard("SettleCall")
        ]


@pytest.fixture
async def rig(own_nats):
    async with Rig(own_nats).open() as rig:
        yield rig


@pytest.fixture
def bookings(rig):
    return HeardBookings(rig)


@pytest.fixture
def reconciler(rig, bookings):
    return Reconciler(rig.client_, rig.adapter, PRODUCT, bookings=bookings)


async def crashed(rig, *, after_ms=0):
    """A session whose process died: it runs at the vendor, and nobody extends or ends it."""
    avatar = rig.avatar()
    await avatar.initialize_session(CONFIG, LIMITS)
    await asyncio.sleep(0)
    avatar._renewing.cancel()
    rig.avatars.remove(avatar)
    rig.clock.advance_ms(after_ms)
    return avatar


def what(report):
    return [finding.what for finding in report.findings]


class TestAfterACrash:
    async def test_a_zombie_is_ended_and_booked_as_long_as_it_lasted(self, rig, reconciler):
        """Late, on the hold that paid for its first minute."""
        avatar = await crashed(rig)
        rig.expire(900_000)
        report = await reconciler.run()

        (finding,) = report.findings
        assert (finding.what, finding.hold) == ("booked_late", "expired")
        assert finding.reservation_id == avatar.decision.reservation_id
        assert rig.vendor.active == {}
        assert rig.billed_ms() == finding.usage.stream_ms == 900_000
        assert rig.committed_nanos() == finding.cost_nanos == 900_000 * NANOS_PER_MS
        assert rig.held_nanos() == 0

    async def test_looking_again_finds_nothing(self, rig, reconciler, bookings):
        """By the same process, and by one that has just been started."""
        await crashed(rig)
        rig.expire()
        await reconciler.run()
        booked = rig.committed_nanos()
        for again in (reconciler, Reconciler(rig.client_, rig.adapter, PRODUCT, bookings=bookings)):
            assert (await again.run()).findings == []

        assert rig.committed_nanos() == booked

    async def test_one_that_the_vendor_ended_meanwhile_is_booked_too(self, rig, reconciler):
        """Also what is left when somebody died between the end and the booking."""
        await crashed(rig)
        (conversation,) = rig.vendor.active.values()
        rig.clock.advance_ms(40_000)
        rig.vendor._finish(conversation, rig.clock.now_us(), "end_conversation_endpoint_hit")
        rig.expire()
        report = await reconciler.run()

        assert what(report) == ["booked_late"]
        assert rig.booked_ms() == rig.billed_ms() == 40_000

    async def test_a_create_that_nobody_found_is_found_now(self, rig, reconciler):
        """It got no answer, was looked for in vain, and appeared after that."""
        rig.sandbox.faults.add(
            Fault(vendor="tavus", operation="conversation.create", kind="drop", times=1)
        )
        avatar = rig.avatar()
        beginning = asyncio.ensure_future(avatar.initialize_session(CONFIG, LIMITS))
        await rig.until(beginning.done, advance_ms=500)
        with pytest.raises(VendorCutOff):
            await beginning
        await rig.outbound_create(avatar)
        rig.expire(200_000)
        report = await reconciler.run()

        assert what(report) == ["booked_late"]
        assert rig.booked_ms() == rig.billed_ms() == 200_000

    async def test_an_end_that_was_never_heard_is_made_up_for(self, rig, reconciler):
        """The process lived, the vendor did not listen: the hold ran out unbooked."""
        avatar = rig.avatar()
        await avatar.initialize_session(CONFIG, LIMITS)
        rig.sandbox.faults.add(
            Fault(vendor="tavus", operation="conversation.end", kind="status", status=503)
        )
        ending = asyncio.ensure_future(avatar.terminate("USER_EXIT"))
        await rig.until(ending.done, advance_ms=500)
        rig.sandbox.faults.clear()
        rig.expire(300_000)
        report = await reconciler.run()

        assert what(report) == ["booked_late"]
        assert rig.booked_ms() == rig.billed_ms()


class TestWhatIsLeftAlone:
    async def test_a_session_that_somebody_pays_for(self, rig, reconciler):
        """Minute after minute: it is looked at, and lives."""
        avatar = rig.avatar()
        await avatar.initialize_session(CONFIG, LIMITS)
        for _ in range(4):
            await rig.pass_ms(SLICE_MS)
            assert (await reconciler.run()).findings == []
        assert len(rig.vendor.active) == 1
        await avatar.terminate("USER_EXIT")

        assert (await reconciler.run()).findings == []
        assert rig.booked_ms() == 4 * SLICE_MS

    @pytest.mark.parametrize(
        "name",
        [
            "somebody else's",
            "vito:production:cantor.2",
            "vito:development:fernandez.2",
            "vito:development:cantor",
            "vito:development:cantor.2:x",
            None,
        ],
    )
    async def test_what_is_not_this_twins(self, rig, reconciler, name):
        """The account is shared with other deployments, other twins, and people."""
        body = {"persona_id": "p1"} | ({"conversation_name": name} if name else {})
        assert await rig.create(body) == 200
        rig.expire()

        assert (await reconciler.run()).sessions == 0
        assert len(rig.vendor.active) == 1


class TestWithoutAHold:
    async def test_one_that_outlived_what_was_held_is_ended_and_left_to_its_holder(
        self, rig, reconciler
    ):
        """The hold is open and for a minute; the session is older than that and the grace."""
        await crashed(rig, after_ms=SLICE_MS + 25_000)
        assert (await reconciler.run()).findings == []
        rig.clock.advance_ms(10_000)
        report = await reconciler.run()

        assert what(report) == ["ended"]
        assert (rig.vendor.active, rig.heard("SettleCall")) == ({}, [])
        # Its holder died, so the hold runs out, and the next look books it.
        rig.expire()
        assert what(await reconciler.run()) == ["booked_late"]
        assert rig.booked_ms() == rig.billed_ms()

    async def settled_short(self, rig, *, ms=10_000, is_named=True):
        avatar = await crashed(rig)
        session = avatar.metrics().session
        await rig.client_.settle(
            avatar.decision.reservation_id,
            Usage(stream_ms=ms),
            vendor_ref=session if is_named else "",
        )
        rig.clock.advance_ms(100_000)
        return session

    @pytest.mark.parametrize("is_named", [True, False])
    async def test_what_exceeds_a_closed_hold_is_booked_unheld(self, rig, reconciler, is_named):
        """Somebody settled ten seconds of it, with its name or without; it ran for a hundred."""
        session = await self.settled_short(rig, is_named=is_named)
        report = await reconciler.run()

        (finding,) = report.findings
        assert (finding.what, finding.hold, finding.ref) == ("booked_unheld", "closed", session)
        assert finding.usage.stream_ms == 90_000
        assert rig.booked_ms() == rig.billed_ms() == 100_000
        assert rig.committed_nanos() == 100_000 * NANOS_PER_MS
        # As an overrun: no hold backed it.
        assert rig.gate.totals("cantor").overrun_nanos == 90_000 * NANOS_PER_MS
        assert (await reconciler.run()).findings == []

    async def test_a_session_of_no_known_hold_is_booked_in_full(self, rig, reconciler):
        """The log was restored from a backup that is older than the call."""
        body = {"persona_id": "p1", "conversation_name": "vito:development:cantor.99999"}
        assert await rig.create(body) == 200
        rig.clock.advance_ms(50_000)
        report = await reconciler.run()

        assert [one.hold for one in report.findings] == ["unknown"]
        assert rig.booked_ms() == rig.billed_ms() == 50_000

    async def test_without_an_audit_log_it_is_ended_and_said(self, rig):
        """Booking without knowing what was booked could book twice."""
        await self.settled_short(rig)
        reconciler = Reconciler(rig.client_, rig.adapter, PRODUCT)
        report = await reconciler.run()

        assert what(report) == ["cost_unknown"]
        assert not report.is_clean
        assert (rig.vendor.active, rig.booked_ms()) == ({}, 10_000)

    async def test_what_was_booked_is_looked_up_once(self, rig, reconciler, bookings):
        """A session that is over and booked cannot change any more."""
        avatar = rig.avatar()
        await avatar.initialize_session(CONFIG, LIMITS)
        await avatar.terminate("USER_EXIT")
        for _ in range(3):
            assert (await reconciler.run()).findings == []

        assert bookings.asked == 1


class TestSideBySide:
    async def test_two_book_every_cost_once(self, rig, bookings):
        """Ten zombies of every kind, three who look at the same time, again and again."""
        short = TestWithoutAHold()
        for number in range(6):
            await crashed(rig, after_ms=number * 1_000)
        rig.expire()
        for number in range(4):
            await short.settled_short(rig, ms=1_000 * (number + 1))
        several = [
            Reconciler(rig.client_, rig.adapter, PRODUCT, bookings=bookings) for _ in range(3)
        ]
        for _ in range(2):
            await asyncio.gather(*(one.run() for one in several))

        assert rig.vendor.active == {}
        assert rig.billed_ms() * NANOS_PER_MS == rig.committed_nanos()
        assert rig.held_nanos() == 0

    async def test_more_than_a_page(self, rig, reconciler):
        """The vendor lists a hundred at a time."""
        for number in range(205):
            name = f"vito:development:cantor.{90_000 + number}"
            assert await rig.create({"persona_id": "p1", "conversation_name": name}) == 200
        rig.clock.advance_ms(5_000)
        report = await reconciler.run()

        assert (report.sessions, len(report.findings)) == (205, 205)
        assert rig.vendor.active == {}


class TestWhenItCannot:
    async def test_a_vendor_that_does_not_end_one_is_asked_again(self, rig, reconciler):
        """Nothing is booked for what still runs; the others are not held up by it."""
        await crashed(rig)
        await crashed(rig)
        rig.expire()
        rig.sandbox.faults.add(
            Fault(vendor="tavus", operation="conversation.end", kind="status", status=400, times=1)
        )
        running = asyncio.ensure_future(reconciler.run())
        await rig.until(running.done, advance_ms=500)
        report = await running
        assert sorted(what(report)) == ["booked_late", "not_ended"]
        assert not report.is_clean

        assert what(await reconciler.run()) == ["booked_late"]
        assert rig.booked_ms() == rig.billed_ms()

    async def test_a_sleeping_twin_is_reconciled(self, rig, reconciler):
        """It was put to sleep because it cost too much; that is when it matters."""
        await crashed(rig)
        await rig.client_.suspend(asleep=True)
        rig.expire()

        assert what(await reconciler.run()) == ["booked_late"]

    async def test_a_key_that_the_vendor_refuses_leaves_nothing_held(self, rig, reconciler):
        """The error says whose key; the look is given back."""
        await rig.client_.put_secret("tavus", Secret("revoked-at-the-vendor"))
        with pytest.raises(KeyRefused):
            await reconciler.run()

        assert len(rig.heard("ReleaseCall")) == 1
        assert rig.gate.states["cantor"].budget.holds == {}


class TestEveryTwin:
    async def test_one_that_fails_does_not_hold_up_the_others(self, rig, bookings):
        """Each is reported by its name; a twin without the vendor's key has no sessions there."""
        await crashed(rig)
        rig.expire()
        fernandez = rig.client_.for_tenant("fernandez")
        await rig.provision(fernandez)
        await fernandez.put_secret("tavus", Secret("SENTINEL"))
        keyless = rig.client_.for_tenant("keyless")
        await rig.provision(keyless)
        for vendor in rig.sandbox.vendors:
            await keyless.revoke_secret(vendor)

        async def tenants():
            return ["cantor", "fernandez", "keyless", "nobody"]

        reconciling = Reconciling(
            rig.client_, [Reconciled(rig.adapter, "tavus")], tenants, bookings=bookings
        )
        reports = {report.tenant: report for report in await reconciling.once()}

        assert what(reports["cantor"]) == ["booked_late"]
        assert reports["fernandez"].refused.startswith("KeyRefused")
        assert "SENTINEL" not in str(reports)
        assert {"keyless", "nobody"}.isdisjoint(reports)
