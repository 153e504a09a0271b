"""Back-off: quick after one crash, patient with something that is broken."""

import pytest

from services.supervisor.backoff import Backoff


def test_delays_double_up_to_a_bound():
    """A broken service must neither spin nor wait for ever."""
    backoff = Backoff(first_s=0.5, max_s=3.0, stable_after_s=30.0)

    assert [backoff.after(0.0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(("ran_for_s", "expected_s"), [(29.9, 4.0), (30.0, 1.0), (9_000.0, 1.0)])
def test_a_stable_run_is_forgiven(ran_for_s, expected_s):
    """A crash a day must not add up to long outages."""
    backoff = Backoff(first_s=1.0, max_s=60.0, stable_after_s=30.0)
    backoff.after(0.0)
    backoff.after(0.0)

    assert backoff.after(ran_for_s) == expected_s
    assert backoff.after(0.0) == expected_s * 2
