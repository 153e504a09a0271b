"""Stepping down: the ladder of modalities, and the soft cap that leads down it."""

import pytest

from contracts.budget import CallAuthorized, CallOption
from contracts.policy import BudgetPolicy, Quotas
from contracts.usage import Usage
from tests.domain.world import Twin, book, entry, option, policy, usage


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
