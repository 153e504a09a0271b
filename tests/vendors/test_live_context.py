"""As few calls as the vendor's terms need, each metered: keeping, sharing, waiting, ageing."""

import asyncio
import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sandbox.api_football import PRO
from services.sandbox.faults import Fault
from services.sandbox.plan_limits import Plan, PlanLimits
from services.secret import Secret
from services.vendors.allowance import US_PER_DAY, Allowance, retry_after_ms
from services.vendors.data.context_errors import (
    ContextError,
    ContextOverQuota,
    ContextRefused,
    ContextStale,
    ContextTooFast,
    ContextUnavailable,
    Headroom,
)
from services.vendors.data.context_query import MatchQuery, NewsQuery
from services.vendors.data.freshness import Freshness, Shelf, freshness
from services.vendors.data.live_context import _Kept
from services.vendors.data.live_data import Board
from tests.vendors.live_world import PRICE_NANOS, policy, world

DAY_MS = 86_400_000


@pytest.fixture
async def live(own_nats):
    async with world(own_nats) as made:
        yield made


class TestKeeping:
    async def test_a_kept_answer_is_no_call_and_comes_with_its_age(self, live):
        """Not authorised, not billed, and it says how old it is and which call brought it."""
        context = await live.context("api-football")
        first = await context.fetch_context(MatchQuery())
        live.clock.advance_ms(14_999)
        again = await context.fetch_context(MatchQuery(team="Ribera"))

        assert (first.from_cache, first.age_ms, first.fresh_for_ms) == (False, 0, 15_000)
        assert (again.from_cache, again.age_ms, again.fresh_for_ms) == (True, 14_999, 1)
        assert again.reservation_id == first.reservation_id
        assert live.authorized() == live.sandbox.ledger.count("api-football") == 1
        live.clock.advance_ms(1)
        assert not (await context.fetch_context(MatchQuery())).from_cache

    async def test_the_vendors_max_age_is_obeyed(self, live):
        """SportRadar's live feed stands for a second, its feed of a day for a minute."""
        context = await live.context("sportradar")
        for query, stands_ms in ((MatchQuery(), 1_000), (MatchQuery(day="2026-11-22"), 60_000)):
            await context.fetch_context(query)
            live.clock.advance_ms(stands_ms - 1)
            assert (await context.fetch_context(query)).from_cache
            live.clock.advance_ms(1)
            assert not (await context.fetch_context(query)).from_cache

    async def test_nothing_is_shown_to_another_twin(self, live):
        """Keys and licences are the twin's: the same question of another is its own call."""
        other = await live.twin("fernandez")
        ours, theirs = await live.context("newsapi"), await live.context("newsapi", gate=other)
        await ours.fetch_context(NewsQuery(words="AI"))
        data = await theirs.fetch_context(NewsQuery(words="AI"))

        assert not data.from_cache
        assert live.sandbox.ledger.count("newsapi") == 2
        assert live.booked("cantor") == live.booked("fernandez") == (PRICE_NANOS["newsapi"], 0)

    async def test_nothing_is_shown_under_another_secret(self, live):
        """Another key may be another licence."""
        await live.gate.put_secret("second", Secret("sandbox-newsapi"))
        context = await live.context("newsapi")
        await context.fetch_context(NewsQuery(words="AI"))

        assert not (await context.fetch_context(NewsQuery(words="AI"), "second")).from_cache


