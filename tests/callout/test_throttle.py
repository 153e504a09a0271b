"""Whoever guesses waits, longer each time, and nobody else with them; in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.callout.throttle import FREE_PER_HOST, FREE_PER_NAME, Throttle
from services.identity.slowing import FORGOTTEN_AFTER_US, WAIT_MAX_US, network_of

S = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


def test_a_few_failures_are_free_and_then_the_wait_doubles():
    """A typo costs nothing, a list of words a lifetime."""
    clock = Clock()
    throttle = Throttle(clock=clock)
    waits = []
    for _ in range(FREE_PER_NAME + 5):
        throttle.failed("192.0.2.1", "k1", guessed=False)
        waits.append(throttle.wait_us("192.0.2.1", "k1") // S)
        clock.now_us += waits[-1] * S

    assert waits == [0] * FREE_PER_NAME + [1, 2, 4, 8, 16]


def test_only_who_fails_waits():
    """Whoever knows a key id must not be able to lock its owner out."""
    throttle = Throttle(clock=Clock())
    for _ in range(FREE_PER_NAME + 1):
        throttle.failed("192.0.2.1", "k1", guessed=True)

    assert throttle.wait_us("192.0.2.1", "k1")
    assert not throttle.wait_us("192.0.2.2", "k1")
    assert not throttle.wait_us("192.0.2.1", "k2")


def test_an_address_that_guesses_names_waits_with_all_of_them():
    """One try for each of a million key ids is guessing too."""
    throttle = Throttle(clock=Clock())
    for number in range(FREE_PER_HOST + 1):
        throttle.failed("192.0.2.1", f"k{number}", guessed=True)

    assert throttle.wait_us("192.0.2.1", "never tried")
    assert not throttle.wait_us("192.0.2.2", "never tried")


def test_a_right_secret_that_is_over_does_not_make_an_address_suspect():
    """A forgotten service with an expired key must not keep its neighbours out."""
    throttle = Throttle(clock=Clock())
    for _ in range(10 * FREE_PER_HOST):
        throttle.failed("192.0.2.1", "old", guessed=False)

    assert throttle.wait_us("192.0.2.1", "old") == WAIT_MAX_US
    assert not throttle.wait_us("192.0.2.1", "new")


def test_success_forgives_the_name_and_not_the_address():
    """One key of one's own would reset the count after each guess otherwise."""
    throttle = Throttle(clock=Clock())
    for number in range(FREE_PER_HOST + 1):
        throttle.failed("192.0.2.1", f"k{number}", guessed=True)
        throttle.succeeded("192.0.2.1", "own")
        throttle.succeeded("192.0.2.1", f"k{number}")

    assert throttle.wait_us("192.0.2.1", "own")


def test_failures_are_forgotten():
    """Somebody who mistyped last week begins anew."""
    clock = Clock()
    throttle = Throttle(clock=clock)
    for _ in range(FREE_PER_NAME):
        throttle.failed("192.0.2.1", "k1", guessed=True)
    clock.now_us = FORGOTTEN_AFTER_US + 1
    throttle.failed("192.0.2.1", "k1", guessed=True)

    assert not throttle.wait_us("192.0.2.1", "k1")


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans(), st.integers(0, 10 * S)),
        max_size=200,
    )
)
def test_memory_and_waits_are_bounded(attempts):
    """Whatever is tried, in whatever order."""
    clock = Clock()
    throttle = Throttle(clock=clock, entries_max=20)
    for host, name, guessed, later_us in attempts:
        clock.now_us += later_us
        throttle.failed(f"192.0.2.{host}", f"k{name}", guessed=guessed)
        assert 0 <= throttle.wait_us(f"192.0.2.{host}", f"k{name}") <= WAIT_MAX_US
        assert len(throttle) <= 40


def test_thousands_of_failures_are_a_number():
    """The wait is a power of two, which must not be computed before it is bounded."""
    throttle = Throttle(clock=Clock())
    for _ in range(5_000):
        throttle.failed("192.0.2.1", "k", guessed=True)

    assert throttle.wait_us("192.0.2.1", "k") == WAIT_MAX_US


def test_who_has_one_address_of_the_new_kind_has_many():
    """A /64 is one household."""
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("x" * 1_000) == "x" * 64
