"""Views: what the gate says of its live state."""

import msgspec
import pytest

from contracts.policy import BudgetPolicy, Quotas, RatePolicy
from contracts.views import VIEWS
from domain import deployment, knowledge
from domain.views import view
from tests.domain.governed import HASHES, Governed, terms
from tests.domain.world import NOON, PRICES, SECOND, Twin, policy, snapshot


def meters(twin: Twin) -> dict:
    shown = view("budget", twin.state, twin.now_us)
    return {m.meter: (m.committed, m.held, m.limit, m.remaining) for m in shown.meters}


def stopped(twin: Twin) -> dict:
    return {one.modality: one.stopped_by for one in view("budget", twin.state, twin.now_us).ladder}


class TestLadder:
    """Which steps are open now, as the gate would answer the smallest call there."""

    def test_what_is_used_up_closes_its_step(self):
        """A quota closes one, the soft cap those above its own, the hard limit all: asleep."""
        money = BudgetPolicy(
            monthly_hard_limit_nanos=1_000, soft_cap_permille=500, soft_cap_modality="text"
        )
        twin = Twin(policy(budget=money, quotas=Quotas(video_minute_units=0)))
        assert stopped(twin) == {"video": "quota_exhausted", "voice": "", "text": ""}

        twin.settle(twin.authorize(500), 500)
        assert stopped(twin) == {
            "video": "quota_exhausted",
            "voice": "soft_cap_reached",
            "text": "",
        }
        twin.settle(twin.authorize(500), 500)
        assert stopped(twin)["text"] == "monthly_hard_limit_reached"
        twin.top_up(40)
        assert stopped(twin)["text"] == ""

    def test_a_new_month_opens_them_before_its_first_call(self):
        """Nobody has to call a twin that sleeps to see that it is awake again."""
        twin = Twin(policy(limit=10))
        twin.settle(twin.authorize(10), 10)
        assert set(stopped(twin).values()) == {"monthly_hard_limit_reached"}
        twin.now_us = view("budget", twin.state, twin.now_us).resets_at_us
        assert set(stopped(twin).values()) == {""}

    @pytest.mark.parametrize("spent", range(12))
    def test_it_is_what_the_smallest_call_would_be_answered(self, spent):
        """Asked for real, one nano at a time."""
        twin = Twin(policy(limit=10))
        for _ in range(spent):
            twin.authorize(1)
        shown = stopped(twin)["text"]
        assert getattr(twin.authorize(1), "code", "") == shown


class TestBudget:
    def test_shows_every_meter_of_the_month(self):
        """The numbers that the gate enforces are the numbers that a page shows."""
        rules = policy(1_000, quotas=Quotas(text_token_units=1, voice_minute_units=1))
        twin = Twin(rules)
        twin.settle(twin.authorize(60), 50)
        twin.authorize(300, "voice", ttl_ms=5_000)
        twin.top_up(40)

        shown = view("budget", twin.state, twin.now_us)

        assert meters(twin) == {
            "money": (50, 300, 1_000, 650),
            "credits": (0, 0, 40, 40),
            "token_unit": (50_000, 0, None, None),
            "minute_unit": (0, 30_000, None, None),
            "interaction_unit": (0, 0, None, None),
            "video_minute_unit": (0, 0, None, None),
            "voice_minute_unit": (0, 30_000, 60_000_000, 59_970_000),
            "text_token_unit": (50_000, 0, 1_000_000, 950_000),
            "data_request": (0, 0, None, None),
        }
        assert (shown.open_holds, shown.next_expiry_us) == (1, NOON + 5 * SECOND)
        assert (shown.period, shown.resets_at_us) == ("2026-11", twin.totals.ends_us)
        assert (shown.remaining_nanos, shown.currency) == (690, "USD")
        assert shown.position == twin.state.position

    def test_shows_credits_spent_and_held(self):
        """Credits have no month, but a balance."""
        twin = Twin(policy(10))
        twin.top_up(100)
        twin.settle(twin.authorize(30), 25)
        twin.authorize(30)

        assert meters(twin)["credits"] == (15, 30, 100, 55)

    def test_shows_overruns_and_late_settlements(self):
        """What passed the limit is in plain sight, and nothing remains below zero."""
        twin = Twin(policy(100))
        twin.settle(twin.authorize(10), 120)
        late = twin.authorize(0, ttl_ms=1_000)
        twin.pass_time(2 * SECOND)
        twin.settle(late, 5)

        shown = view("budget", twin.state, twin.now_us)

        assert (shown.overruns, shown.overrun_nanos, shown.late_settlements) == (2, 115, 1)
        assert meters(twin)["money"] == (125, 0, 100, 0)


