"""Visitors as callers: their own calls, up to the ceiling, for as long as they are let in."""

import pytest

from contracts.account import PLATFORM
from contracts.budget import (
    CallAuthorized,
    CallSettled,
    HoldExtended,
    HoldReleased,
    ReleaseCall,
    TopUpCredits,
)
from contracts.commands import NOUN_AND_VERB
from domain import rights
from domain.refusals import CALLER_NOT_ALLOWED, CALLER_UNKNOWN
from tests import examples
from tests.domain.governed import Governed
from tests.domain.world import MINUTE, NOON, option, policy

ANA, BEA = "a" * 16, "b" * 16
OPEN = {("budget", verb) for verb in ("authorize", "settle", "extend", "release")} | {
    ("session", verb) for verb in ("open", "show_disclosure", "beat", "step", "close")
}


@pytest.fixture
def twin() -> Governed:
    """A twin with Ana on its page, who may use its voice, and has opened her session."""
    twin = Governed(policy(10_000))
    twin.opened(ceiling="voice")
    twin.mint(visitor_id=ANA)
    twin.visit(ANA)
    return twin


def as_ana(twin: Governed) -> Governed:
    twin.actor = f"visitor_{ANA}"
    return twin


def may(twin: Governed, visitor: str = ANA, command=None) -> str | None:
    """Why a visitor is turned away; None when it is heard."""
    command = command or ReleaseCall(command_id="c", reservation_id="cantor.1")
    return twin.barred(command, f"visitor_{visitor}")


class TestRights:
    @pytest.mark.parametrize("command", examples.COMMANDS, ids=lambda c: type(c).__name__)
    def test_a_visitor_may_make_calls_and_nothing_else(self, twin, command):
        """A token that is in a browser is in anybody's hands."""
        expected = None if NOUN_AND_VERB[type(command)] in OPEN else "caller_not_allowed"

        assert may(twin, command=command) == expected

    @pytest.mark.parametrize(
        "noun", sorted({noun for noun, verb in rights.RIGHTS if verb == "show"})
    )
    def test_a_visitor_sees_nothing_of_the_twin(self, twin, noun):
        """Not its budget, nor where else it is shown."""
        refusal = rights.why_not_shown(twin.state, f"visitor_{ANA}", noun, "show", NOON)

        assert refusal is CALLER_NOT_ALLOWED

    def test_somebody_who_was_never_admitted_is_unknown(self, twin):
        """As unknown as at a twin that does not exist."""
        assert may(twin, BEA) == "caller_unknown"
        assert may(twin, "") == "caller_unknown"
        nobody = Governed(provisioned=False)
        assert may(nobody) == "caller_unknown"
        shown = rights.why_not_shown(nobody.state, f"visitor_{ANA}", "budget", "show", NOON)
        assert shown is CALLER_UNKNOWN

    def test_a_visitor_of_one_twin_is_nobodys_at_another(self, twin):
        """Admissions are the twin's own; and the platform has no visitors at all."""
        other = Governed(name="fernandez")
        other.opened(ceiling="voice")

        assert may(twin) is None
        assert may(other) == "caller_unknown"
        assert may(Governed(name=PLATFORM, provisioned=False)) == "caller_unknown"

    def test_a_session_ends_to_the_microsecond(self, twin):
        """And says that it is over, so that the page can ask for another."""
        twin.now_us += 15 * MINUTE - 1
        assert may(twin) is None
        twin.now_us += 1
        assert may(twin) == "visit_over"

    def test_disabling_ends_every_session_at_once(self, twin):
        """That is what an operator expects of the switch."""
        twin.disable()
        assert may(twin) == "deployment_disabled"
        twin.enable()
        assert may(twin) is None

    def test_taking_an_origin_off_the_list_ends_its_sessions(self, twin):
        """A visitor is bound to where it came from."""
        twin.change(origins=["https://other.example"], ceiling="voice")
        assert may(twin) == "origin_not_allowed"

    def test_a_deployment_that_runs_out_earlier_takes_its_visitors_along(self, twin):
        """The term may be brought forward while somebody is in."""
        twin.change(ceiling="voice", expires_at_us=NOON + MINUTE)
        assert may(twin) is None
        twin.now_us += MINUTE
        assert may(twin) == "deployment_expired"

    def test_a_mint_key_lets_visitors_in_and_does_nothing_else(self):
        """It is in the hands of a web server."""
        wanted = {noun_verb for noun_verb, right in rights.RIGHTS.items() if "mint" in right.scopes}

        assert wanted == {("deployment", "mint"), ("deployment", "show")}


