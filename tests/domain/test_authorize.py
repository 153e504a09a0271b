"""Authorise: the gate's order, its refusals, rate and money."""

import itertools

import pytest

from contracts.budget import CallAuthorized, CallRefused
from contracts.policy import BudgetPolicy, Quotas, RatePolicy, SessionLimits
from contracts.tenant import SuspendTenant
from contracts.usage import Units
from tests.domain.world import NOON, PRICES, SECOND, Twin, book, entry, policy


class TestGrant:
    def test_holds_the_upper_bound_until_it_expires(self):
        """The money is set aside before the call, at the price of the book, and not for ever."""
        twin = Twin(policy(limit=100))

        grant = twin.authorize(60, ttl_ms=30_000, session_id="s-1")

        assert isinstance(grant, CallAuthorized)
        assert (60, 0, Units(tokens_milli=60_000)) == (
            grant.amount_nanos,
            grant.credit_nanos,
            grant.units,
        )
        assert grant.expires_at_us == NOON + 30 * SECOND
        assert (
            grant.standing.committed_nanos,
            grant.standing.held_nanos,
            grant.standing.limit_nanos,
            grant.standing.remaining_nanos,
        ) == (0, 60, 100, 40)
        assert (
            grant.period,
            grant.policy_version,
            grant.price_version,
            grant.session_id,
        ) == ("2026-11", 1, 1, "s-1")

    def test_fills_the_limit_to_the_last_nano(self):
        """A false refusal at the edge is as wrong as a false grant."""
        twin = Twin(policy(limit=100))

        twin.authorize(99)

        assert twin.authorize(2).code == "monthly_hard_limit_reached"
        assert isinstance(twin.authorize(1), CallAuthorized)
        assert twin.authorize(1).code == "monthly_hard_limit_reached"

    def test_counts_holds_as_spent(self):
        """Two calls that fit one by one must not fit together when they do not."""
        twin = Twin(policy(limit=100))

        twin.authorize(60)

        assert twin.authorize(60).code == "monthly_hard_limit_reached"

    def test_a_call_that_costs_nothing_is_granted_at_the_limit(self):
        """A price of 0 is a price; there is nothing to hold."""
        twin = Twin(policy(limit=0), book(entry("text", input_tokens=0)))

        grant = twin.authorize(5)

        assert isinstance(grant, CallAuthorized)
        assert grant.amount_nanos == 0

    def test_names_its_reservation_by_its_decision(self):
        """Decisions are dense, refusals included: that is what makes closed holds known."""
        twin = Twin(policy(limit=10))

        numbers = [twin.authorize(amount).decision for amount in (5, 50, 5)]

        assert numbers == [2, 3, 4]


# For each check of the gate, in its order: how to make a twin and a call that fail it.
ORDER = (
    "twin_suspended",
    "modality_not_allowed",
    "not_priced",
    "rate_limited",
    "session_limit_reached",
    "quota_exhausted",
    "soft_cap_reached",
    "monthly_hard_limit_reached",
)


def failing(*codes: str) -> tuple[Twin, dict]:
    """A twin and the fields of a call (text for 40 nanos) that fails exactly these checks."""
    broken = set(codes)
    money = BudgetPolicy(
        monthly_hard_limit_nanos=30 if "monthly_hard_limit_reached" in broken else 10_000,
        soft_cap_permille=1 if "soft_cap_reached" in broken else None,
    )
    allowed = ["voice", "text"] if "modality_not_allowed" not in broken else ["text"]
    rules = policy(
        budget=money,
        modalities=allowed,
        ladder=allowed,
        rate=RatePolicy(requests=1, period_ms=60_000, burst=1),
        quotas=Quotas(voice_minute_units=0 if "quota_exhausted" in broken else 5),
        session=SessionLimits(max_minute_units=0 if "session_limit_reached" in broken else 5),
    )
    twin = Twin(rules, PRICES)
    if "rate_limited" in broken:
        twin.authorize(0)
    if "twin_suspended" in broken:
        twin.do(SuspendTenant(command_id="suspend"))
    sku = "unknown" if "not_priced" in broken else "voice"
    return twin, {"amount": 40, "modality": "voice", "sku": sku, "session_id": "s"}


class TestOrder:
    @pytest.mark.parametrize("code", ORDER)
    def test_each_check_refuses_by_its_own_name(self, code):
        """A caller branches on the code, so each reason has one."""
        twin, fields = failing(code)

        assert code == twin.authorize(**fields).code

    def test_a_call_that_fails_none_is_granted(self):
        """The control: without it the table above could be wrong about everything."""
        twin, fields = failing()

        assert isinstance(twin.authorize(**fields), CallAuthorized)

    @pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(ORDER)))
    def test_of_two_reasons_the_earlier_is_named(self, first, second):
        """The order is a promise: what a caller is told does not depend on our code's layout."""
        twin, fields = failing(first, second)

        assert first == twin.authorize(**fields).code

    def test_all_reasons_at_once_name_the_first(self):
        """Whatever else is wrong, a suspended twin is said to be suspended."""
        twin, fields = failing(*ORDER)

        assert twin.authorize(**fields).code == "twin_suspended"