class TestRate:
    @pytest.mark.parametrize(
        ("calls", "delay_us", "retry_after_us"), [(0, 0, 0), (2, 0, 0), (3, 500_000, 300_000)]
    )
    def test_shows_what_a_call_now_would_meet(self, calls, delay_us, retry_after_us):
        """Delay and retry time are those that an authorisation would give."""
        rate = RatePolicy(requests=2, burst=3, overflow="queue", queue_max_delay_ms=200)
        twin = Twin(policy(rate=rate))
        for _ in range(calls):
            twin.authorize(0)

        shown = view("rate", twin.state, twin.now_us)

        assert (shown.delay_us, shown.retry_after_us) == (delay_us, retry_after_us)
        assert (shown.interval_us, shown.burst, shown.queue_max_us) == (500_000, 3, 200_000)


class TestOthers:
    def test_tenant_policy_and_prices_are_shown_with_their_versions(self):
        """A client that edits them needs the version to send with its change."""
        rules = policy(77)
        twin = Twin(rules)
        twin.set_policy(rules)

        tenant = view("tenant", twin.state, twin.now_us)
        shown_policy = view("policy", twin.state, twin.now_us)
        shown_prices = view("price_book", twin.state, twin.now_us)

        assert (tenant.status, tenant.display_name, tenant.decisions) == (
            "active",
            "Andrés Cantor",
            2,
        )
        assert tenant.last_event_at_us == NOON
        assert (shown_policy.version, shown_policy.policy) == (2, rules)
        assert (shown_prices.version, shown_prices.price_book) == (1, PRICES)

    def test_deployments_are_shown_as_they_are_now(self):
        """Who changes one needs its versions, and the embed code is made from this."""
        twin = Governed()
        twin.opened()
        twin.disclose("b")
        twin.create("second")

        first, second = view("deployment", twin.state, NOON).deployments

        assert (first.deployment, first.enabled, first.version) == ("web", True, 1)
        assert (first.terms, first.disclosure, first.disclosure_version) == (terms(), "b", 2)
        assert (second.deployment, second.enabled) == ("second", False)

    def test_sources_are_shown_with_what_may_be_used_and_what_waits(self):
        """An approver needs the hash of the draft to say yes to exactly that."""
        twin = Governed()
        twin.reviewable()
        twin.approve()
        twin.reviewable(HASHES[1])
        twin.add("new")

        rules, new = view("knowledge", twin.state, NOON).sources

        assert (rules.stage, rules.draft_hash, rules.approved_hash) == ("review", *HASHES[1::-1])
        assert (rules.approved_by, rules.approved_at_us) == ("operator", NOON)
        assert (new.source, new.stage, new.ingestion) == ("new", "pending", None)
        assert (new.draft_hash, new.approved_hash, new.approved_at_us) == (None, None, None)

    @pytest.mark.parametrize("noun", ["deployment", "knowledge"])
    def test_the_largest_view_fits_into_a_message(self, noun):
        """The bus carries 8 MB; a view that is too large would never be answered."""
        wide = "\N{SOCCER BALL}" * 2_000
        state = Twin().state
        for number in range(deployment.DEPLOYMENTS_MAX):
            origins = [f"https://{'a' * 60}.{'b' * 60}.{n}.example:65535" for n in range(20)]
            state.deployments.deployments[f"{number:064}"] = deployment.Deployment(
                10**9, terms(origins=origins), wide, "es-MX"
            )
        for number in range(knowledge.SOURCES_MAX):
            state.knowledge.sources[f"{number:064}"] = knowledge.Source(
                "youtube", wide[:200], "review", 10**15, *(HASHES[0], 10**6) * 2, "p" * 64, NOON
            )

        assert len(msgspec.json.encode(view(noun, state, NOON))) < 4_000_000

    @pytest.mark.parametrize("noun", list(VIEWS))
    def test_a_twin_that_does_not_exist_can_be_asked_about(self, noun):
        """The answer is `absent` and empty, not an error."""
        twin = Twin(provisioned=False)

        shown = view(noun, twin.state, NOON)

        assert isinstance(shown, VIEWS[noun])
        assert shown.position == 0
        assert msgspec.json.decode(msgspec.json.encode(shown), type=VIEWS[noun]) == shown

    @pytest.mark.parametrize("noun", list(VIEWS))
    def test_asking_changes_nothing(self, noun):
        """A query is not a command."""
        twin = Twin()
        twin.authorize(5)
        before = snapshot(twin.state)

        view(noun, twin.state, twin.now_us)

        assert snapshot(twin.state) == before