class TestCeiling:
    @pytest.mark.parametrize(
        ("ceiling", "granted"),
        [
            ("video", {"video", "voice", "text", "data"}),
            ("voice", {"voice", "text", "data"}),
            ("text", {"text", "data"}),
        ],
    )
    def test_nothing_above_the_ceiling_is_granted(self, ceiling, granted):
        """A page that was sold as text must not cost as video. Data is on no rung."""
        twin = Governed(policy(10_000))
        twin.opened(ceiling=ceiling)
        twin.mint(visitor_id=ANA)
        as_ana(twin).visit(ANA)

        for modality, amount in (("video", 100), ("voice", 10), ("text", 1), ("data", 7)):
            event = twin.authorize(amount, modality, session_id=ANA)
            if modality in granted:
                assert isinstance(event, CallAuthorized)
            else:
                assert (event.code, event.status) == ("modality_above_ceiling", 403)
                assert event.facts == {"ceiling": ceiling}

    def test_a_fallback_above_the_ceiling_is_none(self):
        """A twin may order its ladder as it likes; the ceiling is on the document's."""
        twin = Governed(policy(100, ladder=["voice", "video", "text"]))
        twin.opened(ceiling="voice")
        twin.mint(visitor_id=ANA)
        as_ana(twin).visit(ANA)

        refusal = twin.authorize(200, "voice", session_id=ANA, fallbacks=[option(100, "video")])
        granted = twin.authorize(200, "voice", session_id=ANA, fallbacks=[option(1, "text")])

        assert refusal.code == "modality_above_ceiling"
        assert granted.modality == "text"

    def test_lowering_it_counts_at_once_and_raising_it_for_new_visitors(self, twin):
        """A visitor was promised no more than when it came in, and gets no more than now."""
        as_ana(twin)
        hold = twin.authorize(10, "voice", session_id=ANA)
        twin.change(ceiling="text")
        assert twin.authorize(10, "voice", session_id=ANA).code == "modality_above_ceiling"
        assert twin.extend(hold, 10).code == "modality_above_ceiling"
        assert isinstance(twin.settle(hold, 10), CallSettled)

        twin.change(ceiling="video")
        assert isinstance(twin.authorize(10, "voice", session_id=ANA), CallAuthorized)
        assert twin.authorize(100, "video", session_id=ANA).facts == {"ceiling": "voice"}

    def test_it_binds_services_within_the_session_only(self, twin):
        """An agent that runs a visitor's session keeps to its place; its own calls have none."""
        twin.actor = "key_agent"

        refusal = twin.authorize(100, "video", session_id=ANA)

        assert (refusal.code, refusal.facts) == ("modality_above_ceiling", {"ceiling": "voice"})
        assert isinstance(twin.authorize(100, "video", session_id="agent-1"), CallAuthorized)


class TestOwnCalls:
    def test_a_visitor_can_carry_a_call_from_beginning_to_end(self, twin):
        """Authorise, extend, settle; authorise, release."""
        as_ana(twin)
        call = twin.authorize(10, session_id=ANA)
        other = twin.authorize(10, session_id=ANA)

        done = [twin.extend(call, 5), twin.settle(call, 12), twin.release(other)]

        assert [type(event) for event in done] == [HoldExtended, CallSettled, HoldReleased]

    @pytest.mark.parametrize("session_id", [None, BEA, ANA.upper()])
    def test_a_call_of_another_session_is_refused(self, twin, session_id):
        """Session limits would be somebody else's, or nobody's."""
        refusal = as_ana(twin).authorize(1, session_id=session_id)

        assert (refusal.code, refusal.status) == ("session_of_another", 403)

    @pytest.mark.parametrize("act", ["settle", "extend", "release"])
    @pytest.mark.parametrize("session_id", [None, BEA])
    def test_reservations_of_others_are_out_of_reach(self, twin, act, session_id):
        """Their numbers can be guessed: a visitor could book away or free what others hold."""
        hold = twin.authorize(10, session_id=session_id)
        before = twin.standing
        as_ana(twin)

        refusal = getattr(twin, act)(hold)

        assert (refusal.code, refusal.status) == ("session_of_another", 403)
        assert twin.standing == before

    def test_a_late_settlement_of_anothers_call_is_refused_too(self, twin):
        """A hold that ran out is still somebody's."""
        hold = twin.authorize(10, session_id=BEA, ttl_ms=1_000)
        twin.pass_time(2_000_000)

        assert as_ana(twin).settle(hold).code == "session_of_another"


def test_no_other_command_looks_at_an_admission(twin):
    """The control: a person with the same letters in its name is nobody's visitor."""
    assert twin.barred(TopUpCredits(command_id="c", amount_nanos=1), f"person_{ANA}") == (
        "caller_unknown"
    )
