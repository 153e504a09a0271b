"""Flood: refusals are recorded, but a flood of them does not grow the log without bound."""

from contracts.budget import RefusalsCounted
from domain import flood, gate
from tests.domain.world import NOON, SECOND, Twin, policy


def test_the_first_twenty_of_a_second_are_recorded_one_by_one():
    """An auditor sees refusals; a flood adds at most 21 events a second."""
    twin = Twin(policy(limit=0))
    recorded = 0
    for _ in range(100):
        if flood.is_recorded(twin.state.flood, twin.now_us):
            twin.authorize(1)
            recorded += 1

    assert recorded == flood.REFUSALS_RECORDED_PER_S


def test_a_new_second_records_again():
    """The bound is per second of the twin's own time."""
    twin = Twin(policy(limit=0))
    for _ in range(flood.REFUSALS_RECORDED_PER_S):
        twin.authorize(1)

    assert not flood.is_recorded(twin.state.flood, NOON + SECOND - 1)
    assert flood.is_recorded(twin.state.flood, NOON + SECOND)


def test_refusals_of_every_command_count_together():
    """A flood of bad releases is as much a flood as one of calls."""
    twin = Twin(policy(limit=0))
    for number in range(flood.REFUSALS_RECORDED_PER_S):
        if number % 2:
            twin.release("cantor.999")
        else:
            twin.authorize(1)

    assert not flood.is_recorded(twin.state.flood, NOON)


def test_grants_do_not_count():
    """Only refusals are ever left out."""
    twin = Twin(policy(limit=1_000))
    for _ in range(flood.REFUSALS_RECORDED_PER_S + 1):
        twin.authorize(1)

    assert flood.is_recorded(twin.state.flood, NOON)


def test_a_refusal_that_is_only_counted_uses_no_decision_number():
    """Decision numbers are dense; what is not in the log has none."""
    twin = Twin(policy(limit=0))
    command = twin.call(1)
    envelope = twin.envelope(command)

    first = gate.decide(twin.state, command, envelope)
    second = gate.decide(twin.state, command, envelope)

    assert first == second


class TestTally:
    def test_counts_by_code_and_sums_what_was_asked(self):
        """The summary says how many of which, from when to when, and how much."""
        twin = Twin(policy(limit=10))
        tally = flood.Tally()
        for amount in (20, 30):
            (refusal,) = gate.decide(
                twin.state, command := twin.call(amount), twin.envelope(command)
            )
            flood.count(tally, refusal)
        (refusal,) = gate.decide(
            twin.state, command := twin.call(0, "data", sku="x"), twin.envelope(command)
        )
        flood.count(tally, refusal)

        event = flood.summary(tally, NOON + SECOND)

        assert event == RefusalsCounted(
            NOON + SECOND,
            NOON,
            NOON + SECOND,
            {"monthly_hard_limit_reached": 2, "not_priced": 1},
            50,
        )

    def test_is_due_when_its_second_is_over(self):
        """Not with every refusal, and not never."""
        tally = flood.Tally()
        assert flood.due_at_us(tally) is None
        twin = Twin(policy(limit=0))
        twin.now_us += 300_000
        flood.count(tally, twin.authorize(1))

        assert flood.due_at_us(tally) == NOON + 300_000 + SECOND

    def test_of_absurd_amounts_can_still_be_written_down(self):
        """A sum that does not fit into 64 bits would stop the tenant's log."""
        tally = flood.Tally()
        twin = Twin(policy(limit=0))
        refusal = twin.authorize(1)
        for _ in range(3):
            flood.count(tally, type(refusal)(*_with_amount(refusal, 9 * 10**15)))

        assert flood.summary(tally, NOON).amount_nanos == 9 * 10**15


def _with_amount(refusal, amount):
    return [
        amount if name == "amount_nanos" else getattr(refusal, name)
        for name in refusal.__struct_fields__
    ]
