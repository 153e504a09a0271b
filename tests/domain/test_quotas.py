"""What a call counts as: units against quotas and sessions, and its price."""

import pytest

from contracts.budget import CallAuthorized
from contracts.policy import Quotas, SessionLimits, UnitWeights
from contracts.price_book import Price
from contracts.usage import Usage
from tests.domain.world import Twin, book, entry, policy


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