class TestSharing:
    async def test_a_goal_makes_everybody_ask_at_once(self, live):
        """A thousand fans, one call: it belongs to whoever asked first."""
        context = await live.context("api-football")
        asked = [
            context.fetch_context(MatchQuery(), session_id=f"fan-{number}")
            for number in range(1_000)
        ]
        found = await asyncio.gather(*asked)

        assert len({data.reservation_id for data in found}) == 1
        assert live.authorized() == live.sandbox.ledger.count("api-football") == 1
        assert live.booked() == (PRICE_NANOS["api-football"], 0)

    async def test_who_leaves_does_not_take_the_call_along(self, live):
        """The first one hangs up; the others still get their answer from the same call."""
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="slow", delay_ms=500, times=1))
        context = await live.context("sportradar")
        first, second = (
            asyncio.ensure_future(context.fetch_context(MatchQuery())) for _ in range(2)
        )
        await _until(lambda: live.sandbox.ledger.total)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        live.clock.advance_ms(500)

        assert (await second).facts
        assert first.cancelled()
        assert live.sandbox.ledger.count("sportradar") == 1

    async def test_when_all_have_left_the_call_is_ended_and_booked(self, live):
        """Nobody reads the answer, and the vendor may count the request all the same."""
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="slow", delay_ms=500, times=1))
        context = await live.context("sportradar")
        asking = [asyncio.ensure_future(context.fetch_context(MatchQuery())) for _ in range(3)]
        await _until(lambda: live.sandbox.ledger.total)
        for task in asking:
            task.cancel()
        # Who comes now is not drawn into the end of the others.
        late = asyncio.ensure_future(context.fetch_context(MatchQuery()))
        await asyncio.gather(*asking, return_exceptions=True)

        assert (await late).facts
        await live.gate.errands.drain()
        assert live.booked() == (2 * PRICE_NANOS["sportradar"], 0)

    async def test_a_session_at_its_limit_does_not_speak_for_the_others(self, live):
        """The first one is refused for what its own session has used; the second may ask."""
        authorize = live.gate.authorize_call

        async def as_of_that_session(command):
            # What this gate refuses with 403 to one session only: it asks for what is not allowed.
            wanted = "video" if command.session_id == "spent" else command.modality
            return await authorize(msgspec.structs.replace(command, modality=wanted))

        live.gate.authorize_call = as_of_that_session
        context = await live.context("api-football")
        spent, spent_too, fine, fine_too = await asyncio.gather(
            *(
                context.fetch_context(MatchQuery(), session_id=session_id)
                for session_id in ("spent", "spent", "fine", "also-fine")
            ),
            return_exceptions=True,
        )

        assert isinstance(spent, ContextRefused)
        assert spent.decision.status == 403
        assert isinstance(spent_too, ContextRefused)
        assert fine.facts == fine_too.facts != ()
        # One asked for the refused session, one for all the others.
        assert live.authorized() == 2
        assert live.sandbox.ledger.count("api-football") == 1


class TestLimits:
    async def test_the_minute_is_not_asked_for_more_than_it_has(self, live):
        """Ten a minute: the eleventh is refused here, with the time to wait; no hold is made."""
        live.sandbox.vendors["api-football"].limits = PlanLimits(Plan(minute=10, day=100))
        context = await live.context("api-football")
        for number in range(10):
            await context.fetch_context(MatchQuery(match_id=str(number)))
        asked = live.authorized()
        with pytest.raises(ContextTooFast) as refused:
            await context.fetch_context(MatchQuery())

        assert refused.value.retry_after_ms == 60_000
        assert live.authorized() == asked == live.sandbox.ledger.count("api-football") == 10
        live.clock.advance_ms(refused.value.retry_after_ms)
        assert (await context.fetch_context(MatchQuery())).facts

    async def test_what_is_in_flight_counts(self, live):
        """Headers speak of answers; two questions side by side must not both take the last one."""
        live.sandbox.vendors["api-football"].limits = PlanLimits(Plan(minute=3, day=100))
        context = await live.context("api-football")
        await context.fetch_context(MatchQuery())
        asked = [context.fetch_context(MatchQuery(match_id=str(number))) for number in range(5)]
        found = await asyncio.gather(*asked, return_exceptions=True)

        assert sum(isinstance(one, ContextTooFast) for one in found) == 3
        assert live.sandbox.ledger.count("api-football") == 3
        assert live.booked() == (live.billed("api-football"), 0)

    async def test_the_day_ends_at_midnight_utc(self, live):
        """The wait is exact, and after it there is a new day."""
        live.sandbox.vendors["api-football"].limits = PlanLimits(Plan(day=1))
        context = await live.context("api-football")
        await context.fetch_context(MatchQuery())
        with pytest.raises(ContextOverQuota) as refused:
            await context.fetch_context(MatchQuery(match_id="1"))

        assert refused.value.retry_after_ms == DAY_MS - 40 * 60_000
        live.clock.advance_ms(refused.value.retry_after_ms)
        assert not (await context.fetch_context(MatchQuery(match_id="1"))).facts

    async def test_an_error_that_says_wait_is_obeyed(self, live):
        """SportRadar has no headers: its refusals are all there is to learn from."""
        live.sandbox.vendors["sportradar"].limits = PlanLimits(Plan(second=1))
        context = await live.context("sportradar")
        await context.fetch_context(MatchQuery())
        for _ in range(3):
            with pytest.raises(ContextTooFast):
                await context.fetch_context(MatchQuery(day="2026-11-22"))

        assert live.sandbox.ledger.count("sportradar") == 2
        live.clock.advance_ms(1_000)
        assert (await context.fetch_context(MatchQuery(day="2026-11-22"))).facts

    async def test_a_refusal_by_the_gate_uses_up_nothing(self, live):
        """The twin sleeps; its vendor's minute is as it was, and the decision is told."""
        live.sandbox.vendors["api-football"].limits = PlanLimits(Plan(minute=2, day=10))
        context = await live.context("api-football")
        await context.fetch_context(MatchQuery())
        await live.gate.set_policy(policy(limit_nanos=1))
        for number in range(3):
            with pytest.raises(ContextRefused) as refused:
                await context.fetch_context(MatchQuery(match_id=str(number)))
        await live.gate.set_policy(policy())

        assert refused.value.decision.status == 402
        assert (await context.fetch_context(MatchQuery(match_id="9"))).fetched_at_us
        assert PRO.minute


