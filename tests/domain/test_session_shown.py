"""What is shown of sessions, to whom, and who is out of whose reach."""

import pytest

from contracts.session import SessionEnded, SessionKilled, SessionsView
from domain.views import view
from tests.domain.test_session import ANA, as_ana, shown, twin

__all__ = ["twin"]


class TestOthers:
    @pytest.mark.parametrize("act", ["beat", "show", "close"])
    def test_sessions_of_others_are_out_of_a_visitors_reach(self, twin, act):
        """Their ids may be guessed or seen."""
        twin.converse("s")

        refusal = getattr(as_ana(twin), act)("s")

        assert (refusal.code, refusal.status) == ("session_of_another", 403)
        assert refusal.facts == {"session_id": "s"}

    def test_a_visitor_finds_its_own_and_of_others_nothing(self, twin):
        """Not even that there are any."""
        as_ana(twin).converse(ANA)
        twin.actor = "operator"
        twin.converse("s")
        found = shown(twin, ANA, "s", "none", principal=f"visitor_{ANA}")

        assert [one.status for one in found] == ["open", "unknown", "unknown"]


class TestShown:
    def test_money_of_a_session_is_what_its_calls_hold_and_have_cost(self, twin):
        """Also of a call that was settled above its hold; not of a hold from before it."""
        twin.authorize(5, session_id="s", ttl_ms=60_000)
        twin.converse("s")
        call, other = (twin.authorize(10, session_id="s") for _ in range(2))
        twin.extend(call, 3)
        assert (shown(twin, "s")[0].held_nanos, shown(twin, "s")[0].open_holds) == (23, 2)
        twin.settle(call, 20)
        twin.release(other)
        one = shown(twin, "s")[0]
        assert (one.committed_nanos, one.held_nanos, one.open_holds) == (20, 0, 0)

    def test_the_view_names_the_first_of_many(self, twin, monkeypatch):
        """An answer has a bound, and says how many there are."""
        monkeypatch.setattr("domain.session_views.SHOWN_SESSIONS_MAX", 2)
        for number in range(3):
            twin.converse(f"s-{number}")
        twin.kill("s-0")
        twin.converse("s-3")

        found = view("session", twin.state, twin.now_us)

        assert isinstance(found, SessionsView)
        assert (found.total, [one.session_id for one in found.sessions]) == (3, ["s-1", "s-2"])

    def test_ends_are_events_that_say_who(self, twin):
        """Somebody stopped it; that is on the record."""
        twin.converse("s-1")
        twin.converse("s-2")
        twin.actor = "person_owner"
        killed, ended = twin.kill("s-1", note="abusive"), twin.close("s-2", "error", note="x")

        assert isinstance(killed, SessionKilled)
        assert isinstance(ended, SessionEnded)
        assert (killed.actor, killed.note) == ("person_owner", "abusive")
        assert (ended.actor, ended.reason) == ("person_owner", "error")