class TestRefusal:
    @pytest.mark.parametrize("code", ORDER[1:])
    def test_changes_neither_bucket_nor_budget(self, code):
        """A flood of refused calls must not shut the honest ones out."""
        twin, fields = failing(code)
        before = (twin.state.rate.tat_us, twin.standing, dict(twin.state.sessions.young))

        refusal = twin.authorize(**fields)

        assert isinstance(refusal, CallRefused)
        after = (twin.state.rate.tat_us, twin.standing, dict(twin.state.sessions.young))
        assert before == after

    def test_by_rate_says_when_to_come_back_to_the_microsecond(self):
        """An honest Retry-After: a microsecond earlier is refused, then it is granted."""
        twin = Twin(policy(rate=RatePolicy(requests=3, period_ms=1_000, burst=1)))
        twin.authorize(0)
        twin.pass_time(12_345)

        refusal = twin.authorize(0)

        assert refusal.retry_after_us == 333_334 - 12_345
        twin.pass_time(refusal.retry_after_us - 1)
        assert twin.authorize(0).retry_after_us == 1
        twin.pass_time(1)
        assert isinstance(twin.authorize(0), CallAuthorized)

    def test_for_money_carries_no_retry_after(self):
        """Waiting a little does not heal an exhausted budget; a client must not be told so."""
        assert Twin(policy(limit=1)).authorize(2).retry_after_us == 0

    def test_of_an_absurd_amount_can_still_be_written_down(self):
        """Nobody may stop a tenant's log with a number that does not fit into it."""
        twin = Twin(policy(limit=100), book(entry("text", input_tokens=9_000_000_000_000_000)))

        refusal = twin.authorize(1_000_000_000)

        assert (
            refusal.code,
            refusal.amount_nanos,
        ) == ("monthly_hard_limit_reached", 9_000_000_000_000_001)

    def test_credits_do_not_pay_for_an_absurd_amount(self):
        """Limit and credits together could seem to cover what is cut off at 9 million."""
        most = 9_000_000_000_000_000
        twin = Twin(policy(limit=most), book(entry("text", input_tokens=most)))
        twin.top_up(most)

        assert twin.authorize(2).code == "monthly_hard_limit_reached"
        assert isinstance(twin.authorize(1), CallAuthorized)


class TestRate:
    def test_throttles_within_the_buffer_and_refuses_beyond(self):
        """EV-03 in small: 2 at once, 2 delayed exactly, the rest told when."""
        rate = RatePolicy(requests=10, burst=2, overflow="queue", queue_max_delay_ms=200)
        twin = Twin(policy(rate=rate))

        decisions = [twin.authorize(0) for _ in range(6)]

        assert [d.delay_us for d in decisions[:4]] == [0, 0, 100_000, 200_000]
        assert [d.code for d in decisions[4:]] == ["rate_limited"] * 2
        assert [d.retry_after_us for d in decisions[4:]] == [100_000] * 2

    def test_the_hold_begins_when_the_call_may_start(self):
        """A throttle must not eat into the time that the call has."""
        rate = RatePolicy(requests=1, overflow="queue", queue_max_delay_ms=5_000)
        twin = Twin(policy(rate=rate))
        twin.authorize(0)

        delayed = twin.authorize(0, ttl_ms=1_000)

        assert delayed.expires_at_us == NOON + 1 * SECOND + 1 * SECOND

    def test_the_callers_patience_is_respected(self):
        """A caller that cannot wait 100 ms would rather be refused now."""
        rate = RatePolicy(requests=10, overflow="queue", queue_max_delay_ms=500)
        twin = Twin(policy(rate=rate))
        twin.authorize(0)

        assert twin.authorize(0, max_delay_ms=99).code == "rate_limited"
        assert twin.authorize(0, max_delay_ms=100).delay_us == 100_000

    def test_dropping_ignores_the_queue_and_the_patience(self):
        """`drop` means drop, whatever else the policy and the caller say."""
        rate = RatePolicy(requests=10, overflow="drop", queue_max_delay_ms=500)
        twin = Twin(policy(rate=rate))
        twin.authorize(0)

        assert twin.authorize(0, max_delay_ms=500).code == "rate_limited"


class TestHoldsMax:
    def test_open_calls_are_bounded(self, monkeypatch):
        """Everything that grows has an end; this one is a 503 and recorded."""
        monkeypatch.setattr("domain.budget.OPEN_HOLDS_MAX", 2)
        twin = Twin()
        twin.authorize(1)
        second = twin.authorize(1)

        refusal = twin.authorize(1)

        assert (refusal.code, refusal.status) == ("too_many_holds", 503)
        twin.release(second)
        assert isinstance(twin.authorize(1), CallAuthorized)

    @pytest.mark.parametrize(
        ("code", "named"),
        [("rate_limited", "rate_limited"), ("session_limit_reached", "too_many_holds")],
    )
    def test_bound_is_checked_after_the_rate_and_before_the_session(self, code, named, monkeypatch):
        """The place of this check in the gate's order."""
        twin, fields = failing(code)
        monkeypatch.setattr("domain.budget.OPEN_HOLDS_MAX", 0)

        assert twin.authorize(**fields).code == named
