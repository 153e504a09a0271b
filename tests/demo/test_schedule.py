"""When turns are due is a pure function of the trace and the speed."""

from collections import Counter
from itertools import pairwise

import pytest

from services.demo.schedule import GOAL_EVERY_US, GOAL_FACTOR, GOAL_LASTS_US, is_goal, turns
from services.demo.trace import Row, read_trace

SECOND_US = 1_000_000
CHAT = 800
CONSULTATION = 4_000


def every(us, count, context=CHAT):
    """A trace of *count* rows at an even pace."""
    return [Row(number * us, context, 100) for number in range(count)]


def played(rows, speed=1.0, lasts_us=10 * SECOND_US):
    return list(turns(rows, speed=speed, lasts_us=lasts_us, run="r"))


class TestTrace:
    def test_it_is_the_published_one(self):
        """An hour, 19,366 rows, in order: anything else is not the trace that we cite."""
        rows = read_trace()

        assert len(rows) == 19_366
        assert (rows[0], rows[1].at_us) == (Row(0, 374, 44), 4_314_579)
        assert all(left.at_us <= right.at_us for left, right in pairwise(rows))
        assert 3_500 * SECOND_US < rows[-1].at_us < 3_600 * SECOND_US


class TestPace:
    @pytest.mark.parametrize("speed", [0.5, 1.0, 4.0, 60.0])
    def test_arrivals_keep_their_proportions_at_any_speed(self, speed):
        """Bursts of the recording must stay bursts."""
        rows = every(100_000, 1_000)
        due = [turn.due_us for turn in played(rows, speed, lasts_us=SECOND_US)]

        assert due == [int(row.at_us / speed) for row in rows if row.at_us / speed < SECOND_US]

    def test_it_ends_when_it_is_told_to(self):
        """A demo of ten seconds sends nothing after ten seconds."""
        assert max(turn.due_us for turn in played(every(30_000, 10_000))) < 10 * SECOND_US

    def test_a_short_trace_begins_again(self):
        """At high speed an hour is over soon; time must go on without a jump back."""
        due = [turn.due_us for turn in played(every(1_000_000, 3))]

        assert len(due) > 3
        assert all(left < right for left, right in pairwise(due))

    def test_a_goal_multiplies_chats_and_not_consultations(self):
        """The stadium shouts at one twin only, for two seconds of every twenty."""
        rows = sorted(
            every(100_000, 400) + every(100_000, 400, CONSULTATION), key=lambda r: r.at_us
        )
        found = Counter(
            (turn.tenant, is_goal(turn.due_us)) for turn in played(rows, lasts_us=40 * SECOND_US)
        )

        assert found["cantor", True] == found["fernandez", True] * GOAL_FACTOR
        assert found["cantor", False] == found["fernandez", False]

    def test_a_goal_never_opens_the_match(self):
        """A newcomer sees calm first, and then what a goal does to it."""
        goals = {us // SECOND_US for us in range(0, 60 * SECOND_US, 100_000) if is_goal(us)}

        assert goals == {20, 21, 40, 41}
        assert (GOAL_EVERY_US, GOAL_LASTS_US) == (20 * SECOND_US, 2 * SECOND_US)


class TestVisitors:
    def test_deep_context_is_a_consultation(self):
        """What makes the twins' traffic differ is in the trace, not drawn at random."""
        found = played([Row(0, 2_499, 1), Row(1, 2_500, 1)], lasts_us=2)

        assert [turn.tenant for turn in found] == ["cantor", "fernandez"]

    def test_conversations_have_several_turns_and_names_of_this_run(self):
        """Session limits are counted by these names; another run's must not be used up."""
        sessions = Counter(turn.session for turn in played(every(100_000, 60)))

        assert set(sessions.values()) == {6} | {len(played(every(100_000, 60))) % 6} - {0}
        assert all(name.startswith("r-cantor-") for name in sessions)
