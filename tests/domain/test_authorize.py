"""Authorise: the gate's order, the ladder, quotas, sessions, money."""

import itertools

import pytest

from contracts.budget import CallAuthorized, CallOption, CallRefused
from contracts.policy import BudgetPolicy, Quotas, RatePolicy, SessionLimits, UnitWeights
from contracts.price_book import Price
from contracts.tenant import SuspendTenant
from contracts.usage import Units, Usage
from tests.domain.world import NOON, PRICES, SECOND, Twin, book, entry, option, policy, usage


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


class TestLadder:
    def test_steps_down_to_the_first_fallback_that_fits(self):
        """Section 6, stage 2: video quota exhausted, so voice; and the reply says why."""
        twin = Twin(policy(limit=1_000, quotas=Quotas(video_minute_units=0)))

        grant = twin.authorize(100, "video", fallbacks=[option(20, "voice"), option(1, "text")])

        assert (
            grant.requested,
            grant.modality,
            grant.stepped_down_for,
            grant.amount_nanos,
        ) == ("video", "voice", "quota_exhausted", 20)
        assert ("acme", "voice", usage(20, "voice")) == (
            grant.provider_id,
            grant.sku,
            grant.estimate,
        )

    def test_goes_on_down_when_the_fallback_does_not_fit_either(self):
        """Video and voice exhausted: text-only; the reason is still what stopped the call asked."""
        quotas = Quotas(video_minute_units=0, voice_minute_units=0)
        twin = Twin(policy(limit=1_000, quotas=quotas))

        grant = twin.authorize(100, "video", fallbacks=[option(20, "voice"), option(1, "text")])

        assert (grant.modality, grant.stepped_down_for) == ("text", "quota_exhausted")

    def test_a_refusal_names_the_last_reason_and_lists_all(self):
        """Who debugs a refusal wants to see each rung."""
        twin = Twin(policy(limit=5, quotas=Quotas(video_minute_units=0)))

        refusal = twin.authorize(100, "video", fallbacks=[option(20, "voice"), option(6, "text")])

        assert refusal.code == "monthly_hard_limit_reached"
        assert (
            refusal.facts["tried"] == "video: quota_exhausted, voice: monthly_hard_limit_reached,"
            " text: monthly_hard_limit_reached"
        )

    @pytest.mark.parametrize(
        ("asked", "fallback"),
        [("voice", "video"), ("voice", "voice"), ("text", "data"), ("data", "text")],
    )
    def test_never_goes_up_sideways_or_off_the_ladder(self, asked, fallback):
        """A fallback may only be cheaper as the policy orders it, not as the caller says."""
        quotas = Quotas(
            video_minute_units=9, voice_minute_units=0, text_token_units=0, data_requests=0
        )
        twin = Twin(policy(limit=10_000, quotas=quotas))
        first = {"voice": 10, "text": 1, "data": 7}[asked]

        refusal = twin.authorize(first, asked, fallbacks=[option(0, fallback)])

        assert (refusal.code, refusal.status) == ("modality_not_allowed", 403)

    def test_an_unpriced_fallback_is_passed_over(self):
        """One fallback without a price must not spoil the next one."""
        twin = Twin(policy(limit=1_000, quotas=Quotas(video_minute_units=0)))
        unknown = CallOption(
            modality="voice", provider_id="acme", sku="nobody", estimate=Usage(stream_ms=1)
        )

        grant = twin.authorize(100, "video", fallbacks=[unknown, option(1, "text")])

        assert grant.modality == "text"

    def test_a_modality_off_the_ladder_does_not_step_down(self):
        """What is not on the ladder has no rung below it."""
        rules = policy(limit=1_000, ladder=["voice", "text"], quotas=Quotas(video_minute_units=0))

        refusal = Twin(rules).authorize(100, "video", fallbacks=[option(1, "text")])

        assert refusal.code == "modality_not_allowed"


