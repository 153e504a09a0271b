"""Origins: one spelling for each, the browser's, and a rule for everything else."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.origin import NotAnOrigin, parse


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://WWW.Example.COM", "https://www.example.com"),
        ("https://example.com:443", "https://example.com"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("https://example.com:80", "https://example.com:80"),
        ("https://fútbol.mx", "https://xn--ftbol-7ua.mx"),
        ("https://xn--ftbol-7ua.mx", "https://xn--ftbol-7ua.mx"),
        ("https://XN--FTBOL-7UA.mx", "https://xn--ftbol-7ua.mx"),
        # Not strasse.de, which is somebody else's.
        ("https://straße.de", "https://xn--strae-oqa.de"),
        ("https://عربي.example", "https://xn--ngbrx4e.example"),
        ("https://intranet", "https://intranet"),
        ("https://1x.example", "https://1x.example"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:80", "http://localhost"),
        ("http://LocalHost:3000", "http://localhost:3000"),
        ("https://localhost:443", "https://localhost"),
        ("https://" + "a" * 63 + ".example", "https://" + "a" * 63 + ".example"),
    ],
)
def test_an_origin_is_spelled_as_browsers_spell_it(typed, origin):
    """It is compared with their header byte for byte, so it must be written like it."""
    assert parse(typed) == origin


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "begins with https://"),
        ("null", "begins with https://"),
        ("example.com", "begins with https://"),
        ("//example.com", "begins with https://"),
        ("ftp://example.com", "begins with https://"),
        ("javascript:alert(1)", "begins with https://"),
        (" https://example.com", "begins with https://"),
        ("https:/example.com", "begins with https://"),
        ("http://example.com", "https only"),
        ("http://127.0.0.1", "no address"),
        ("http://localhost.example.com", "https only"),
        ("https://*.example.com", "no wildcards"),
        ("https://*", "no wildcards"),
        ("https://example.com/", "without a slash"),
        ("https://example.com/path", "no path"),
        ("https://example.com?a=b", "no path"),
        ("https://example.com#a", "no path"),
        ("https://example.com\\@evil.example", "no user name"),
        ("https://example.com\\evil", "no path"),
        ("https://user@example.com", "no user name"),
        ("https://user:password@example.com", "no user name"),
        ("https://example.com:", "a port is"),
        ("https://example.com:0", "a port is"),
        ("https://example.com:0443", "a port is"),
        ("https://example.com:65536", "a port is"),
        ("https://example.com:99999999999999999999", "a port is"),
        ("https://example.com:٣", "a port is"),
        ("https://example.com:+1", "a port is"),
        ("https://example.com:1:2", "a port is"),
        ("https://", "a whole host name"),
        ("https://:8443", "a whole host name"),
        ("https://example.com.", "a whole host name"),
        ("https://.example.com", "letters, digits and hyphens"),
        ("https://exa..mple.com", "letters, digits and hyphens"),
        ("https://exa_mple.com", "letters, digits and hyphens"),
        ("https://-example.com", "letters, digits and hyphens"),
        ("https://example-.com", "letters, digits and hyphens"),
        ("https://ab--cd.com", "letters, digits and hyphens"),
        ("https://xn--zzzzzz.com", "letters, digits and hyphens"),
        ("https://" + "a" * 64 + ".com", "letters, digits and hyphens"),
        ("https://" + "a." * 140 + "com", "letters, digits and hyphens"),
        ("https://FÚTBOL.mx", "letters, digits and hyphens"),
        ("https://fu\u0301tbol.mx", "letters, digits and hyphens"),
        ("https://☃.com", "letters, digits and hyphens"),
        ("https://example\uff0ecom", "letters, digits and hyphens"),
        ("https://example\u3002com", "letters, digits and hyphens"),
        ("https://ｅxample.com", "letters, digits and hyphens"),  # noqa: RUF001
        ("https://<script>.com", "letters, digits and hyphens"),
        ('https://a"b.com', "letters, digits and hyphens"),
        ("https://exam%70le.com", "letters, digits and hyphens"),
        ("https://192.0.2.1", "no address"),
        ("https://3221225985", "no address"),
        ("https://0x7f.1", "no address"),
        ("https://a.0x7F", "no address"),
        ("https://[::1]", "no address"),
        ("https://exam ple.com", "no spaces"),
        ("https://example.com\n", "no spaces"),
        ("https://exam\tple.com", "no spaces"),
        ("https://exam\0ple.com", "no spaces"),
        ("https://exam\u200bple.com", "no spaces"),
        ("https://exam\u202eple.com", "no spaces"),
        ("https://exam\ud800ple.com", "no spaces"),
        ("https://" + "é" * 290, "letters, digits and hyphens"),
    ],
)
def test_what_is_no_exact_origin_is_refused_with_the_rule(text, rule):
    """Whoever sets up a list must learn what to type, and nobody may widen it by a trick."""
    found = parse(text)

    assert isinstance(found, NotAnOrigin), found
    assert rule in found.rule


LETTERS = st.text("aZ1-._:@/é*ß0x[]n ", max_size=14)


@given(text=st.one_of(LETTERS, st.text(max_size=30)), scheme=st.sampled_from(["https", "http"]))
@example("a.b", "https")
def test_what_is_accepted_means_one_place_and_stays_as_it_is(text, scheme):
    """
    Goal: an accepted origin is ASCII, has a host and nothing else, and is its own normal form.
    Method: random texts behind a scheme, read again by the parser of the standard library.
    """
    found = parse(f"{scheme}://{text}")
    if isinstance(found, NotAnOrigin):
        return
    url = urlsplit(found)

    assert parse(found) == found
    assert found.isascii()
    assert found == f"{url.scheme}://{url.netloc}"
    assert url.netloc == (url.hostname if url.port is None else f"{url.hostname}:{url.port}")
    assert url.scheme == "https" or url.hostname == "localhost"
    assert url.port not in {0, {"https": 443, "http": 80}[url.scheme]}
