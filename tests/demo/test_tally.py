"""The figures that people look at."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.replies import Receipt
from services.demo.tally import Latencies, Tally
from tests.client.decisions import denied, granted

STANDING = {"committed_nanos": 5, "held_nanos": 3, "limit_nanos": 10, "remaining_nanos": 2}


def receipt(position, cost_nanos, **standing):
    return Receipt(
        status=200,
        code="settled",
        command_id="c",
        decision_id="cantor.9",
        position=position,
        cost_nanos=cost_nanos,
        **standing,
    )


class TestLatencies:
    @given(
        st.lists(st.integers(1, 3_600_000_000), min_size=1, max_size=200),
        st.sampled_from([1, 50, 90, 99, 100]),
    )
    def test_a_percentile_is_right_within_one_percent(self, values, percent):
        """Goal: bounded memory without a wrong figure. Method: compare with the sorted list."""
        latencies = Latencies()
        for value in values:
            latencies.add(value)
        exact = sorted(values)[-(-len(values) * percent // 100) - 1]

        assert exact * 0.99 - 1 <= latencies.percentile_us(percent) <= exact * 1.01 + 1

    def test_nothing_measured_is_not_zero(self):
        """A zero would look like a very fast system."""
        assert Latencies().percentile_us(50) is None


class TestTally:
    def test_it_counts_verdicts_and_why(self):
        """The closing table is made of these."""
        tally = Tally()
        down = granted(
            decision="DOWNGRADE",
            requested="video",
            modality="voice",
            facts={"stepped_down_for": "quota_exhausted"},
        )
        for decision in (granted(), granted(), down, denied()):
            tally.decided(decision, 1_000)

        assert tally.verdicts == {"PASS": 2, "DOWNGRADE": 1, "DENY": 1}
        assert tally.stepped_down == {"video to voice: quota_exhausted": 1}
        assert tally.refusals == {"monthly_hard_limit_reached": 1}
        assert (tally.decisions, tally.latencies.count) == (4, 4)

    def test_money_is_that_of_the_latest_position(self):
        """Replies overtake each other; an older standing must not replace a newer one."""
        tally = Tally()
        tally.booked(receipt(7, 4, **STANDING))
        tally.booked(receipt(6, 2, **{**STANDING, "committed_nanos": 1}))
        tally.decided(msgspec.structs.replace(denied(), position=None, committed_nanos=0), 1)

        assert (tally.money.position, tally.money.committed) == (7, 5)
        assert (tally.receipts, tally.booked_nanos) == (2, 6)
