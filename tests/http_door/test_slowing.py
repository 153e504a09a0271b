"""The tables of who guesses: fair to who does not, and never larger than they may be."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http_door.slowing import Patience, Slowing, address_of
from services.settings import Settings
from tests.http_door.doors import Clock

PATIENCE = Patience(free=3, first_s=1.0, longest_s=60.0)


def slowing(clock, **more):
    return Slowing(PATIENCE, lambda: clock.now_s, **more)


def test_a_few_attempts_are_free_and_then_the_wait_doubles_up_to_a_bound():
    """The numbers that are promised."""
    assert [PATIENCE.after(n) for n in range(1, 7)] == [0, 0, 1, 2, 4, 8]
    assert PATIENCE.after(10**9) == 60.0


def test_who_was_quiet_long_enough_is_forgotten():
    """But not before the wait is over."""
    clock = Clock()
    table = slowing(clock, forget_s=10)
    for _ in range(9):
        table.begin(b"a")
    assert table.wait_s(b"a") == 60.0
    clock.pass_s(59)
    assert 0 < table.wait_s(b"a") <= 1.01
    clock.pass_s(2)
    table.begin(b"a")
    assert table.wait_s(b"a") == 0


def test_one_that_was_right_takes_back_one():
    """Whoever has an account of their own must not wash away what they tried with others."""
    clock = Clock()
    table = slowing(clock)
    for _ in range(4):
        table.begin(b"a")
    table.give_back(b"a")
    table.give_back(b"nobody")

    assert table.wait_s(b"a") == 1.0
    table.forget(b"a")
    assert table.wait_s(b"a") == 0


@given(names=st.lists(st.integers(0, 50), max_size=300))
def test_a_table_never_grows_beyond_its_size_and_keeps_who_came_last(names):
    """Whatever comes: memory is not for strangers to use up."""
    table = slowing(Clock(), entries_max=8)
    for name in names:
        table.begin(str(name).encode())
        assert len(table) <= 8

    latest = list(dict.fromkeys(reversed(names)))[:8]
    assert len(table) == len(latest)


def request(remote, forwarded=None):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return SimpleNamespace(remote=remote, headers=headers)


PROXIES = Settings.from_env({"VITO_API_PROXIES": "10.0.0.0/8, 192.168.0.7"}).api_proxies


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("1.2.3.4", None, "1.2.3.4"),
        ("1.2.3.4", "9.9.9.9", "1.2.3.4"),
        ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "8.8.8.8, 9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "9.9.9.9, 192.168.0.7", "9.9.9.9"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
    ],
)
def test_an_address_is_that_of_the_connection_or_what_a_proxy_of_ours_says(
    remote, forwarded, address
):
    """Anybody can write into the header; only our own proxies are believed."""
    assert address_of(request(remote, forwarded), PROXIES) == address


def test_nobody_gets_around_it_by_writing_nonsense():
    """One name for all of it."""
    assert address_of(request("10.0.0.1", "x" * 5_000), PROXIES) == "x" * 64
