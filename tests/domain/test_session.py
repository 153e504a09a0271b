"""Sessions: opened, disclosed, kept alive, stepped, ended; and no call of one after its end."""

import pytest

from contracts.budget import CallAuthorized, CallSettled, HoldExtended, HoldReleased, HoldsExpired
from contracts.policy import SessionLimits
from contracts.questions import FindSessions
from contracts.secret import SecretOpened
from contracts.session import (
    DisclosureShown,
    SessionBegun,
    SessionRenewed,
    SessionsEnded,
    SessionsKilled,
    SessionStepped,
)
from contracts.tenant import ResumeTenant, SuspendTenant
from contracts.twin import RetireTwin
from domain import session
from domain.bundle import bundle_view
from domain.views import answer
from tests.domain.governed import HASHES, Governed
from tests.domain.world import HOUR, MINUTE, NOON, SECOND, policy

ANA = "a" * 16
LEASE = 30 * SECOND


@pytest.fixture
def twin() -> Governed:
    """A twin with Ana on its page, who may use its voice."""
    twin = Governed(policy(10_000))
    twin.opened(ceiling="voice")
    twin.mint(visitor_id=ANA)
    return twin


def as_ana(twin: Governed) -> Governed:
    twin.actor = f"visitor_{ANA}"
    return twin


def gone(events) -> dict[str, str]:
    return {
        one.session_id: one.reason
        for event in events
        if isinstance(event, SessionsEnded)
        for one in event.sessions
    }


def shown(twin: Governed, *names: str, principal: str = "operator"):
    asked = FindSessions(session_ids=list(names))
    return answer(asked, twin.state, principal, twin.now_us).sessions


class TestOpening:
    def test_pins_what_governs_the_twin_then(self, twin):
        """Whoever asks later why it said that finds what it went by."""
        twin.save("Hola")
        twin.activate(1)
        for name, content in (("stars", HASHES[1]), ("rules", HASHES[0])):
            twin.reviewable(content, name)
            twin.approve(content, name)
        twin.add("draft")
        before = bundle_view(twin.state, twin.now_us)

        begun = as_ana(twin).converse(ANA, "voice")
        twin.actor = "operator"
        twin.activate(1)
        twin.save("Adiós")
        twin.activate(2)

        assert (begun.bundle_revision, begun.bundle_hash) == (before.revision, before.hash)
        assert [(one.source, one.content_hash) for one in begun.knowledge] == [
            ("rules", HASHES[0]),
            ("stars", HASHES[1]),
        ]
        assert begun.knowledge_sources == 2
        assert (begun.policy_version, begun.price_version) == (1, 1)
        assert (begun.deployment, begun.disclosure_version) == ("web", 1)
        assert shown(twin, ANA)[0].bundle_hash == before.hash

    def test_names_a_bounded_part_of_the_knowledge_and_hashes_all(self, twin, monkeypatch):
        """A twin may have a thousand sources; one more must change the hash."""
        monkeypatch.setattr("domain.conversation.PINNED_SOURCES_MAX", 1)
        digests = []
        for number, name in enumerate(("a", "b", "c")):
            twin.reviewable(HASHES[number], name)
            twin.approve(HASHES[number], name)
            begun = twin.converse(f"s-{number}")
            digests.append(begun.knowledge_hash)
            assert (len(begun.knowledge), begun.knowledge_sources) == (1, number + 1)

        assert len(set(digests)) == 3

    @pytest.mark.parametrize(
        ("prepare", "code", "status"),
        [
            (lambda t: t.decide(SuspendTenant(command_id="s")), "twin_suspended", 403),
            (
                lambda t: t.decide(SuspendTenant(command_id="s", mode="asleep")),
                "twin_sleeping",
                402,
            ),
            (lambda t: t.decide(RetireTwin(command_id="r")), "twin_retired", 403),
        ],
    )
    def test_needs_an_active_twin(self, twin, prepare, code, status):
        """A conversation that no call could be made in must not begin."""
        prepare(twin)

        refusal = twin.converse("s")

        assert (refusal.code, refusal.status) == (code, status)

    def test_of_a_visitor_is_its_own_and_only_once(self, twin):
        """Its id is the one name that it has; it cannot take another's."""
        as_ana(twin)
        assert twin.converse("b" * 16).code == "session_of_another"
        assert isinstance(twin.converse(ANA), SessionBegun)
        assert twin.converse(ANA).code == "session_exists"
        twin.close(ANA)
        again = twin.converse(ANA)
        assert (again.code, again.facts["reason"]) == ("session_closed", "user_exit")

    def test_in_a_visitors_name_by_a_service_is_bound_like_the_visitor(self, twin):
        """A gateway with a key of its own must not open more than the visitor could."""
        twin.actor = "key_gateway"
        assert twin.converse(ANA, "video").facts["ceiling"] == "voice"
        assert twin.converse(ANA, deployment="other").code == "session_invalid"
        begun = twin.converse(ANA, "voice")
        assert (begun.deployment, begun.disclosure_version) == ("web", 1)
        twin.kill(ANA)
        twin.mint(visitor_id="b" * 16)
        twin.pass_time(15 * MINUTE)
        assert twin.converse("b" * 16).code == "visit_over"

    def test_at_a_deployment_obeys_it(self, twin):
        """A kiosk without visitors of its own discloses as well, and ends with its place."""
        twin.create("kiosk")
        assert twin.converse("s", deployment="none").code == "deployment_unknown"
        assert twin.converse("s", deployment="kiosk").code == "deployment_disabled"
        twin.opened("app", ceiling="text", expires_at_us=NOON + MINUTE)
        assert twin.converse("s", "voice", deployment="app").code == "modality_above_ceiling"
        begun = twin.converse("s", deployment="app", lease_ms=300_000)
        assert (begun.ends_at_us, begun.expires_at_us) == (NOON + MINUTE, NOON + MINUTE)
        assert gone(twin.pass_time(MINUTE)) == {"s": "time_limit"}
        assert twin.converse("t", deployment="app").code == "deployment_expired"

    def test_without_a_place_has_nothing_to_disclose(self, twin):
        """A service of the twin's own, such as a batch of answers."""
        begun = twin.converse("s", "video")

        assert (begun.deployment, begun.disclosure_version, begun.ends_at_us) == ("", 0, 0)
        assert isinstance(twin.authorize(100, "video", session_id="s"), CallAuthorized)

    def test_is_bounded_and_says_so(self, twin, monkeypatch):
        """Somebody who only opens sessions must not fill the gate's memory."""
        monkeypatch.setattr("domain.session.OPEN_SESSIONS_MAX", 2)
        twin.converse("s-1")
        twin.converse("s-2")
        refusal = twin.converse("s-3")
        assert (refusal.code, refusal.status) == ("too_many_sessions", 503)
        twin.kill("s-1")
        assert isinstance(twin.converse("s-3"), SessionBegun)

    def test_needs_a_rung_that_the_policy_has(self):
        """The step down would come at the first call otherwise."""
        twin = Governed(policy(100, modalities=["text", "data"], ladder=[]))

        assert twin.converse("s", "voice").code == "modality_not_allowed"