class TestSoftCap:
    MONEY = BudgetPolicy(monthly_hard_limit_nanos=1_000, soft_cap_permille=500)

    def test_from_the_share_on_only_the_capped_modality_is_granted(self):
        """Case B: downgrade to text. At exactly the share nothing is capped yet."""
        twin = Twin(policy(budget=self.MONEY))

        assert twin.authorize(500, "voice").modality == "voice"
        assert twin.authorize(10, "voice").code == "soft_cap_reached"
        stepped = twin.authorize(10, "voice", fallbacks=[option(2, "text")])

        assert (stepped.modality, stepped.stepped_down_for) == ("text", "soft_cap_reached")

    def test_text_goes_on_to_the_hard_limit(self):
        """Soft is not hard: the cheap modality may use what is left."""
        twin = Twin(policy(budget=self.MONEY))

        assert twin.authorize(1_000, "text").amount_nanos == 1_000

    def test_caps_only_what_is_above_its_rung(self):
        """A cap at voice stops video, not voice."""
        money = BudgetPolicy(
            monthly_hard_limit_nanos=1_000, soft_cap_permille=500, soft_cap_modality="voice"
        )
        twin = Twin(policy(budget=money))

        assert twin.authorize(600, "video").code == "soft_cap_reached"
        assert isinstance(twin.authorize(600, "voice"), CallAuthorized)

    def test_leaves_what_is_off_the_ladder_alone(self):
        """Live data is not a dearer way to say the same."""
        twin = Twin(policy(budget=self.MONEY))

        assert isinstance(twin.authorize(700, "data"), CallAuthorized)

    def test_share_of_a_limit_that_does_not_divide_is_exact(self):
        """333/1000 of 100 is 33.3: 33 is below it, 34 is above."""
        money = BudgetPolicy(monthly_hard_limit_nanos=100, soft_cap_permille=333)
        twin = Twin(policy(budget=money), book(entry("voice", stream_ms=1)))

        refusal = twin.authorize(modality="voice", estimate=Usage(stream_ms=34))
        grant = twin.authorize(modality="voice", estimate=Usage(stream_ms=33))

        assert (refusal.code, grant.amount_nanos) == ("soft_cap_reached", 33)


class TestQuotas:
    @pytest.mark.parametrize(
        ("modality", "quota", "fits", "one_more"),
        [
            ("video", Quotas(video_minute_units=1), Usage(stream_ms=60_000), Usage(stream_ms=1)),
            ("voice", Quotas(voice_minute_units=1), Usage(stream_ms=60_000), Usage(stream_ms=1)),
            ("text", Quotas(text_token_units=1), Usage(600, 400), Usage(0, 1)),
            ("data", Quotas(data_requests=3), Usage(requests=3), Usage(requests=1)),
        ],
    )
    def test_each_modality_has_its_own_unit(self, modality, quota, fits, one_more):
        """A minute is 60,000 ms, a token unit 1,000 tokens in and out; full is full."""
        twin = Twin(policy(limit=10**9, quotas=quota))

        assert isinstance(twin.authorize(modality=modality, estimate=fits), CallAuthorized)
        assert twin.authorize(modality=modality, estimate=one_more).code == "quota_exhausted"

    def test_the_quota_of_one_modality_is_not_used_by_another(self):
        """Voice minutes leave video minutes alone."""
        quotas = Quotas(video_minute_units=1, voice_minute_units=1)
        twin = Twin(policy(limit=10**9, quotas=quotas))
        minute = Usage(stream_ms=60_000)

        assert isinstance(twin.authorize(modality="voice", estimate=minute), CallAuthorized)
        assert isinstance(twin.authorize(modality="video", estimate=minute), CallAuthorized)

    def test_weights_count_a_unit_as_more_or_less(self):
        """A twin whose minutes count double has half of them."""
        weights = UnitWeights(minute_unit_milli=2_000, token_unit_milli=1)
        quotas = Quotas(voice_minute_units=1, text_token_units=1)
        twin = Twin(policy(limit=10**9, quotas=quotas, unit_weights=weights))

        over = twin.authorize(modality="voice", estimate=Usage(stream_ms=30_001))
        exact = twin.authorize(modality="voice", estimate=Usage(stream_ms=30_000))
        text = twin.authorize(estimate=Usage(1_000_000))

        assert (
            over.code,
            exact.units.stream_ms_milli,
            text.units.tokens_milli,
        ) == ("quota_exhausted", 60_000_000, 1_000_000)

    def test_no_counter_leaves_the_exact_range(self):
        """Numbers that JSON and 64 bits cannot hold must not come to be, quota or no quota."""
        weights = UnitWeights(token_unit_milli=1_000_000)
        twin = Twin(policy(limit=0, unit_weights=weights), book(entry("video", input_tokens=0)))
        most = Usage(input_tokens=1_000_000_000)

        decisions = [twin.authorize(modality="video", estimate=most) for _ in range(10)]

        assert [type(d).__name__ for d in decisions[:9]] == ["CallAuthorized"] * 9
        assert decisions[9].code == "quota_exhausted"

    def test_a_settlement_counts_what_was_used_and_frees_what_was_held(self):
        """Unused minutes come back."""
        twin = Twin(policy(limit=10**9, quotas=Quotas(text_token_units=1)))
        grant = twin.authorize(1_000)

        twin.settle(grant, 300)

        assert twin.authorize(701).code == "quota_exhausted"
        assert isinstance(twin.authorize(700), CallAuthorized)