class TestAllowance:
    def test_headers_do_not_know_what_is_in_flight(self):
        """Two are left says the answer, and two others are already on their way."""
        allowance = Allowance("acme")
        for _ in range(3):
            allowance.take(0)
        allowance.read(Headroom(minute_left=2), 0, 0)
        allowance.returned(was_sent=True)
        with pytest.raises(ContextTooFast):
            allowance.take(59_999_999)
        allowance.take(60_000_000)

    def test_an_errors_headers_count_and_the_longest_wait_is_told(self):
        """Asked to wait a second on the last request of the day: that second helps nobody."""
        allowance = Allowance("acme")
        allowance.take(0)
        problem = ContextTooFast("acme", "slow", retry_after_ms=1_000, headroom=Headroom(5, 0))
        allowance.refused(problem, 0, US_PER_DAY - 7_000_000)
        allowance.returned(was_sent=True)
        with pytest.raises(ContextOverQuota) as refused:
            allowance.take(0)
        assert refused.value.retry_after_ms == 7_000
        allowance.take(7_000_000)

    @pytest.mark.parametrize(
        ("headers", "wait_ms"),
        [
            ({"Retry-After": "7"}, 7_000),
            ({"Retry-After": "999999999999"}, 86_400_000),
            (
                {
                    "Retry-After": "Wed, 21 Oct 2026 07:28:09 GMT",
                    "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
                },
                9_000,
            ),
            ({"Retry-After": "Wed, 21 Oct 2026 07:28:09 GMT"}, None),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "-1"}, None),
            ({}, None),
        ],
    )
    def test_retry_after(self, headers, wait_ms):
        """Seconds or a date; a date is compared with the vendor's own clock."""
        assert retry_after_ms(headers) == wait_ms


class TestAgeing:
    def test_a_vendor_whose_clock_is_ahead_does_not_know_the_future(self):
        """An age below nothing would pass every bound."""
        board = Board((), 1_000, Freshness(0), as_of_us=9_000_000)
        kept = _Kept(board, 0, 5_000_000, "cantor.1")

        assert (kept.as_of_us, kept.age_us(3)) == (5_000_000, 3)

    async def test_in_need_what_is_kept_is_shown_with_its_age(self, live):
        """The vendor is down for a moment: a score of 30 seconds ago, said to be that old."""
        context = await live.context("sportradar")
        await context.fetch_context(MatchQuery())
        live.clock.advance_ms(30_000)
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="status", status=503))
        data = await context.fetch_context(MatchQuery())

        assert (data.from_cache, data.age_ms, data.why_old) == (True, 30_000, "unavailable")

    async def test_too_old_is_not_shown_at_all(self, live):
        """Two minutes after a score, there may be a goal that everybody has seen."""
        context = await live.context("sportradar")
        await context.fetch_context(MatchQuery())
        live.clock.advance_ms(120_001)
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="status", status=503))
        with pytest.raises(ContextUnavailable):
            await context.fetch_context(MatchQuery())

    async def test_a_vendor_that_forbids_it_is_obeyed(self, live):
        """`must-revalidate`: not even in need."""
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="must_revalidate", times=1))
        context = await live.context("sportradar")
        await context.fetch_context(MatchQuery())
        live.clock.advance_ms(1_000)
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="status", status=503))
        with pytest.raises(ContextUnavailable):
            await context.fetch_context(MatchQuery())

    async def test_an_answer_that_comes_old_is_refused(self, live):
        """The vendor's own feed stands still: booked, for it was delivered, but not said."""
        live.sandbox.faults.add(Fault(vendor="sportradar", kind="old", delay_ms=121_000, times=1))
        context = await live.context("sportradar")
        with pytest.raises(ContextStale):
            await context.fetch_context(MatchQuery())

        assert live.booked() == (PRICE_NANOS["sportradar"], 0)