class TestDisclosure:
    def test_no_call_is_granted_before_it_was_shown(self, twin):
        """Before the first frame: whoever asks, a service as well as the visitor."""
        begun = as_ana(twin).converse(ANA, "voice")
        refusal = twin.authorize(10, "voice", session_id=ANA)
        assert (refusal.code, refusal.status) == ("disclosure_due", 403)
        assert refusal.facts == {"disclosure_version": begun.disclosure_version}
        assert refusal.session_id == ANA
        twin.actor = "key_agent"
        assert twin.authorize(10, "voice", session_id=ANA).code == "disclosure_due"
        assert twin.authorize(7, "data", session_id=ANA).code == "disclosure_due"

        assert isinstance(twin.show(ANA), DisclosureShown)
        assert isinstance(twin.authorize(10, "voice", session_id=ANA), CallAuthorized)

    def test_is_that_of_when_it_was_opened(self, twin):
        """A new text is for new sessions; who shows another has shown the wrong one."""
        as_ana(twin).converse(ANA)
        twin.actor = "operator"
        twin.disclose("Soy una máquina.")

        wrong = as_ana(twin).show(ANA, 2)
        assert (wrong.code, wrong.facts["disclosure_version"]) == ("disclosure_differs", 1)
        assert isinstance(twin.show(ANA, 1), DisclosureShown)
        assert twin.show(ANA, 1).code == "disclosure_not_due"


