"""Sessions that a door holds for somebody else: their rights go with every call, whoever asks."""

import pytest

from contracts.access import OPERATOR, IssueKey, RevokeKey
from contracts.session import BeatSession, BeginSession, SessionBegun, SessionRenewed
from contracts.topics import Topic
from domain.session_views import sessions_view
from domain.topics import topics_view
from tests.domain.governed import Governed
from tests.domain.world import MINUTE, SECOND

ANA = "a" * 16
KEY = "k" * 16


@pytest.fixture
def twin():
    """A twin with a place that goes up to voice."""
    made = Governed()
    made.opened(ceiling="voice")
    return made


def hold(twin, session_id, principal, modality="text", *, actor=OPERATOR):
    """A door opens a session for somebody."""
    command = BeginSession(
        command_id=twin.new_id(), session_id=session_id, modality=modality, on_behalf=principal
    )
    twin.actor = actor
    try:
        return twin.decide(command)
    finally:
        twin.actor = OPERATOR


def issue(twin, *scopes):
    return twin.decide(
        IssueKey(
            command_id=twin.new_id(),
            key_id=KEY,
            label="service",
            scopes=list(scopes),
            secret_hash=bytes(32),
            expires_at_us=None,
        )
    )


def call(twin, session_id, modality="text"):
    """What the door is told about a call of the session, asked in its own name."""
    event = twin.authorize(100, session_id=session_id, modality=modality)
    return getattr(event, "code", "granted")


class TestVisitor:
    def test_is_held_to_its_page_when_a_door_asks_in_its_own_name(self, twin):
        """
        Goal: a page that is taken off the list has no calls any more, at once.
        Method: the deployment changes its origins while the door's session goes on.
        """
        twin.mint(visitor_id=ANA)
        begun = hold(twin, ANA, f"visitor_{ANA}")
        twin.show(ANA, begun.disclosure_version)

        before = call(twin, ANA)
        twin.change(origins=["https://other.example"])

        assert (before, call(twin, ANA)) == ("granted", "origin_not_allowed")

    def test_goes_no_higher_than_its_deployment(self, twin):
        """
        Goal: the ceiling holds for the door's credentials as it does for the visitor's.
        Method: video is asked for in the session, above the place's ceiling.
        """
        twin.mint(visitor_id=ANA)
        twin.show(ANA, hold(twin, ANA, f"visitor_{ANA}").disclosure_version)

        assert call(twin, ANA, "video") == "modality_above_ceiling"

    def test_is_over_when_its_admission_is(self, twin):
        """
        Goal: the session cannot outlive the visitor's token.
        Method: the end of the session and of the admission are compared.
        """
        admitted = twin.mint(visitor_id=ANA, ttl_s=60)

        assert hold(twin, ANA, f"visitor_{ANA}").ends_at_us == admitted.expires_at_us

    def test_has_one_session_its_own(self, twin):
        """
        Goal: nobody is given another visitor's session.
        Method: the door opens a session of another id in the visitor's name.
        """
        twin.mint(visitor_id=ANA)

        assert hold(twin, "b" * 16, f"visitor_{ANA}").code == "session_of_another"

    def test_who_was_not_admitted_gets_none(self, twin):
        """
        Goal: a door cannot let in whom the gate does not know.
        Method: a session is opened for a visitor that was never minted.
        """
        assert hold(twin, ANA, f"visitor_{ANA}").code == "caller_unknown"


class TestKey:
    def test_that_is_revoked_has_no_calls_any_more(self, twin):
        """
        Goal: a revoked key stops its conversations, although the door asks with its own login.
        Method: the key is revoked between two calls of one session.
        """
        issue(twin, "calls")
        begun = hold(twin, "s-1", f"key_{KEY}")
        before = call(twin, "s-1")
        twin.decide(RevokeKey(command_id=twin.new_id(), key_id=KEY, reason="leaked"))

        assert isinstance(begun, SessionBegun)
        assert begun.on_behalf == f"key_{KEY}"
        assert (before, call(twin, "s-1")) == ("granted", "caller_unknown")

    def test_without_the_right_to_calls_gets_no_session(self, twin):
        """
        Goal: a door lends nobody rights that they do not have.
        Method: a session for a key that may only read.
        """
        issue(twin, "read")

        assert hold(twin, "s-1", f"key_{KEY}").code == "caller_not_allowed"

    def test_says_nobody_elses_name(self, twin):
        """
        Goal: only the deployment's own credentials speak for others.
        Method: a key opens a session on behalf of a visitor.
        """
        issue(twin, "calls")
        twin.mint(visitor_id=ANA)

        refused = hold(twin, ANA, f"visitor_{ANA}", actor=f"key_{KEY}")

        assert (refused.code, refused.facts["field"]) == ("session_invalid", "on_behalf")


class TestBundle:
    def beat(self, twin, revision):
        twin.write_due()
        return twin.decide(
            BeatSession(command_id=twin.new_id(), session_id="s-1", bundle_revision=revision)
        )

    def test_that_a_session_goes_by_from_here_on_is_written_down(self, twin):
        """
        Goal: the log says what governed each turn, also when that has changed meanwhile.
        Method: topics are set during a session; a beat at once after another tells of the bundle.
        """
        begun = twin.converse("s-1")
        twin.set_topics(Topic(name="bets", phrases=["a bet"]))
        revision = twin.state.bundle_revision
        before = sessions_view(twin.state, 0).sessions[0]

        told = self.beat(twin, revision)
        twin.pass_time(MINUTE // 4 + SECOND)
        self.beat(twin, revision)

        assert isinstance(told, SessionRenewed)
        assert told.bundle_revision == revision > 0
        shown = sessions_view(twin.state, 0).sessions[0]
        assert (before.bundle_revision, before.bundle_since_us) == (0, begun.at_us)
        assert (shown.bundle_revision, shown.bundle_since_us) == (revision, told.at_us)
        assert topics_view(twin.state, 0).active_decision == revision

    def test_that_there_never_was_is_refused(self, twin):
        """
        Goal: nobody claims to go by what the twin was never told.
        Method: a beat with a revision of the future.
        """
        twin.converse("s-1")

        assert self.beat(twin, 99_999).code == "session_invalid"

    def test_as_before_is_an_ordinary_beat(self, twin):
        """
        Goal: naming the bundle every time writes no more than beating does.
        Method: a beat with the known revision, after long enough to renew.
        """
        begun = twin.converse("s-1", lease_ms=30_000)
        twin.pass_time(MINUTE // 4 + SECOND)

        assert self.beat(twin, begun.bundle_revision).bundle_revision == 0
