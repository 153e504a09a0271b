"""How fast somebody may look things up: visitors little, members more, neither at others' cost."""

import pytest

from services.knowledge import pace
from services.knowledge.pace import Pace
from services.knowledge.refusing import LookupRefused

SECOND_US = 1_000_000


@pytest.fixture
def clock():
    return [0]


@pytest.fixture
def paced(clock):
    return Pace(lambda: clock[0])


def passed(paced: Pace, who: str, times: int, tenant: str = "cantor") -> int:
    """How many of so many questions were taken."""
    taken = 0
    for _ in range(times):
        try:
            paced.check(tenant, who)
        except LookupRefused:
            continue
        taken += 1
    return taken


def test_a_visit_may_ask_a_few_at_once_and_two_a_second(paced, clock):
    """Who is refused is told for how long, to the millisecond: then it is taken, and not before."""
    assert passed(paced, "visitor_a", 100) == 10
    with pytest.raises(LookupRefused) as refused:
        paced.check("cantor", "visitor_a")
    assert (refused.value.refusal.code, refused.value.refusal.status) == ("lookups_too_fast", 429)

    clock[0] += (refused.value.retry_after_ms - 1) * 1_000
    assert passed(paced, "visitor_a", 1) == 0
    clock[0] += 1_000
    assert passed(paced, "visitor_a", 1) == 1
    assert passed(paced, "visitor_b", 1) == 1


def test_many_visits_together_leave_members_sessions_and_other_twins_alone(paced, clock):
    """A flood costs its own kind of its own twin, and a refused question nobody."""
    taken = sum(passed(paced, f"visitor_{number}", 10) for number in range(50))
    assert taken == 60

    assert passed(paced, "person_ana", 1) == 1
    assert passed(paced, "operator", 1_000) == 1_000
    assert passed(paced, "visitor_0", 1, tenant="fernandez") == 1
    assert passed(paced, "visitor_of_another", 1) == 0
    clock[0] += SECOND_US
    assert passed(paced, "visitor_of_another", 1) == 1


def test_a_key_is_bounded_and_others_have_what_it_has_not(paced):
    """A program that runs wild is told to wait."""
    assert passed(paced, "key_a", 500) == 100
    assert passed(paced, "key_b", 500) == 100
    assert passed(paced, "key_c", 500) == 0


def test_only_so_many_are_remembered(clock):
    """Names cost memory, and anybody may make some."""
    paced = Pace(lambda: clock[0], askers_max=100)
    for number in range(1_000):
        clock[0] += SECOND_US
        paced.check("cantor", f"visitor_{number}")

    assert len(paced) <= 100
    assert pace.ASKERS_MAX >= 10_000
