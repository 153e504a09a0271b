"""Governance: provision, suspend, policies, price books, credits."""

import pytest

from contracts.access import OPERATOR
from contracts.budget import CreditsAdded, MeterLimitsSet, PeriodOpened, TopUpCredits
from contracts.policy import BudgetPolicy, PolicySet, Quotas, SetPolicy
from contracts.price_book import PriceBookSet, SetPriceBook
from contracts.tenant import (
    ProvisionTenant,
    ResumeTenant,
    SuspendTenant,
    TenantProvisioned,
    TenantResumed,
    TenantSuspended,
)
from tests.domain.world import NOON, PRICES, Twin, book, entry, policy


def provision(**fields) -> ProvisionTenant:
    return ProvisionTenant(
        **{
            "command_id": "provision",
            "display_name": "José Luis Fernández",
            "organisation": "Salesfy",
            "policy": policy(),
            "price_book": PRICES,
            "activation": "immediate",
            **fields,
        }
    )


class TestProvision:
    def test_brings_everything_that_a_first_call_needs(self):
        """Policy, prices and the month come in one commit: there is no half-made twin."""
        twin = Twin(provisioned=False)

        events = twin.do(provision(policy=policy(limit=500)))

        assert [type(event) for event in events] == [
            TenantProvisioned,
            PolicySet,
            PriceBookSet,
            PeriodOpened,
            MeterLimitsSet,
        ]
        assert {event.decision for event in events[:3]} == {1}
        assert (events[4].period, events[4].money_nanos) == ("2026-11", 500)
        assert twin.authorize(500).amount_nanos == 500

    def test_twice_is_refused_and_changes_nothing(self):
        """A second provision must not reset a budget."""
        twin = Twin(policy(limit=100))

        refusal = twin.decide(provision(command_id="again", policy=policy(limit=900)))

        assert (refusal.code, refusal.status) == ("twin_exists", 409)
        assert twin.standing.limit_nanos == 100

    @pytest.mark.parametrize(
        "command",
        [
            TopUpCredits(command_id="c", amount_nanos=1),
            SuspendTenant(command_id="c"),
            ResumeTenant(command_id="c"),
            SetPolicy(command_id="c", policy=policy()),
            SetPriceBook(command_id="c", price_book=PRICES),
        ],
    )
    def test_nothing_else_is_possible_before(self, command):
        """Every command about a twin that does not exist says so."""
        refusal = Twin(provisioned=False).decide(command)

        assert (refusal.code, refusal.status) == ("twin_unknown", 404)

    def test_no_call_is_authorised_before(self):
        """Fail closed: no policy, no call."""
        twin = Twin(provisioned=False)

        assert twin.authorize(1).code == "twin_unknown"
        assert twin.extend("cantor.1", 1).code == "twin_unknown"

    @pytest.mark.parametrize("verb", ["settle", "release"])
    def test_no_hold_is_known_before(self, verb):
        """And nothing to settle."""
        assert getattr(Twin(provisioned=False), verb)("cantor.1").code == "hold_unknown"


class TestSuspend:
    @pytest.mark.parametrize(
        ("mode", "code", "status"),
        [("suspended", "twin_suspended", 403), ("asleep", "twin_sleeping", 402)],
    )
    def test_refuses_calls_until_resumed(self, mode, code, status):
        """An operator's stop is one command away; asleep is about cost and answers 402."""
        twin = Twin()

        assert isinstance(twin.decide(SuspendTenant(command_id="stop", mode=mode)), TenantSuspended)
        refusal = twin.authorize(1)
        assert (refusal.code, refusal.status) == (code, status)

        assert isinstance(twin.decide(ResumeTenant(command_id="go")), TenantResumed)
        assert twin.authorize(1).amount_nanos == 1

    def test_an_active_twin_cannot_be_resumed(self):
        """The answer says that nothing needs to be done."""
        assert Twin().decide(ResumeTenant(command_id="go")).code == "not_suspended"

    def test_a_suspended_twin_can_still_be_governed(self):
        """Policy, prices and credits are how a sleeping twin is woken."""
        twin = Twin()
        twin.decide(SuspendTenant(command_id="stop"))

        events = [twin.top_up(5), twin.set_policy(policy(limit=9)), twin.set_prices(PRICES)]

        assert [type(event) for event in events] == [CreditsAdded, PolicySet, PriceBookSet]


