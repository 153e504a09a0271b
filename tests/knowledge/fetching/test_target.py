"""An address in its one meaning, or the rule that it breaks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.knowledge.fetching.public_address import why_not_public
from services.knowledge.fetching.target import redirected, target_of
from services.knowledge.problem import IngestionProblem
from tests.knowledge.fetching.names import notations

ADDRESSES = st.ip_addresses(v=4)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://heraldo.example", "https://heraldo.example/"),
        ("HTTPS://Heraldo.Example:443/Nota?id=7#abajo", "https://heraldo.example/Nota?id=7"),
        ("http://heraldo.example.:80/a", "http://heraldo.example/a"),
        ("https://españa.example/año", "https://xn--espaa-rta.example/a%C3%B1o"),
        (
            "https://heraldo.example/a%2Fb%C3%B1?q=x%26y",
            "https://heraldo.example/a%2Fb%C3%B1?q=x%26y",
        ),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]/x", "https://[2606:4700:4700::1111]/x"),
    ],
)
def test_one_meaning_has_one_spelling(text, url):
    """Case, default ports, dots at the end, fragments and international names."""
    assert target_of(text).url == url
    assert target_of(url).url == url


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("ftp://heraldo.example/", "begin with"),
        ("heraldo.example/nota", "begin with"),
        ("https://ana:clave@heraldo.example/", "user name or password"),
        ("https://heraldo.example:8443/", "port 8443 is not allowed for https; allowed: 443"),
        ("https://heraldo.example:080/", "leading zeros"),
        ("https://heraldo.example/una nota", "a space"),
        ("https://", "no host"),
        ("https://intranet/", "inside a network"),
        ("https://db.internal/", "inside a network"),
        ("https://0x7f.1/", "a.b.c.d"),
        ("https://10.1.2.3/", "10.1.2.3 is private"),
        ("https://[fe80::1%25eth0]/", "IPv6"),
        ("https://a_b.example/", "no name of the Internet"),
        ("https://heraldo.example/" + "x" * 2_000, "at most 2000"),
    ],
)
def test_a_refusal_names_the_rule(text, rule):
    """Whoever typed it can put it right."""
    with pytest.raises(IngestionProblem) as caught:
        target_of(text)

    assert caught.value.code == "address_refused"
    assert rule in caught.value.what


def test_a_password_is_not_repeated():
    """The refusal goes into the log."""
    with pytest.raises(IngestionProblem) as caught:
        target_of("https://ana:clave@heraldo.example/")

    assert "clave" not in caught.value.what
    assert "ana" not in caught.value.what


@given(ADDRESSES)
def test_other_notations_of_addresses_are_refused(address):
    """Also of public ones: nobody needs them, and they have hidden the others."""
    for host in notations(address):
        if host != str(address):
            with pytest.raises(IngestionProblem):
                target_of(f"http://{host}/")


@given(ADDRESSES)
def test_a_plain_address_is_taken_exactly_when_it_is_public(address):
    """By the same rule as the addresses that names have; full-width digits are digits."""
    wide = str(address).translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    for host in (str(address), wide, f"{address}.", f"[::ffff:{address}]"):
        try:
            taken = target_of(f"http://{host}/").host
        except IngestionProblem:
            assert why_not_public(address)
        else:
            shown = ipaddress.ip_address(taken)
            assert shown in (address, ipaddress.IPv6Address(f"::ffff:{address}"))
            assert why_not_public(address) is None


@given(st.text(max_size=80).map(lambda text: f"http://{text}") | st.text(max_size=80))
def test_any_text_is_an_address_or_a_refusal(text):
    """Nothing else comes out, and what is taken means the same when it is read again."""
    try:
        target = target_of(text)
    except IngestionProblem as problem:
        assert problem.code == "address_refused"
        assert problem.what.isprintable()
    else:
        assert target_of(target.url) == target


class TestRedirects:
    def test_they_are_read_from_where_one_is(self):
        """Relative ones as well."""
        here = target_of("https://heraldo.example/a/b?c=d")

        assert redirected(here, "../z").url == "https://heraldo.example/z"
        assert redirected(here, "//gazette.example/y").url == "https://gazette.example/y"

    @pytest.mark.parametrize(
        "location",
        ["http://heraldo.example/", "file:///etc/passwd", "http://[", "//10.0.0.1/", "/a\r\nb"],
    )
    def test_they_are_checked_like_what_somebody_typed(self, location):
        """And never lead from a protected connection to one that is not."""
        with pytest.raises(IngestionProblem) as caught:
            redirected(target_of("https://heraldo.example/"), location)

        assert caught.value.code == "address_refused"
