"""The tables of who guesses: fair to who does not, and never larger than they may be."""

from hypothesis import given
from hypothesis import strategies as st

from services.identity.slowing import Patience, Slowing
from tests.http_door.doors import Clock

S = 1_000_000
PATIENCE = Patience(free=3, first_us=S, longest_us=60 * S)


def slowing(clock, **more):
    return Slowing(PATIENCE, clock, **more)


def test_a_few_attempts_are_free_and_then_the_wait_doubles_up_to_a_bound():
    """The numbers that are promised."""
    assert [PATIENCE.after(n) // S for n in range(1, 7)] == [0, 0, 1, 2, 4, 8]
    assert PATIENCE.after(10**9) == 60 * S


def test_who_was_quiet_long_enough_is_forgotten():
    """But not before the wait is over."""
    clock = Clock()
    table = slowing(clock, forget_us=10 * S)
    for _ in range(9):
        table.count(b"a")
    assert table.wait_us(b"a") == 60 * S
    clock.pass_s(59)
    assert table.wait_us(b"a") == S
    clock.pass_s(2)
    table.count(b"a")
    assert table.wait_us(b"a") == 0


def test_one_that_was_right_takes_back_one():
    """Whoever has an account of their own must not wash away what they tried with others."""
    clock = Clock()
    table = slowing(clock)
    for _ in range(4):
        table.count(b"a")
    table.give_back(b"a")
    table.give_back(b"nobody")

    assert table.wait_us(b"a") == S
    table.forget(b"a")
    assert table.wait_us(b"a") == 0


@given(names=st.lists(st.integers(0, 50), max_size=300))
def test_a_table_never_grows_beyond_its_size_and_keeps_who_came_last(names):
    """Whatever comes: memory is not for strangers to use up."""
    table = slowing(Clock(), entries_max=8)
    for name in names:
        table.count(str(name).encode())
        assert len(table) <= 8

    latest = list(dict.fromkeys(reversed(names)))[:8]
    assert len(table) == len(latest)
