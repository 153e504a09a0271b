"""Holds and time: what nobody settles expires, late answers, the turn of a month."""

import pytest

from contracts.budget import CallSettled, HoldsExpired, SettleCall
from contracts.policy import SessionLimits
from contracts.usage import NO_UNITS, Units
from domain import budget, gate
from tests.domain.world import (
    NOON,
    SECOND,
    Twin,
    policy,
    usage,
)


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