class TestPolicy:
    def test_takes_effect_at_once_and_says_the_new_limits(self):
        """The meters of the month change with the policy."""
        twin = Twin(policy(limit=100))

        twin.set_policy(policy(limit=200, quotas=Quotas(text_token_units=3)))

        limits = twin.log[-1]
        assert isinstance(limits, MeterLimitsSet)
        assert (limits.money_nanos, limits.text_tokens_milli, limits.video_stream_ms_milli) == (
            200,
            3_000_000,
            -1,
        )
        assert twin.authorize(200).policy_version == 2

    def test_with_a_lower_limit_than_spent_grants_nothing(self):
        """What is held stays held; there is room again when calls end below the new limit."""
        twin = Twin(policy(limit=100))
        grant = twin.authorize(80)
        twin.set_policy(policy(limit=50))

        assert twin.standing.remaining_nanos == 0
        assert twin.authorize(1).code == "monthly_hard_limit_reached"
        twin.settle(grant, 49)
        assert twin.authorize(1).amount_nanos == 1

    def test_lowered_below_what_is_spent_leaves_credits_whole(self):
        """A call then costs its price in credits, not the shortfall of the limit as well."""
        twin = Twin(policy(limit=100))
        twin.settle(twin.authorize(80), 80)
        twin.set_policy(policy(limit=50))
        twin.top_up(10)

        grant = twin.authorize(10)

        assert (grant.credit_nanos, grant.standing.credits_nanos) == (10, 0)

    def test_expected_version_guards_against_a_lost_update(self):
        """Two operators edit at once: the second is told, with the version to read."""
        twin = Twin()
        twin.set_policy(policy(limit=1), expected_version=1)

        refusal = twin.set_policy(policy(limit=2), expected_version=1)

        assert (refusal.code, refusal.facts) == ("version_conflict", {"current_version": 2})
        assert twin.standing.limit_nanos == 1
        assert twin.set_policy(policy(limit=3), expected_version=2).version == 3

    @pytest.mark.parametrize(
        ("field", "fields"),
        [
            ("policy.modalities", {"modalities": ["text", "text"], "ladder": []}),
            ("policy.ladder", {"ladder": ["voice", "text", "voice"]}),
            ("policy.ladder", {"modalities": ["text"], "ladder": ["voice", "text"]}),
            ("policy.ladder", {"ladder": ["voice", "data"]}),
            (
                "policy.budget.soft_cap_modality",
                {
                    "ladder": ["video", "voice"],
                    "budget": BudgetPolicy(monthly_hard_limit_nanos=1, soft_cap_permille=500),
                },
            ),
            ("policy.time_zone", {"time_zone": "Mars/Olympus"}),
            ("policy.currency", {"currency": "EUR"}),
        ],
    )
    def test_that_contradicts_itself_is_refused_and_says_where(self, field, fields):
        """A policy is checked when it is set, not when the first call meets the contradiction."""
        twin = Twin()

        refusal = twin.set_policy(policy(**fields))

        assert (refusal.code, refusal.status, refusal.facts["field"]) == (
            "policy_invalid",
            422,
            field,
        )
        assert twin.state.policy.version == 1

    def test_that_contradicts_itself_provisions_nothing(self):
        """The same check guards the first policy."""
        twin = Twin(provisioned=False)

        refusal = twin.decide(provision(policy=policy(time_zone="Mars/Olympus")))

        assert (refusal.code, twin.state.tenant.status) == ("policy_invalid", "absent")


class TestPriceBook:
    def test_prices_new_calls_only(self):
        """Open holds keep theirs (see the tests of holds)."""
        twin = Twin()

        twin.set_prices(book(entry("text", input_tokens=5)))

        grant = twin.authorize(2)
        assert (grant.amount_nanos, grant.price_version) == (10, 2)

    def test_expected_version_guards_against_a_lost_update(self):
        """As for policies."""
        twin = Twin()

        refusal = twin.set_prices(PRICES, expected_version=7)

        assert (refusal.code, refusal.facts) == ("version_conflict", {"current_version": 1})
        assert twin.set_prices(PRICES, expected_version=1).version == 2

    @pytest.mark.parametrize(
        ("field", "prices"),
        [
            ("price_book.currency", book(entry("text", input_tokens=1), currency="EUR")),
            (
                "price_book.entries[2]",
                book(
                    entry("text", input_tokens=1),
                    entry("voice", stream_ms=1),
                    entry("text", input_tokens=2),
                ),
            ),
        ],
    )
    def test_that_contradicts_itself_is_refused_and_says_where(self, field, prices):
        """Two prices for one product, or prices in another currency than the limit."""
        refusal = Twin().set_prices(prices)

        assert (refusal.code, refusal.facts["field"]) == ("price_book_invalid", field)

    def test_of_a_product_in_two_modalities_is_fine(self):
        """The same sku may be sold as voice and as text."""
        text = entry("text", input_tokens=1)
        voice = entry("voice", stream_ms=1)

        assert Twin().set_prices(book(text, voice)).version == 2


class TestCredits:
    def test_are_added_to_what_a_call_can_hold(self):
        """Waking a sleeping twin: top up and go on."""
        twin = Twin(policy(limit=10))
        assert twin.authorize(15).code == "monthly_hard_limit_reached"

        added = twin.top_up(5)

        assert (added.amount_nanos, added.standing.remaining_nanos) == (5, 15)
        assert (twin.log[-1].credits_nanos, twin.log[-1].period) == (5, "2026-11")
        assert twin.authorize(15).credit_nanos == 5

    def test_beyond_the_exact_range_are_refused(self):
        """All credits ever added stay a number that every language holds exactly."""
        twin = Twin()
        for _ in range(9):
            twin.top_up(1_000_000_000_000_000)

        assert twin.top_up(1).code == "credits_too_large"
        assert twin.standing.credits_nanos == 9_000_000_000_000_000


def test_events_carry_the_decision_its_time_and_who_made_it():
    """What an auditor asks first: who, what, when."""
    twin = Twin()

    event = twin.set_policy(policy(), note="quieter nights")

    assert (event.decision, event.at_us, event.actor, event.note) == (
        2,
        NOON,
        OPERATOR,
        "quieter nights",
    )