class TestSessions:
    RULES = policy(limit=10**9, session=SessionLimits(max_token_units=1, max_minute_units=1))

    def test_hold_and_use_of_one_session_count_together(self):
        """Long sessions are Case B's business; their limit covers all calls of the session."""
        twin = Twin(self.RULES)
        first = twin.authorize(600, session_id="s")
        twin.settle(first, 500)

        assert twin.authorize(501, session_id="s").code == "session_limit_reached"
        assert isinstance(twin.authorize(500, session_id="s"), CallAuthorized)

    def test_minutes_are_limited_over_all_modalities(self):
        """A session that switches from video to voice goes on counting."""
        twin = Twin(self.RULES)
        half = Usage(stream_ms=30_000)
        twin.authorize(modality="video", estimate=half, session_id="s")
        twin.authorize(modality="voice", estimate=half, session_id="s")

        refusal = twin.authorize(modality="voice", estimate=Usage(stream_ms=1), session_id="s")

        assert refusal.code == "session_limit_reached"

    def test_another_session_and_no_session_are_not_limited_by_it(self):
        """The limit is one session's own."""
        twin = Twin(self.RULES)
        twin.authorize(1_000, session_id="s")

        assert isinstance(twin.authorize(1_000, session_id="t"), CallAuthorized)
        assert isinstance(twin.authorize(5_000), CallAuthorized)


class TestPrices:
    def test_each_quantity_is_rounded_up_once(self):
        """0.15 + 0.6 nanos cost 2: a nano each, in the platform's favour."""
        prices = book(entry("text", input_tokens=Price(15, 100), output_tokens=Price(6, 10)))
        twin = Twin(policy(limit=10**9), prices)

        amounts = [
            twin.authorize(estimate=u).amount_nanos
            for u in (Usage(1, 1), Usage(100, 10), Usage(101, 11), Usage(0, 0))
        ]

        assert amounts == [2, 15 + 6, 16 + 7, 0]

    @pytest.mark.parametrize(
        "estimate", [Usage(characters=1), Usage(stream_ms=1), Usage(requests=1), Usage(1, 1, 1)]
    )
    def test_a_quantity_without_a_price_is_refused(self, estimate):
        """What cannot be priced cannot be held."""
        refusal = Twin().authorize(estimate=estimate)

        assert (refusal.code, refusal.status) == ("not_priced", 403)

    def test_turns_are_free_unless_priced(self):
        """A turn is our own unit; no vendor bills it."""
        free = Twin().authorize(estimate=Usage(turns=9))
        priced = Twin(prices=book(entry("text", turns=2))).authorize(estimate=Usage(turns=9))

        assert (free.amount_nanos, priced.amount_nanos) == (0, 18)

    def test_the_same_sku_is_another_product_in_another_modality(self):
        """A price for voice does not allow text."""
        assert Twin().authorize(sku="voice", estimate=Usage(1)).code == "not_priced"


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
