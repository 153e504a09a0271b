"""Memory: a command id takes effect once, within a stated horizon; refusals stay refusals."""

import msgspec
import pytest

from contracts.budget import ReleaseCall, SettleCall
from contracts.tenant import ResumeTenant, SuspendTenant
from contracts.usage import Usage
from domain import memory
from domain.answer import answer
from domain.refusals import COMMAND_ID_REUSED
from tests.domain.test_governance import provision
from tests.domain.world import PRICES, SECOND, Twin, policy


class TestKnown:
    def test_a_repeated_command_has_its_decision_and_position(self):
        """The retry of a lost answer gets the answer, not a second hold."""
        twin = Twin()
        command = twin.call(10)
        (decision,) = twin.do(command)

        known = twin.again(command)

        assert (known.event, known.position) == (decision, twin.state.position)
        assert twin.standing.held_nanos == 10

    def test_the_answer_is_the_same_but_says_that_it_is_replayed(self):
        """Byte for byte, so that a client cannot tell which of two workers it asked."""
        twin = Twin()
        command = twin.call(10)
        first = answer("cantor", twin.decide(command), twin.state.position)

        known = twin.again(command)
        second = answer("cantor", known.event, known.position, replayed=True)

        assert not first.replayed
        assert second == msgspec.structs.replace(first, replayed=True)

    def test_a_refusal_stays_a_refusal(self):
        """Topping up must not turn the retry of a refused command into a grant."""
        twin = Twin(policy(limit=1))
        command = twin.call(10)
        refusal = twin.decide(command)
        twin.top_up(100)

        assert twin.again(command).event == refusal

    def test_another_payload_under_a_known_id_is_refused(self):
        """Two different calls must not be taken for one."""
        twin = Twin()
        twin.do(twin.call(10, command_id="same"))

        assert twin.again(twin.call(11, command_id="same")) is COMMAND_ID_REUSED

    def test_another_kind_of_command_with_the_same_payload_is_refused(self):
        """`suspend` and `resume` have nothing but an id; a retry of one is not the other."""
        twin = Twin()
        twin.do(SuspendTenant(command_id="same"))

        assert twin.again(ResumeTenant(command_id="same")) is COMMAND_ID_REUSED
        assert twin.again(SuspendTenant(command_id="same")).event.command_id == "same"

    def test_a_refused_command_of_another_kind_is_refused_too(self):
        """The same for refusals, which say of which verb they are."""
        twin = Twin()
        twin.do(ReleaseCall(command_id="same", reservation_id="cantor.99"))
        settle = SettleCall(command_id="same", reservation_id="cantor.99", usage=Usage())

        assert twin.again(settle) is COMMAND_ID_REUSED

    def test_a_repeated_provision_is_answered_as_what_it_was(self):
        """It brings a policy and prices with it; those are parts of it, not its decision."""
        twin = Twin()
        command = provision(
            display_name="Andrés Cantor",
            organisation="Studio",
            policy=policy(),
            price_book=PRICES,
            activation="immediate",
        )

        known = twin.again(command)

        assert (known.event, known.position) == (twin.log[0], 1)
        assert answer("cantor", known.event, known.position).code == "provisioned"

    @pytest.mark.parametrize("verb", ["settle", "extend", "release"])
    def test_every_command_about_a_hold_is_remembered(self, verb):
        """Retries are normal for all of them."""
        twin = Twin()
        grant = twin.authorize(10)
        event = getattr(twin, verb)(grant)

        assert memory.find(twin.state.memory, event.command_id).event == event

    def test_ids_of_two_twins_do_not_meet(self):
        """One twin, one memory."""
        one, other = Twin(), Twin(name="fernandez")
        command = one.call(1, command_id="same")
        one.do(command)

        assert other.again(command) is None


class TestHorizon:
    def test_an_id_is_known_for_five_minutes_at_least(self):
        """As long as the memory is not full."""
        twin = Twin()
        command = twin.call(0)
        twin.do(command)
        for _ in range(10):
            twin.now_us += 30 * SECOND
            twin.authorize(0)

        assert twin.again(command) is not None

    def test_and_forgotten_after_twice_that(self):
        """Bounded: two generations, whatever the traffic."""
        twin = Twin()
        command = twin.call(0)
        twin.do(command)
        for _ in range(3):
            twin.now_us += memory.HORIZON_US + 1
            twin.authorize(0)

        assert twin.again(command) is None

    def test_many_commands_push_out_the_oldest_only(self, monkeypatch):
        """An id is known for as many later commands as a generation holds, and memory is two."""
        monkeypatch.setattr("domain.memory.COMMANDS_PER_GENERATION", 4)
        twin = Twin()
        commands = [twin.call(0) for _ in range(20)]
        for number, command in enumerate(commands):
            twin.do(command)
            for recent in commands[max(0, number - 4) : number + 1]:
                assert twin.again(recent) is not None

        assert len(twin.state.memory.young) + len(twin.state.memory.old) <= 8
        assert twin.again(commands[0]) is None

    def test_settling_and_releasing_stay_exact_beyond_it(self, monkeypatch):
        """A forgotten id of a settlement does no harm: the hold is known to be closed for ever."""
        monkeypatch.setattr("domain.memory.COMMANDS_PER_GENERATION", 1)
        twin = Twin()
        grant = twin.authorize(10)
        settlement = SettleCall(
            command_id="settle", reservation_id=twin.reservation(grant), usage=Usage(7)
        )
        twin.do(settlement)
        for _ in range(5):
            twin.authorize(0)

        assert twin.again(settlement) is None
        assert twin.decide(settlement).code == "hold_closed"
        assert twin.totals.committed_nanos == 7
