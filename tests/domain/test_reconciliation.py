"""Looking for sessions that nobody pays for: allowed when calls are not, and worth nothing else."""

import pytest

from contracts.access import OPERATOR
from contracts.budget import CallAuthorized, CallSettled, HoldReleased
from contracts.questions import FindHold
from contracts.secret import OpenSecret, SecretOpened
from contracts.tenant import EraseTenant, ResumeTenant, SuspendTenant
from contracts.twin import RetireTwin
from contracts.usage import Usage
from domain.views import answer
from tests.domain import dna
from tests.domain.world import MINUTE, SECOND, Twin, option, policy


def look(twin, **fields):
    return twin.authorize(0, "video", purpose="reconciliation", **fields)


def opened(twin, hold):
    return twin.decide(
        OpenSecret(
            command_id=twin.new_id(), reservation_id=f"cantor.{hold.decision}", name="openai"
        )
    )


def asleep():
    twin = Twin()
    twin.put()
    twin.decide(SuspendTenant(command_id="s", mode="asleep"))
    return twin


def suspended():
    twin = Twin()
    twin.put()
    twin.decide(SuspendTenant(command_id="s", mode="suspended"))
    return twin


def retired():
    twin = Twin()
    twin.put()
    twin.decide(RetireTwin(command_id="r"))
    return twin


def never_activated():
    twin = dna.fresh()
    twin.put()
    return twin


def out_of_money():
    twin = Twin(policy(100))
    twin.put()
    twin.settle(twin.authorize(100), 100)
    return twin


class TestGranting:
    @pytest.mark.parametrize(
        "make",
        [asleep, suspended, retired, never_activated, out_of_money],
        ids=lambda f: f.__name__,
    )
    def test_a_twin_that_may_make_no_call_may_look_and_open_its_key(self, make):
        """Ending what runs on is what stops its cost; refusing that would cost money."""
        twin = make()
        assert not isinstance(twin.authorize(1), CallAuthorized)
        hold = look(twin)

        assert (hold.amount_nanos, hold.purpose) == (0, "reconciliation")
        assert isinstance(opened(twin, hold), SecretOpened)

    def test_an_erased_twin_has_no_key_to_look_with(self):
        """Its data key is destroyed; the answer says so."""
        twin = retired()
        twin.decide(EraseTenant(command_id="e", confirm="cantor"))

        assert look(twin).code == "twin_erased"

    def test_it_takes_no_place_in_the_bucket_and_is_never_delayed(self):
        """On match night the bucket is full, and zombies cost all the same."""
        twin = Twin()
        before = twin.state.rate.tat_us
        hold = look(twin)

        assert (hold.delay_us, twin.state.rate.tat_us) == (0, before)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("estimate", Usage(stream_ms=1)),
            ("fallbacks", [option(1, "text")]),
            ("session_id", "s-1"),
        ],
    )
    def test_it_holds_nothing_and_steps_nowhere(self, field, value):
        """Else it would be a way around the gate for a call of a sleeping twin."""
        refused = look(asleep(), **{field: value})

        assert refused.code == "reconciliation_holds_nothing"
        assert refused.facts["field"] == field

    def test_a_visitor_may_not(self):
        """It sees sessions of others."""
        twin = Twin()
        twin.actor = "visitor_0123456789abcdef"
        assert look(twin).code == "caller_not_allowed"

    def test_what_has_no_price_cannot_be_booked(self):
        """So it is said before anything is ended."""
        assert look(Twin(), sku="nothing").code == "not_priced"


class TestUsing:
    def test_it_is_never_extended(self):
        """An extension would be a call by another name."""
        twin = Twin()
        hold = look(twin)

        assert twin.extend(hold, 100).code == "reconciliation_holds_nothing"

    def test_what_no_hold_backed_is_booked_on_it_as_overrun(self):
        """It was spent, so it is counted, and shown as what it is."""
        twin = Twin(policy(100_000))
        settled = twin.settle(look(twin), 200, outcome="cut_off")

        assert isinstance(settled, CallSettled)
        assert (settled.cost_nanos, settled.overrun_nanos, settled.held_nanos) == (200, 200, 0)

    def test_given_back_it_leaves_no_trace_in_the_money(self):
        """As nearly always: nothing was found."""
        twin = Twin()
        before = twin.state.budget.periods[twin.state.budget.period].committed_nanos
        assert isinstance(twin.release(look(twin)), HoldReleased)
        totals = twin.state.budget.periods[twin.state.budget.period]

        assert (totals.committed_nanos, totals.held_nanos) == (before, 0)

    def test_it_is_no_sample_of_a_calibration(self):
        """A round that is under way counts its own calls only."""
        twin = dna.fresh()
        dna.draft(twin)
        dna.aim(twin)
        dna.begin(twin)
        look(twin)

        assert twin.state.twin.calibration.calls == {}

    def test_a_resumed_twin_makes_calls_again(self):
        """Looking changed nothing about the twin."""
        twin = asleep()
        look(twin)
        twin.decide(ResumeTenant(command_id="again"))

        assert isinstance(twin.authorize(1), CallAuthorized)


class TestFindingAHold:
    def found(self, twin, reservation_id, **usage):
        question = FindHold(reservation_id=reservation_id, usage=Usage(**usage))
        return answer(question, twin.state, OPERATOR, twin.now_us)

    def test_it_is_open_then_expired_then_closed_for_ever(self):
        """What decides whether somebody still pays for a session."""
        twin = Twin(policy(100_000))
        hold = twin.authorize(200, "video", ttl_ms=10_000)
        name = f"cantor.{hold.decision}"
        first = self.found(twin, name)
        assert (first.state, first.expires_at_us) == ("open", hold.expires_at_us)
        twin.pass_time(11 * SECOND)
        assert self.found(twin, name).state == "expired"
        assert twin.settle(hold, 300).late
        assert self.found(twin, name).state == "closed"

    def test_it_backs_what_was_held_with_every_extension(self):
        """A session that outlived its hold is told from one that is paid for."""
        twin = Twin(policy(100_000))
        hold = twin.authorize(200, "video", ttl_ms=86_400_000)
        name = f"cantor.{hold.decision}"
        assert self.found(twin, name, stream_ms=2).is_backed
        assert not self.found(twin, name, stream_ms=3).is_backed
        twin.extend(hold, 100)
        twin.pass_time(MINUTE)
        assert self.found(twin, name, stream_ms=3).is_backed
        # A quantity without a price backs nothing.
        assert not self.found(twin, name, characters=1).is_backed

    @pytest.mark.parametrize("name", ["cantor.999", "fernandez.1", "cantor.0"])
    def test_a_hold_that_was_never_granted_is_unknown(self, name):
        """Also another twin's: it is told nothing of that."""
        assert self.found(Twin(), name).state == "unknown"
