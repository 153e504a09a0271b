"""Deployments: exact origins, versions of terms and disclosures, and who is let in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.deployment import (
    DeploymentCreated,
    DeploymentDisabled,
    DeploymentEnabled,
    VisitorAdmitted,
)
from contracts.tenant import SuspendTenant
from domain import deployment, distribution
from tests.domain.governed import PAGE, TOLD, Governed, disclosure, terms
from tests.domain.world import HOUR, MINUTE, NOON, SECOND


@pytest.fixture
def twin() -> Governed:
    return Governed()


class TestCreate:
    def test_a_deployment_is_disabled_until_it_is_enabled(self, twin):
        """There is time to look at it before the public does."""
        created = twin.create()

        assert isinstance(created, DeploymentCreated)
        assert (created.version, created.text, created.language) == (1, TOLD, "es-MX")
        assert twin.mint().code == "deployment_disabled"
        assert isinstance(twin.enable(), DeploymentEnabled)
        assert isinstance(twin.mint(), VisitorAdmitted)

    def test_origins_are_kept_as_browsers_send_them(self, twin):
        """They are brought into that form once, and compared byte for byte from then on."""
        created = twin.opened(origins=["HTTPS://Fútbol.MX:443".replace("Fú", "fú"), PAGE])

        assert created.terms.origins == ["https://xn--ftbol-7ua.mx", PAGE]
        assert isinstance(twin.mint("https://xn--ftbol-7ua.mx"), VisitorAdmitted)

    @pytest.mark.parametrize(
        ("fields", "field", "rule"),
        [
            ({"origins": [PAGE, "https://*.example"]}, "terms.origins[1]", "no wildcards"),
            ({"origins": [PAGE, f"{PAGE}/"]}, "terms.origins[1]", "without a slash"),
            ({"origins": [PAGE, PAGE.upper()]}, "terms.origins[1]", "each origin once"),
            ({"origins": [PAGE, f"{PAGE}:443"]}, "terms.origins[1]", PAGE),
            ({"origins": []}, "terms.origins", "at least one"),
            ({"origins": [], "surface": "kiosk"}, "terms.origins", "only an app"),
            ({"expires_at_us": NOON}, "terms.expires_at_us", "later than now"),
        ],
    )
    def test_terms_that_cannot_be_are_refused_with_field_and_rule(self, twin, fields, field, rule):
        """The same for a new deployment and for a change."""
        twin.create("other")
        for refusal in (twin.create(terms=terms(**fields)), twin.change("other", **fields)):
            assert (refusal.code, refusal.status) == ("deployment_invalid", 422)
            assert refusal.facts["field"] == field
            assert rule in refusal.facts["rule"]

    @pytest.mark.parametrize("text", ["", " \n\t", "...", "\u200b", "🤖"])
    def test_a_disclosure_that_says_nothing_is_refused(self, twin, text):
        """The law asks for words, not for a field that is filled."""
        refusals = [twin.create(disclosure=disclosure(text))]
        twin.create()
        refusals.append(twin.disclose(text))

        assert {refusal.facts["field"] for refusal in refusals} == {"disclosure.text"}

    def test_an_id_is_used_once(self, twin):
        """A second creation must not replace what the first one allows."""
        twin.create()

        assert twin.create(terms=terms(ceiling="text")).code == "deployment_exists"
        assert twin.state.deployments.deployments["web"].terms.ceiling == "video"

    def test_there_are_at_most_fifty(self, twin):
        """A state is bounded, and a refusal says so."""
        for number in range(deployment.DEPLOYMENTS_MAX):
            twin.create(f"d-{number}")

        assert twin.create("one-more").code == "too_many_deployments"

    @pytest.mark.parametrize("act", ["change", "enable", "disable", "mint"])
    def test_what_is_not_there_cannot_be_used(self, twin, act):
        """Of a twin that is there and of one that is not."""
        args = {"name": "nowhere"}
        assert getattr(twin, act)(**args).code == "deployment_unknown"
        assert getattr(Governed(provisioned=False), act)(**args).code == "twin_unknown"

    def test_nothing_is_created_for_a_twin_that_does_not_exist(self):
        """Nor disclosed."""
        twin = Governed(provisioned=False)

        assert twin.create().code == "twin_unknown"
        assert twin.disclose("a").code == "twin_unknown"


class TestChange:
    def test_terms_and_disclosure_have_versions_of_their_own(self, twin):
        """An auditor asks which text was shown on that day; a new origin does not change it."""
        twin.create()

        assert twin.change(ceiling="voice").version == 2
        assert twin.disclose("I am an AI.").version == 2
        assert twin.disclose("I am an AI!").version == 3
        found = twin.state.deployments.deployments["web"]
        assert (found.version, found.disclosure_version, found.disclosure) == (2, 3, "I am an AI!")

    def test_a_lost_update_is_refused_with_the_current_version(self, twin):
        """Two people in the console must not overwrite each other unseen."""
        twin.create()
        twin.change()
        twin.disclose("b")

        refusals = [twin.change(expected_version=1), twin.disclose("c", expected_version=1)]

        assert [(r.code, r.facts) for r in refusals] == [
            ("version_conflict", {"current_version": 2})
        ] * 2
        assert twin.change(expected_version=2).version == 3
        assert twin.disclose("c", expected_version=2).version == 3

    def test_to_be_enabled_or_disabled_twice_is_refused(self, twin):
        """The answer says that nothing needs to be done."""
        twin.create()
        assert twin.disable().code == "deployment_is_so"
        twin.enable()
        assert twin.enable().code == "deployment_is_so"
        assert isinstance(twin.disable(), DeploymentDisabled)

    def test_what_has_run_out_cannot_be_enabled(self, twin):
        """It would look open and let nobody in."""
        twin.create(terms=terms(expires_at_us=NOON + HOUR))
        twin.pass_time(HOUR)

        assert twin.enable().code == "deployment_expired"
        twin.change(expires_at_us=NOON + 2 * HOUR)
        assert isinstance(twin.enable(), DeploymentEnabled)

    def test_events_say_who_did_it(self, twin):
        """What an auditor asks first."""
        twin.actor = "person_ana"

        events = [twin.create(), twin.enable(), twin.change(), twin.disclose("x"), twin.disable()]

        assert {event.actor for event in events} == {"person_ana"}


class TestMint:
    def test_an_admission_says_where_from_how_far_and_until_when(self, twin):
        """It is what the visitor's token will say, and what the gate holds it to."""
        twin.opened(ceiling="voice")
        twin.disclose("b")

        admitted = twin.mint(visitor_id="v" * 16)

        assert (admitted.deployment, admitted.visitor_id) == ("web", "v" * 16)
        assert (admitted.origin, admitted.ceiling) == (PAGE, "voice")
        assert admitted.expires_at_us == NOON + 15 * MINUTE
        assert admitted.disclosure_version == 2

    @pytest.mark.parametrize(
        "origin",
        [
            *("", "null", "https://evil.example", f"{PAGE}/", f"{PAGE}:443", PAGE.upper()),
            *(f"{PAGE}.evil.example", f" {PAGE}", PAGE.replace("https", "http"), PAGE + "\u200b"),
            *("https://sub.tvazteca.example", "*", f"{PAGE},{PAGE}"),
        ],
    )
    def test_only_an_origin_that_is_on_the_list_letter_by_letter_is_let_in(self, twin, origin):
        """The list is exact, or a page next door is let in."""
        twin.opened()

        refusal = twin.mint(origin)

        assert (refusal.code, refusal.status) == ("origin_not_allowed", 403)

    def test_the_refused_origin_is_told_only_where_it_is_one(self, twin):
        """It helps whoever set up the list; anything else a stranger sends stays out of the log."""
        twin.opened()

        assert twin.mint("https://b.example").facts == {"origin": "https://b.example"}
        assert twin.mint("https://<b>").facts == {}

    def test_an_app_may_come_without_an_origin_where_none_is_asked_for(self, twin):
        """A native app has no origin; one that lists pages is held to them."""
        twin.opened("app", surface="app", origins=[])
        twin.opened("hybrid", surface="app")

        assert isinstance(twin.mint("", "app"), VisitorAdmitted)
        assert twin.mint("https://evil.example", "app").code == "origin_not_allowed"
        assert twin.mint("", "hybrid").code == "origin_not_allowed"

    @pytest.mark.parametrize(
        ("mode", "code"), [("suspended", "twin_suspended"), ("asleep", "twin_sleeping")]
    )
    def test_nobody_is_let_in_while_the_twin_is_stopped(self, twin, mode, code):
        """There is nobody to talk to."""
        twin.opened()
        twin.decide(SuspendTenant(command_id="stop", mode=mode))

        assert twin.mint().code == code

    def test_a_deployment_lets_nobody_in_after_its_time(self, twin):
        """And no session lasts longer than its deployment."""
        twin.opened(expires_at_us=NOON + 5 * MINUTE)

        assert twin.mint().expires_at_us == NOON + 5 * MINUTE
        twin.pass_time(5 * MINUTE)
        assert twin.mint().code == "deployment_expired"

    def test_an_id_is_admitted_once(self, twin):
        """Who guessed or repeated an id must not prolong somebody else's session."""
        twin.opened()
        twin.mint(visitor_id="v" * 16, ttl_s=60)

        assert twin.mint(visitor_id="v" * 16).code == "visitor_exists"

    def test_only_so_many_are_let_in_in_a_minute(self, twin):
        """And the refusal says when it helps to ask again."""
        twin.opened(mints_per_minute=3)
        twin.opened("other")
        twin.pass_time(59 * SECOND)
        codes = [type(twin.mint()).__name__ for _ in range(4)]

        refusal = twin.mint()
        assert codes == ["VisitorAdmitted"] * 3 + ["CommandRefused"]
        assert (refusal.code, refusal.status) == ("mints_too_fast", 429)
        assert refusal.facts == {"mints_per_minute": 3, "retry_after_ms": 1_000}
        assert isinstance(twin.mint(name="other"), VisitorAdmitted)
        twin.pass_time(1 * SECOND)
        assert isinstance(twin.mint(), VisitorAdmitted)

    def test_the_visitors_that_are_kept_are_bounded(self, twin, monkeypatch):
        """A crowd must not grow a worker without end; who has left makes room."""
        monkeypatch.setattr(deployment, "VISITORS_MAX", 3)
        twin.opened()
        twin.mint(ttl_s=60)
        twin.mint()
        twin.mint()
        assert twin.mint().code == "too_many_visitors"

        twin.pass_time(60 * SECOND)

        assert isinstance(twin.mint(), VisitorAdmitted)
        assert len(twin.state.deployments.visitors) == 3

    @given(
        steps=st.lists(
            st.tuples(st.integers(0, 400 * SECOND), st.sampled_from([60, 300, 900])), max_size=60
        )
    )
    def test_nobody_is_kept_much_longer_than_they_may_stay(self, steps):
        """
        Goal: who has left is dropped, and nobody who is in ever is.
        Method: random times between admissions of random lengths, against a list of all of them.
        """
        twin = Governed()
        twin.opened()
        told = []
        for wait_us, ttl_s in steps:
            twin.now_us += wait_us
            told.append(twin.mint(ttl_s=ttl_s))
            kept = twin.state.deployments.visitors
            still_in = {e.visitor_id for e in told if twin.now_us < e.expires_at_us}
            lately = {e.visitor_id for e in told if twin.now_us < e.at_us + 15 * MINUTE}
            assert still_in <= kept.keys() <= lately


def test_the_bound_is_what_the_refusal_says():
    """Numbers in messages for people must not drift from those in the code."""
    assert str(deployment.DEPLOYMENTS_MAX) in distribution.TOO_MANY_DEPLOYMENTS.message