class TestBooks:
    async def test_vendor_and_gate_agree_after_a_bad_night(self, live):
        """
        Goal: each request that reached a vendor is booked, once, and nothing stays held.
        Method: faults by chance, twenty minutes, many questions, some of whose askers leave. None
        of the faults is a refusal that vendors serve for nothing.
        """
        for vendor, kind in (("sportradar", "status"), ("api-football", "in_200")):
            live.sandbox.faults.add(Fault(vendor=vendor, kind=kind, probability=0.2, seed=7))
            live.sandbox.faults.add(
                Fault(vendor=vendor, kind="drop", at="after", probability=0.2, seed=8)
            )
        contexts = [await live.context(vendor) for vendor in ("sportradar", "api-football")]
        for step in range(60):
            asked = [
                asyncio.ensure_future(context.fetch_context(MatchQuery(), session_id=f"s-{step}"))
                for context in contexts
                for _ in range(3)
            ]
            if step % 7 == 0:
                asked[0].cancel()
            for found in await asyncio.gather(*asked, return_exceptions=True):
                assert not isinstance(found, Exception) or isinstance(found, ContextError)
            live.clock.advance_ms(20_000)
        await live.gate.errands.drain()

        committed, held = live.booked()
        calls = list(live.sandbox.ledger.calls())
        assert held == 0
        assert {call.status for call in calls} == {0, 200, 500}
        assert committed == sum(PRICE_NANOS[call.vendor] for call in calls)


class TestFreshness:
    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({}, Freshness(5_000)),
            ({"Cache-Control": "public, max-age=1"}, Freshness(1_000)),
            ({"Cache-Control": "max-age=60", "Age": "20"}, Freshness(40_000)),
            ({"Cache-Control": "max-age=60", "Age": "90"}, Freshness(0)),
            ({"Cache-Control": "s-maxage=60"}, Freshness(5_000)),
            ({"Cache-Control": "no-store"}, Freshness(0, may_store=False, may_serve_stale=False)),
            ({"Cache-Control": "no-cache"}, Freshness(0, may_serve_stale=False)),
            (
                {"Cache-Control": "max-age=9, must-revalidate"},
                Freshness(9_000, may_serve_stale=False),
            ),
            ({"Cache-Control": "max-age=99999999999"}, Freshness(3_600_000)),
            ({"Cache-Control": "max-age=-1"}, Freshness(5_000)),
        ],
    )
    def test_what_the_vendor_allows(self, headers, expected):
        """The rules of HTTP for a private cache, bounded."""
        assert freshness(headers, default_ms=5_000) == expected

    @given(st.text(max_size=200))
    @settings(max_examples=100, deadline=None)
    def test_any_header_is_read(self, text):
        """A vendor may send anything."""
        assert 0 <= freshness({"Cache-Control": text}, default_ms=1).max_age_ms <= 3_600_000

    def test_the_shelf_is_bounded_in_number_and_size(self):
        """What was used last stays; what is larger than the shelf is not kept at all."""
        shelf = Shelf(most=3, bytes_max=100)
        for key in "abc":
            shelf.put(key, key, 10)
        shelf.get("a")
        shelf.put("d", "d", 10)
        assert [shelf.get(key) for key in "abcd"] == ["a", None, "c", "d"]
        shelf.put("e", "e", 95)
        assert (len(shelf), shelf.get("e")) == (1, "e")
        shelf.put("f", "f", 101)
        assert shelf.get("f") is None


async def _until(condition):
    while not condition():  # noqa: ASYNC110 - the sandbox has no event of ours
        await asyncio.sleep(0.001)
