"""
Origins: which web pages may embed a twin, spelled exactly as browsers spell them.

A browser sends `scheme://host[:port]` with the host in lower-case ASCII and without the port that
the scheme has anyway. An origin of a list is brought into that form once, when it is set; from then
on it is compared byte for byte. Nothing is guessed: what could mean two things is refused.
"""

from __future__ import annotations

import re
import string
from typing import Final, NamedTuple

import idna

_OURS: Final = "localhost"
_PORTS: Final = {"https": 443, "http": 80}
_PORT_MAX: Final = 65_535
_HOST_MAX: Final = 253
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_split = re.compile(r"(https?)://(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_port = re.compile(r"[1-9][0-9]{0,4}").fullmatch
# What browsers read as an IPv4 address, in whatever notation.
_number = re.compile(r"([0-9]+|0x[0-9a-f]*)").fullmatch


class NotAnOrigin(NamedTuple):
    """The rule that a text breaks."""

    rule: str


def parse(text: str) -> str | NotAnOrigin:
    """Return an origin in the one form that browsers send, or the rule that it breaks."""
    found = _split(text)
    if found is None:
        return NotAnOrigin("begins with https:// (or http://localhost)")
    scheme, rest = found.group(1).lower(), found.group(2)
    broken = _forbidden(rest)
    if broken is not None:
        return NotAnOrigin(broken)
    host, colon, port = rest.partition(":")
    if colon and (_port(port) is None or int(port) > _PORT_MAX):
        return NotAnOrigin("a port is a number from 1 to 65535 without leading zeros")
    name = _ascii(host)
    if isinstance(name, NotAnOrigin):
        return name
    if scheme == "http" and name != _OURS:
        return NotAnOrigin("https only; http is for localhost")
    if not port or int(port) == _PORTS[scheme]:
        return f"{scheme}://{name}"
    return f"{scheme}://{name}:{port}"


def _forbidden(rest: str) -> str | None:
    """Say what stands behind the scheme that an origin does not have."""
    if "@" in rest:
        return "no user name and no password"
    if any(mark in rest for mark in "/\\?#"):
        return "no path, query or fragment: it ends after the host and port, without a slash"
    if "*" in rest:
        return "no wildcards: name every host"
    if "[" in rest or "]" in rest:
        return "a host name and no address"
    if any(letter.isspace() or not letter.isprintable() for letter in rest):
        return "no spaces and no invisible characters"
    return None


def _ascii(host: str) -> str | NotAnOrigin:
    """Return a host name as it is resolved: lower case, international names as `xn--...`."""
    if not host or host.endswith("."):
        return NotAnOrigin("a whole host name, without a dot at its end")
    try:
        # Only what RFC 5891 allows as it stands: a mapping would make one name of two.
        name = idna.encode(host.translate(_LOWER), strict=True).decode()
    except UnicodeError:
        return NotAnOrigin(
            "a host name of letters, digits and hyphens (international ones as RFC 5891 allows"
            " them: lower case, composed, no symbols)"
        )
    if len(name) > _HOST_MAX or _number(name.rpartition(".")[2]) is not None:
        return NotAnOrigin("a host name of at most 253 characters and no address")
    return name
