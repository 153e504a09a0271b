"""Whom a request comes from: nobody but our own proxies is believed about that."""

from types import SimpleNamespace

import pytest

from services.http_door.address import address_of
from services.settings import Settings


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