class TestLease:
    def test_runs_out_in_writing_to_the_microsecond(self, twin):
        """Nobody has to ask: what is due says so."""
        twin.converse("s")
        assert twin.pass_time(LEASE - 1) == []
        assert isinstance(twin.authorize(1, session_id="s"), CallAuthorized)
        twin.converse("t")

        assert gone(twin.pass_time(LEASE)) == {"s": "lease_expired", "t": "lease_expired"}
        assert twin.authorize(1, session_id="s").facts["reason"] == "lease_expired"
        assert shown(twin, "s")[0].reason == "lease_expired"

    def test_a_beat_is_written_down_only_when_it_moves_a_quarter(self, twin):
        """However often somebody beats, a lease makes four events at most."""
        twin.converse("s")
        written = 0
        for _ in range(300):
            twin.pass_time(LEASE // 30)
            event = twin.beat("s")
            written += event is not None
        assert written <= 10 * 4
        assert shown(twin, "s")[0].status == "open"

    def test_beating_every_third_of_it_keeps_half_of_it_at_least(self, twin):
        """What the contract promises to whoever does so, late by a little or early."""
        twin.converse("s")
        for late in (0, -1, 1, -SECOND, SECOND, 0, -2 * SECOND, 0, 0):
            twin.pass_time(LEASE // 3 + late)
            twin.beat("s")
            assert shown(twin, "s")[0].expires_at_us - twin.now_us >= LEASE // 2

    def test_a_call_keeps_it_alive_without_a_beat(self, twin):
        """Whoever calls is there; a throttled call not before it may begin."""
        twin.converse("s", lease_ms=5_000)
        hold = twin.authorize(1, session_id="s", ttl_ms=600_000)
        for _ in range(5):
            twin.pass_time(4 * SECOND)
            assert isinstance(twin.extend(hold, 1, ttl_ms=600_000), HoldExtended)
        assert twin.pass_time(5 * SECOND - 1) == []
        assert gone(twin.pass_time(1)) == {"s": "lease_expired"}

    def test_never_lasts_longer_than_the_policy_allows(self):
        """Nor than the visit: beats and calls move it up to there."""
        twin = Governed(policy(1_000, session=SessionLimits(max_seconds=60)))
        begun = twin.converse("s")
        assert begun.ends_at_us == NOON + MINUTE
        for _ in range(2):
            twin.pass_time(18 * SECOND)
            assert isinstance(twin.beat("s"), SessionRenewed)
        twin.pass_time(18 * SECOND)
        assert twin.beat("s") is None
        assert shown(twin, "s")[0].expires_at_us == NOON + MINUTE
        twin.authorize(1, session_id="s")
        assert gone(twin.pass_time(6 * SECOND)) == {"s": "time_limit"}

    def test_five_hundred_end_at_once_and_the_others_are_over_too(self, twin, monkeypatch):
        """One event stays small; a call in between finds that its lease has run out."""
        monkeypatch.setattr("domain.session.ENDED_PER_EVENT_MAX", 2)
        for number in range(5):
            twin.converse(f"s-{number}")
        twin.now_us += LEASE

        assert len(gone(twin.write_due(portions=1))) == 2
        late = twin.state.sessions
        assert session.lease_at(late, "s-4", twin.now_us).reason == "lease_expired"
        assert len(gone(twin.write_due())) == 3
        assert not late.leases

    def test_is_the_lease_that_was_asked_for(self, twin):
        """Between five seconds and five minutes, by whoever runs it."""
        begun = twin.converse("s", lease_ms=5_000)
        assert begun.expires_at_us == NOON + 5 * SECOND


class TestSteps:
    def test_go_down_and_up_again_within_the_ceiling(self, twin):
        """Each is a fact with its reason, and how the visitor was told."""
        as_ana(twin).visit(ANA, "voice")
        down = twin.step(ANA, "text", why="soft_cap_reached", notice="spoken")
        up = twin.step(ANA, "voice", why="topped_up", notice="written")

        assert isinstance(down, SessionStepped)
        assert (down.previous, down.modality, down.why) == ("voice", "text", "soft_cap_reached")
        assert (up.previous, up.modality, up.notice) == ("text", "voice", "written")
        assert twin.step(ANA, "video").facts["ceiling"] == "voice"
        assert twin.step(ANA, "voice").code == "rung_is_so"

    def test_do_not_go_where_the_policy_does_not(self, twin):
        """A rung that was taken away while the session went on."""
        twin.converse("s", "voice")
        twin.set_policy(policy(100, modalities=["voice", "data"], ladder=["voice"]))

        assert twin.step("s", "text").code == "modality_not_allowed"

    def test_room_is_counted_when_money_or_a_month_comes(self, twin):
        """Whoever waits for a higher rung compares the number."""
        counts = [twin.state.sessions.room]
        twin.top_up(1)
        counts.append(twin.state.sessions.room)
        twin.set_policy(policy(20_000))
        counts.append(twin.state.sessions.room)
        twin.pass_time(31 * 24 * HOUR)
        counts.append(twin.state.sessions.room)

        assert [number - counts[0] for number in counts] == [0, 1, 2, 3]


ENDINGS = {
    "user_exit": lambda t: t.close("s"),
    "cost_limit": lambda t: t.close("s", "cost_limit"),
    "error": lambda t: t.close("s", "error", note="vendor fell silent"),
    "killed": lambda t: t.kill("s", note="abusive"),
    "lease_expired": lambda t: t.pass_time(LEASE),
    "deployment_disabled": lambda t: t.disable(),
    "twin_suspended": lambda t: t.decide(SuspendTenant(command_id="x")),
    "twin_asleep": lambda t: t.decide(SuspendTenant(command_id="x", mode="asleep")),
}


class TestEnds:
    @pytest.mark.parametrize("reason", ENDINGS)
    def test_after_it_nothing_is_granted_and_what_is_open_can_be_booked(self, twin, reason):
        """However it ended: no grant, no extension, no secret; settle and release still work."""
        twin.put()
        twin.visit("s", "voice", deployment="web")
        call, other = (twin.authorize(10, "voice", session_id="s") for _ in range(2))
        ENDINGS[reason](twin)
        if twin.state.tenant.status != "active":
            assert twin.authorize(1, session_id="s").code in ("twin_suspended", "twin_sleeping")
            twin.decide(ResumeTenant(command_id="back"))

        refusals = [
            twin.authorize(1, session_id="s"),
            twin.extend(call, 10),
            twin.open(call),
            twin.beat("s"),
            twin.step("s", "text"),
            twin.close("s"),
            twin.kill("s"),
            twin.converse("s"),
        ]
        assert {(one.code, one.status) for one in refusals} == {("session_closed", 403)}
        assert refusals[0].facts["reason"] == reason
        assert isinstance(twin.settle(call, 10), CallSettled)
        assert isinstance(twin.release(other), HoldReleased)
        assert twin.totals.held_nanos == 0

    def test_disabling_ends_the_sessions_of_that_deployment_only(self, twin):
        """As an event of the same commit, for whoever runs them."""
        twin.opened("app")
        twin.converse("here", deployment="web")
        twin.converse("there", deployment="app")
        twin.converse("nowhere")
        as_ana(twin).converse(ANA)
        twin.actor = "operator"

        twin.disable()

        assert gone(twin.log[-1:]) == {"here": "deployment_disabled", ANA: "deployment_disabled"}
        assert [one.status for one in shown(twin, "there", "nowhere")] == ["open", "open"]

    def test_retiring_ends_them_all(self, twin):
        """For ever, with the twin."""
        twin.converse("s")
        twin.decide(RetireTwin(command_id="retire"))
        assert gone(twin.log[-1:]) == {"s": "twin_retired"}
        assert twin.authorize(1, session_id="s").code == "twin_retired"

    def test_killing_all_stops_those_that_are_open_and_refuses_no_new_one(self, twin, monkeypatch):
        """Suspending the twin is what refuses new ones."""
        monkeypatch.setattr("domain.session.ENDED_PER_EVENT_MAX", 2)
        for number in range(5):
            twin.converse(f"s-{number}")

        first, *rest = twin.kill_all(note="wrong prompt")

        assert isinstance(first, SessionsKilled)
        assert (first.sessions, len(rest)) == (5, 3)
        assert gone(rest) == {f"s-{number}": "killed" for number in range(5)}
        assert isinstance(twin.converse("s-9"), SessionBegun)
        assert twin.kill_all()[0].sessions == 1
        assert twin.kill_all()[0].sessions == 0

    def test_of_one_that_holds_money_lets_the_holds_run_out_as_ever(self, twin):
        """A gateway that died settles nothing."""
        twin.converse("s", lease_ms=5_000)
        twin.authorize(10, session_id="s", ttl_ms=60_000)
        twin.pass_time(5 * SECOND)
        assert twin.totals.held_nanos == 10
        written = twin.pass_time(55 * SECOND)
        assert [type(event) for event in written] == [HoldsExpired]
        assert twin.totals.held_nanos == 0

    def test_is_remembered_for_so_many_later_ones(self, twin, monkeypatch):
        """After it an id is as one that nobody opened: a visitor's call stays refused."""
        monkeypatch.setattr("domain.session.ENDED_KEPT_MAX", 2)
        as_ana(twin).visit(ANA)
        twin.close(ANA)
        twin.actor = "operator"
        for number in range(2):
            twin.converse(f"s-{number}")
            twin.close(f"s-{number}")

        assert twin.kill("s-0").code == "session_closed"
        assert as_ana(twin).authorize(1, session_id=ANA).code == "session_not_open"

    def test_ids_that_nobody_opened_count_for_services_as_ever(self, twin):
        """A service without sessions keeps working, and so do its session limits."""
        twin.set_policy(policy(10_000, session=SessionLimits(max_token_units=1)))

        assert isinstance(twin.authorize(900, session_id="batch-7"), CallAuthorized)
        assert twin.authorize(200, session_id="batch-7").code == "session_limit_reached"

    def test_a_secret_is_opened_while_the_session_goes_on(self, twin):
        """The control of the refusal above."""
        twin.put()
        twin.converse("s")

        assert isinstance(twin.open(twin.authorize(1, session_id="s")), SecretOpened)
