"""Extending a hold: more of the same call, checked like a new one."""

import pytest

from contracts.budget import HoldExtended
from contracts.policy import BudgetPolicy, Quotas, SessionLimits
from contracts.tenant import SuspendTenant
from contracts.usage import Units, Usage
from tests.domain.world import (
    NOON,
    SECOND,
    Twin,
    policy,
)


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
