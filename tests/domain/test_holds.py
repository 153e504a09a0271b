"""Holds: settle, extend, release, expire, and everything that can come late or twice."""

import pytest

from contracts.budget import CallSettled, HoldExtended, HoldReleased, HoldsExpired, SettleCall
from contracts.policy import BudgetPolicy, Quotas, SessionLimits
from contracts.tenant import SuspendTenant
from contracts.usage import NO_UNITS, Units, Usage
from domain import budget, gate
from domain.units import MODALITIES
from domain.views import view
from tests.domain.world import (
    NOON,
    PRICES,
    SECOND,
    Twin,
    book,
    entry,
    option,
    policy,
    snapshot,
    usage,
)


class TestSettle:
    def test_books_the_truth_and_frees_the_rest(self):
        """The hold was an upper bound; what was not spent is there for the next call."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(60)

        settled = twin.settle(grant, 45, vendor_ref="chat-1", outcome="cut_off")

        assert isinstance(settled, CallSettled)
        assert (
            settled.cost_nanos,
            settled.credit_nanos,
            settled.overrun_nanos,
            settled.late,
            settled.held_nanos,
        ) == (45, 0, 0, False, 60)
        assert (
            settled.standing.committed_nanos,
            settled.standing.held_nanos,
            settled.standing.remaining_nanos,
        ) == (45, 0, 55)
        assert ("chat-1", "cut_off", grant.decision) == (
            settled.vendor_ref,
            settled.outcome,
            settled.reservation,
        )

    def test_above_the_hold_is_booked_flagged_and_counted(self):
        """The money was really spent, so hiding it would make every later number wrong."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(60)

        settled = twin.settle(grant, 130)

        assert (settled.cost_nanos, settled.overrun_nanos) == (130, 70)
        assert (
            twin.totals.overruns,
            twin.totals.overrun_nanos,
            twin.totals.committed_nanos,
        ) == (1, 70, 130)
        assert settled.standing.remaining_nanos == 0
        assert twin.authorize(1).code == "monthly_hard_limit_reached"

    def test_pays_from_credits_what_was_held_on_them_and_no_more(self):
        """The limit pays first, so that credits are what comes back."""
        twin = Twin(policy(limit=60))
        twin.top_up(100)
        grant = twin.authorize(100)

        assert grant.credit_nanos == 40
        settled = twin.settle(grant, 75)

        assert (settled.cost_nanos, settled.credit_nanos, settled.overrun_nanos) == (75, 15, 0)
        assert (settled.standing.committed_nanos, settled.standing.credits_nanos) == (60, 85)

    def test_an_overrun_is_never_paid_from_credits_that_were_not_held(self):
        """Credits spent and held never pass what was added, whatever a vendor bills."""
        twin = Twin(policy(limit=60))
        twin.top_up(50)
        grant = twin.authorize(100)

        settled = twin.settle(grant, 150)

        assert (settled.cost_nanos, settled.credit_nanos, settled.overrun_nanos) == (150, 40, 50)
        assert (settled.standing.committed_nanos, settled.standing.credits_nanos) == (110, 10)

    def test_at_the_prices_of_its_grant(self):
        """A new price book must not reprice what was agreed; an older one is kept for holds."""
        twin = Twin(policy(limit=1_000))
        old = twin.authorize(10)
        twin.set_prices(book(entry("text", input_tokens=3)))
        new = twin.authorize(estimate=Usage(10))
        twin.set_prices(book(entry("voice", stream_ms=1)))

        assert (twin.settle(old, 10).cost_nanos, twin.settle(new, 10).cost_nanos) == (10, 30)
        assert (old.price_version, new.price_version) == (1, 2)

    def test_of_a_quantity_without_a_price_is_refused_and_the_hold_stays(self):
        """Booking less than was used would be a lie; the caller can settle again, right."""
        twin = Twin()
        grant = twin.authorize(10)

        refusal = twin.settle(grant, usage=Usage(characters=5))

        assert (
            refusal.code,
            {k: v for k, v in refusal.facts.items() if k == "field"},
        ) == ("not_priced", {"field": "usage"})
        assert twin.settle(grant, 10).cost_nanos == 10

    def test_that_leaves_the_exact_range_is_refused(self):
        """Nine million in a month is a wrong number, and would make the right ones inexact."""
        most = 9_000_000_000_000_000
        twin = Twin(policy(limit=100), book(entry("text", input_tokens=most // 10)))
        grant = twin.authorize(0)
        other = twin.authorize(0)

        assert twin.settle(grant, 11).code == "booking_too_large"
        assert most == twin.settle(grant, 10).cost_nanos
        assert twin.settle(other, 1).code == "booking_too_large"

    def test_that_counts_units_out_of_the_exact_range_is_refused(self):
        """The same for units; a free price must not hide it."""
        twin = Twin(prices=book(entry("text", input_tokens=0)))
        grant = twin.authorize(0)
        twin.state.budget.periods["2026-11"].units["text"].committed_tokens_milli = (
            9 * 10**15 - 1_000
        )

        assert twin.settle(grant, 2).code == "booking_too_large"
        assert isinstance(twin.settle(grant, 1), CallSettled)

    @pytest.mark.parametrize(
        ("modality", "meter"),
        [
            ("video", "minute_unit"),
            ("video", "video_minute_unit"),
            ("voice", "voice_minute_unit"),
            ("text", "token_unit"),
            ("text", "text_token_unit"),
            ("text", "interaction_unit"),
            ("data", "data_request"),
        ],
    )
    def test_moves_every_unit_from_held_to_committed(self, modality, meter):
        """Each unit has its own counters; one that is forgotten would never fill its quota."""
        prices = book(*(entry(m, stream_ms=0, input_tokens=0, requests=0) for m in MODALITIES))
        twin = Twin(prices=prices)
        grant = twin.authorize(modality=modality, estimate=Usage(5, 0, 5, 0, 5, 5))

        def counted() -> tuple[int, int]:
            meters = view("budget", twin.state, twin.now_us).meters
            return next((m.held, m.committed) for m in meters if m.meter == meter)

        assert counted() == (5_000, 0)
        twin.settle(grant, usage=Usage(3, 0, 3, 0, 3, 3))
        assert counted() == (0, 3_000)
        twin.release(twin.authorize(modality=modality, estimate=Usage(5, 0, 5, 0, 5, 5)))
        assert counted() == (0, 3_000)

    def test_while_suspended_is_booked(self):
        """Stopping a twin stops new calls, not the truth about old ones."""
        twin = Twin()
        settled, released = twin.authorize(10), twin.authorize(10)
        twin.do(SuspendTenant(command_id="suspend"))

        assert twin.settle(settled, 10).cost_nanos == 10
        assert isinstance(twin.release(released), HoldReleased)


class TestTwice:
    @pytest.mark.parametrize("first", ["settle", "release"])
    @pytest.mark.parametrize("second", ["settle", "release", "extend"])
    def test_closing_a_closed_hold_has_a_clear_answer_and_no_effect(self, first, second):
        """A retry under a new id must not book again."""
        twin = Twin()
        grant = twin.authorize(10)
        getattr(twin, first)(grant)
        before = (twin.standing, twin.totals.committed_nanos)

        refusal = getattr(twin, second)(grant)

        assert (refusal.code, refusal.status) == ("hold_closed", 409)
        assert before == (twin.standing, twin.totals.committed_nanos)

    def test_a_late_settlement_closes_for_good(self):
        """Late once is booked, late twice is not."""
        twin = Twin()
        grant = twin.authorize(10, ttl_ms=1_000)
        twin.pass_time(2 * SECOND)
        twin.settle(grant, 7)

        assert twin.settle(grant, 7).code == "hold_closed"
        assert twin.totals.committed_nanos == 7

    def test_a_decision_that_granted_nothing_has_no_hold(self):
        """The number of a refusal is not the number of a hold."""
        twin = Twin(policy(limit=1))
        refusal = twin.authorize(5)

        assert twin.settle(refusal).code == "hold_closed"


class TestNotOurs:
    @pytest.mark.parametrize("verb", ["settle", "release", "extend"])
    @pytest.mark.parametrize(
        ("reservation", "code", "status"),
        [
            ("fernandez.2", "hold_of_another_tenant", 403),
            ("cantor-2.2", "hold_of_another_tenant", 403),
            ("cantor.99", "hold_unknown", 404),
            ("cantor.0", "hold_unknown", 404),
        ],
    )
    def test_is_refused_by_name(self, verb, reservation, code, status):
        """Another twin's money cannot be touched, even with its reservation's name in hand."""
        twin = Twin()
        twin.authorize(10)
        before = twin.standing

        refusal = getattr(twin, verb)(reservation)

        assert (code, status) == (refusal.code, refusal.status)
        assert before == twin.standing

    def test_an_unknown_number_becomes_known_when_it_is_granted(self):
        """`unknown` is exact: the next decision is the first that it does not hold for."""
        twin = Twin()
        future = f"cantor.{twin.state.decisions + 2}"

        assert twin.settle(future).code == "hold_unknown"
        twin.authorize(10)

        assert isinstance(twin.settle(future), CallSettled)


class TestExtend:
    def test_holds_more_and_longer(self):
        """A stream's cost is not known up front; slices keep it covered."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(30, ttl_ms=10_000)
        twin.pass_time(9 * SECOND)

        extended = twin.extend(grant, 50, ttl_ms=10_000)

        assert isinstance(extended, HoldExtended)
        assert (
            extended.amount_nanos,
            extended.expires_at_us,
            extended.standing.held_nanos,
        ) == (50, NOON + 19 * SECOND, 80)
        assert twin.settle(grant, 80).held_nanos == 80

    def test_never_shortens_a_hold(self):
        """A small slice must not take away time that was granted."""
        twin = Twin()
        grant = twin.authorize(1, ttl_ms=60_000)

        extended = twin.extend(grant, 1, ttl_ms=1_000)

        assert grant.expires_at_us == extended.expires_at_us

    def test_is_refused_when_the_limit_does_not_cover_it_and_the_hold_stays(self):
        """The hard stop of a running stream; what it already holds is still its own."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(60)

        refusal = twin.extend(grant, 41)

        assert (
            refusal.code,
            refusal.verb,
            refusal.amount_nanos,
        ) == ("monthly_hard_limit_reached", "extend", 41)
        assert twin.standing.held_nanos == 60
        assert isinstance(twin.extend(grant, 40), HoldExtended)

    def test_goes_on_on_credits(self):
        """Credits pay when the month cannot, for a running call as for a new one."""
        twin = Twin(policy(limit=100))
        twin.top_up(50)
        grant = twin.authorize(90)

        extended = twin.extend(grant, 30)

        assert (extended.credit_nanos, extended.standing.credits_nanos) == (20, 30)

    @pytest.mark.parametrize(
        ("code", "rules"),
        [
            ("quota_exhausted", {"quotas": Quotas(text_token_units=1)}),
            ("session_limit_reached", {"session": SessionLimits(max_token_units=1)}),
            (
                "soft_cap_reached",
                {
                    "budget": BudgetPolicy(
                        monthly_hard_limit_nanos=10_000,
                        soft_cap_permille=100,
                        soft_cap_modality="text",
                    ),
                    "sku": "voice",
                },
            ),
        ],
    )
    def test_is_checked_like_a_new_call(self, code, rules):
        """A long call must not be a way around what a new call would be refused for."""
        modality = rules.pop("sku", "text")
        twin = Twin(policy(**{"limit": 10_000, **rules}))
        grant = twin.authorize(1_000, modality, session_id="s")

        assert code == twin.extend(grant, 10).code

    def test_of_a_quantity_without_a_price_is_refused(self):
        """As for a new call."""
        twin = Twin()

        assert twin.extend(twin.authorize(1), estimate=Usage(requests=1)).code == "not_priced"

    def test_is_refused_while_the_twin_is_suspended(self):
        """An operator who stops a twin stops its streams at their next slice."""
        twin = Twin()
        grant = twin.authorize(1)
        twin.do(SuspendTenant(command_id="stop"))

        assert twin.extend(grant, 1).code == "twin_suspended"

    def test_is_refused_when_the_policy_no_longer_allows_the_modality(self):
        """A policy takes effect at the next slice."""
        twin = Twin(policy(limit=1_000))
        grant = twin.authorize(100, "video")
        twin.set_policy(policy(limit=1_000, modalities=["text"], ladder=["text"]))

        assert twin.extend(grant, 100).code == "modality_not_allowed"

    def test_counts_units_and_session_of_the_whole_call(self):
        """What the slices hold is freed with the call, not left behind."""
        twin = Twin(policy(limit=10_000, session=SessionLimits(max_token_units=1)))
        grant = twin.authorize(400, session_id="s")
        twin.extend(grant, 600)

        settled = twin.settle(grant, 100)

        assert Units(tokens_milli=1_000_000) == settled.held_units
        assert twin.authorize(900, session_id="s").amount_nanos == 900


class TestRelease:
    def test_gives_the_whole_hold_back(self):
        """The vendor was never called."""
        twin = Twin(policy(limit=60))
        twin.top_up(100)
        grant = twin.authorize(100)

        released = twin.release(grant)

        assert (released.held_nanos, released.held_credit_nanos) == (100, 40)
        assert (
            released.standing.committed_nanos,
            released.standing.held_nanos,
            released.standing.credits_nanos,
        ) == (0, 0, 100)


class TestExpiry:
    def test_is_written_before_the_money_is_used_again(self):
        """Replay must give the same answer, so nothing expires silently."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(100, ttl_ms=1_000)

        twin.now_us = grant.expires_at_us - 1
        assert twin.authorize(1).code == "monthly_hard_limit_reached"
        twin.now_us += 1
        expired, granted = twin.do(twin.call(100))

        assert isinstance(expired, HoldsExpired)
        assert [grant.decision] == [gone.reservation for gone in expired.holds]
        assert granted.amount_nanos == 100

    def test_comes_in_the_order_in_which_the_holds_ran_out(self):
        """The log reads like what happened; a hold that was closed or extended does not expire."""
        twin = Twin(policy(limit=1_000))
        late, early, closed, extended = (
            twin.authorize(1, ttl_ms=ttl) for ttl in (9_000, 3_000, 1_000, 2_000)
        )
        twin.release(closed)
        twin.extend(extended, 1, ttl_ms=7_000)

        (event,) = twin.pass_time(10 * SECOND)

        assert [early.decision, extended.decision, late.decision] == [
            gone.reservation for gone in event.holds
        ]
        assert event.holds[1].held_nanos == 2

    def test_of_very_many_holds_comes_in_bounded_portions(self, monkeypatch):
        """One event for 50,000 holds would not fit into a commit, and the log would stand still."""
        monkeypatch.setattr("domain.budget.EXPIRED_PER_EVENT_MAX", 3)
        twin = Twin(policy(limit=10**9))
        grants = [twin.authorize(1, ttl_ms=1_000 + n) for n in range(7)]

        events = twin.pass_time(10 * SECOND)

        assert [len(event.holds) for event in events] == [3, 3, 1]
        written = [gone.reservation for event in events for gone in event.holds]
        assert [grant.decision for grant in grants] == written
        assert (twin.standing.held_nanos, twin.state.budget.holds) == (0, {})

    def test_next_deadline_is_that_of_an_open_hold(self):
        """The worker sleeps until it; waking for closed holds would be waking for nothing."""
        twin = Twin(policy(limit=1_000))
        first, second = twin.authorize(1, ttl_ms=1_000), twin.authorize(1, ttl_ms=2_000)

        deadlines = [budget.next_deadline_us(twin.state.budget)]
        twin.release(first)
        deadlines.append(budget.next_deadline_us(twin.state.budget))
        twin.extend(second, 1, ttl_ms=5_000)
        deadlines.append(budget.next_deadline_us(twin.state.budget))
        twin.settle(second, 1)
        deadlines.append(budget.next_deadline_us(twin.state.budget))

        assert [NOON + s * SECOND for s in (1, 2, 5)] == deadlines[:3]
        assert deadlines[3] is None

    def test_deadlines_of_closed_holds_do_not_pile_up(self, monkeypatch):
        """A hold at the front must not keep the deadlines of all the shorter-lived behind it."""
        monkeypatch.setattr("domain.deadlines._SLACK", 5)
        twin = Twin(policy(limit=10**9))
        twin.authorize(1, ttl_ms=1_000)
        lengths = []
        for _ in range(40):
            twin.release(twin.authorize(1, ttl_ms=2_000))
            lengths.append(len(twin.state.budget.deadlines.entries))

        assert max(lengths) == 2 * 2 + 5
        assert budget.next_deadline_us(twin.state.budget) == NOON + SECOND


class TestLate:
    def test_settlement_is_booked_flagged_and_counted(self):
        """The hold's money was free again, so nothing backed this cost: all of it is overrun."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(60, ttl_ms=1_000, session_id="s")
        twin.pass_time(2 * SECOND)

        settled = twin.settle(grant, 45)

        assert (
            settled.late,
            settled.cost_nanos,
            settled.overrun_nanos,
            settled.held_nanos,
            settled.held_units,
        ) == (True, 45, 45, 0, NO_UNITS)
        assert (twin.totals.late_settlements, twin.totals.overrun_nanos) == (1, 45)
        assert Units(tokens_milli=45_000) == settled.units

    def test_settlement_may_pass_the_limit_and_then_nothing_is_granted(self):
        """Spent is spent; the gate closes instead of pretending."""
        twin = Twin(policy(limit=100))
        late = twin.authorize(60, ttl_ms=1_000)
        twin.pass_time(2 * SECOND)
        twin.authorize(100)

        settled = twin.settle(late, 60)

        assert (settled.standing.committed_nanos, settled.standing.held_nanos) == (60, 100)
        assert twin.authorize(1).code == "monthly_hard_limit_reached"

    @pytest.mark.parametrize("verb", ["extend", "release"])
    def test_extension_and_release_are_refused(self, verb):
        """There is nothing left to extend or to give back; the answer says to settle."""
        twin = Twin()
        grant = twin.authorize(10, ttl_ms=1_000)
        twin.pass_time(2 * SECOND)

        refusal = getattr(twin, verb)(grant)

        assert (refusal.code, refusal.status) == ("hold_expired", 409)
        assert isinstance(twin.settle(grant, 10), CallSettled)

    def test_a_hold_whose_expiry_is_not_written_yet_settles_in_time(self, monkeypatch):
        """Expiry is an event; until it is written the money is still held, and backs the cost."""
        monkeypatch.setattr("domain.budget.EXPIRED_PER_EVENT_MAX", 1)
        twin = Twin()
        first, second = twin.authorize(1, ttl_ms=1_000), twin.authorize(1, ttl_ms=1_000)
        twin.now_us += 2 * SECOND
        twin.write_due(portions=1)
        command = SettleCall(
            command_id="settle", reservation_id=twin.reservation(second), usage=usage(1)
        )

        (settled,) = gate.decide(twin.state, command, twin.envelope(command))

        assert (settled.late, settled.overrun_nanos) == (False, 0)
        assert twin.settle(first, 1).late

    def test_settlements_are_found_for_the_last_10000(self, monkeypatch):
        """Memory is bounded; beyond it the answer is that the hold is closed, and nothing moves."""
        monkeypatch.setattr("domain.budget.EXPIRED_HOLDS_MAX", 2)
        twin = Twin(policy(limit=1_000))
        grants = [twin.authorize(1, ttl_ms=1_000 + n) for n in range(3)]
        twin.pass_time(10 * SECOND)

        assert twin.settle(grants[0]).code == "hold_closed"
        assert twin.settle(grants[1]).late
        assert twin.settle(grants[2]).late


class TestMonths:
    # 2026-11-30T23:59:59Z
    EVE = NOON + 20 * 86_400 * SECOND + 12 * 3_600 * SECOND - SECOND

    def test_a_hold_stays_in_the_month_in_which_it_was_made(self):
        """A call over midnight is paid by the month that granted it, all of it."""
        twin = Twin(policy(limit=100), now_us=self.EVE)
        grant = twin.authorize(60, ttl_ms=60_000)
        twin.pass_time(2 * SECOND)

        fresh = twin.authorize(100)
        extended = twin.extend(grant, 30)
        settled = twin.settle(grant, 85)

        assert (
            fresh.period,
            extended.period,
            settled.period,
        ) == ("2026-12", "2026-11", "2026-11")
        months = twin.state.budget.periods
        assert (months["2026-11"].committed_nanos, months["2026-11"].held_nanos) == (85, 0)
        assert (months["2026-12"].committed_nanos, months["2026-12"].held_nanos) == (0, 100)
        assert settled.standing.committed_nanos == 0, "the standing is the current month's"

    def test_an_extension_over_midnight_is_limited_by_its_own_month(self):
        """The new month's money is not reachable through an old hold."""
        twin = Twin(policy(limit=100), now_us=self.EVE)
        grant = twin.authorize(60, ttl_ms=60_000)
        twin.pass_time(2 * SECOND)

        assert twin.extend(grant, 41).code == "monthly_hard_limit_reached"

    def test_a_release_and_an_expiry_over_midnight_free_the_old_month(self):
        """And leave the new one alone."""
        twin = Twin(policy(limit=100), now_us=self.EVE)
        released, expired = twin.authorize(10, ttl_ms=60_000), twin.authorize(20, ttl_ms=1_500)
        twin.pass_time(SECOND)
        assert twin.state.budget.periods["2026-11"].held_nanos == 30

        twin.release(released)
        twin.pass_time(2 * SECOND)

        assert twin.state.budget.periods["2026-11"].held_nanos == 0
        assert twin.totals.held_nanos == 0
        assert expired.decision in twin.state.budget.expired

    def test_credits_last_over_the_month(self):
        """They are prepaid; only the limit starts anew."""
        twin = Twin(policy(limit=10), now_us=self.EVE)
        twin.top_up(50)
        twin.settle(twin.authorize(30), 30)
        twin.pass_time(2 * SECOND)

        assert (twin.standing.limit_nanos, twin.standing.credits_nanos) == (10, 30)
        assert twin.authorize(40).amount_nanos == 40

    def test_old_months_leave_but_not_one_with_a_hold(self, monkeypatch):
        """Memory is bounded, and a hold always finds its month."""
        monkeypatch.setattr("domain.budget.PERIODS_MAX", 2)
        twin = Twin(policy(limit=100))
        grant = twin.authorize(10, ttl_ms=1_000)
        for _ in range(4):
            twin.pass_time(31 * 86_400 * SECOND)

        assert list(twin.state.budget.periods) == ["2026-11", "2027-02", "2027-03"]
        twin.settle(grant, 10)
        twin.pass_time(31 * 86_400 * SECOND)
        assert list(twin.state.budget.periods) == ["2027-03", "2027-04"]


class TestSessionsOfHolds:
    def test_a_session_with_an_open_hold_is_never_forgotten(self, monkeypatch):
        """Forgetting it would make its count go below zero, and let it use more than its limit."""
        monkeypatch.setattr("domain.session.SESSIONS_PER_GENERATION", 2)
        limits = SessionLimits(max_token_units=1)
        twin = Twin(policy(limit=10**6, session=limits))
        grant = twin.authorize(1_000, session_id="long")
        for number in range(9):
            twin.release(twin.authorize(1, session_id=f"s{number}"))

        twin.settle(grant, 900)

        assert twin.authorize(101, session_id="long").code == "session_limit_reached"
        assert twin.authorize(100, session_id="long").amount_nanos == 100

    def test_sessions_without_holds_are_forgotten_in_generations(self, monkeypatch):
        """Memory is bounded by two generations and the open holds."""
        monkeypatch.setattr("domain.session.SESSIONS_PER_GENERATION", 2)
        twin = Twin(policy(limit=10**6))
        for number in range(20):
            twin.settle(twin.authorize(1, session_id=f"s{number}"), 1)

        sessions = twin.state.sessions
        assert len(sessions.young) + len(sessions.old) <= 4

    @pytest.mark.parametrize("closing", ["settle", "release", "expire"])
    def test_every_way_to_close_frees_the_session(self, closing):
        """Otherwise a session would fill up with calls that are over."""
        twin = Twin(policy(limit=10**6, session=SessionLimits(max_token_units=1)))
        grant = twin.authorize(1_000, session_id="s", ttl_ms=1_000)
        if closing == "expire":
            twin.pass_time(2 * SECOND)
        elif closing == "settle":
            twin.settle(grant, 0)
        else:
            twin.release(grant)

        used = twin.state.sessions.young["s"]
        assert (used.tokens_milli, used.stream_ms_milli, used.open_holds) == (0, 0, 0)
        assert twin.authorize(1_000, session_id="s").amount_nanos == 1_000


def test_a_step_down_holds_what_was_granted_not_what_was_asked():
    """The hold is the fallback's, in money, units and prices."""
    twin = Twin(policy(limit=100, quotas=Quotas(video_minute_units=0)), PRICES)
    grant = twin.authorize(100, "video", fallbacks=[option(20, "voice")])
    before = snapshot(twin.state)

    settled = twin.settle(grant, 10)

    assert before != snapshot(twin.state)
    assert (settled.modality, settled.cost_nanos, settled.held_nanos) == ("voice", 10, 20)
