"""
An address that somebody typed or a page redirects to, in its one meaning; or why it is refused.

What two programs could read differently is refused and not guessed. Even so this is the outer gate
only: what counts is the IP address that is connected to, and `safe_http` looks at that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

import idna
import msgspec
from yarl import URL

from services.knowledge.fetching.public_address import Address, why_not_public
from services.knowledge.problem import IngestionProblem

Ports = Mapping[str, frozenset[int]]

PORTS: Final[Ports] = {"https": frozenset({443}), "http": frozenset({80})}
DEFAULT_PORTS: Final = {"https": 443, "http": 80}
CHARS_MAX: Final = 2_000
HOST_CHARS_MAX: Final = 253
SHOWN_CHARS: Final = 200
# Names that mean something inside a network only, whatever a name server says.
INTERNAL_NAMES: Final = ("localhost", "local", "internal", "home.arpa", "arpa", "onion")
# What a URL never has unquoted, and what some programs read as something else.
_forbidden = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"^`{|}\u200b-\u200f\u2028-\u202e\ufeff]").search
# What browsers read as an IPv4 address, in whatever notation.
_number = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*").fullmatch
_port = re.compile(r"[1-9][0-9]{0,4}").fullmatch


class Target(msgspec.Struct, frozen=True):
    """Where to connect to, and what to ask for there. *host* is ASCII, without a dot at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL: the port only where it is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.scheme}://{self.authority}{self.path}"


def target_of(text: str, ports: Ports = PORTS) -> Target:
    """Read an address; raises IngestionProblem `address_refused` with the rule that it breaks."""
    if len(text) > CHARS_MAX:
        raise refused(text, f"an address has at most {CHARS_MAX} characters")
    if _forbidden(text) is not None:
        raise refused(text, "it has a space, a backslash or another character that no address has")
    try:
        parts = urlsplit(text)
    except ValueError as problem:
        raise refused(text, "it cannot be read; copy it from the browser") from problem
    scheme = parts.scheme.lower()
    if scheme not in ports:
        raise refused(text, f"it must begin with {' or '.join(f'{one}://' for one in ports)}")
    if "@" in parts.netloc:
        raise refused(text, "it has a user name or password in it; leave that out")
    host, port = _authority(text, parts.netloc, scheme)
    if port not in ports[scheme]:
        allowed = ", ".join(str(one) for one in sorted(ports[scheme]))
        raise refused(text, f"port {port} is not allowed for {scheme}; allowed: {allowed}")
    return Target(scheme, host, port, _path(text, parts.path, parts.query))


def redirected(target: Target, location: str, ports: Ports = PORTS) -> Target:
    """Where *target* leads on to; raises IngestionProblem like `target_of`."""
    if _forbidden(location) is not None or len(location) > CHARS_MAX:
        raise refused(location, f"{target.host} leads on to an address that cannot be read")
    try:
        joined = urljoin(target.url, location)
    except ValueError as problem:
        raise refused(location, "it cannot be read") from problem
    onward = target_of(joined, ports)
    if target.scheme == "https" and onward.scheme == "http":
        raise refused(
            onward.url, f"{target.host} leads from https to http; add that address if you trust it"
        )
    return onward


def refused(text: str, why: str) -> IngestionProblem:
    """The problem of an address, which is shown as far as it is printable."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:SHOWN_CHARS])
    # What stands before an @ may be a password.
    shown = re.sub(r"//[^/?#]*@", "//…@", shown)
    return IngestionProblem("address_refused", f"The address {shown} is refused: {why}.")


def _authority(text: str, netloc: str, scheme: str) -> tuple[str, int]:
    if netloc.startswith("["):
        host, closed, rest = netloc[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise refused(text, "the address in brackets cannot be read")
        name, port = _v6(text, host), rest[1:]
    else:
        host, _, port = netloc.partition(":")
        name = _name(text, host)
    if not port:
        return name, DEFAULT_PORTS[scheme]
    if _port(port) is None:
        raise refused(text, "a port is a number without leading zeros")
    return name, int(port)


def _v6(text: str, host: str) -> str:
    try:
        # A zone (fe80::1%eth0) names an interface of this machine.
        address = ipaddress.IPv6Address(host) if "%" not in host else None
    except ValueError:
        address = None
    if address is None:
        raise refused(text, "what stands in brackets is no IPv6 address")
    return str(_public(text, address))


def _name(text: str, host: str) -> str:
    """A host name as it is resolved; a dotted address as it is."""
    if not host.strip("."):
        raise refused(text, "it has no host")
    try:
        # As browsers do it: also full-width digits and dots become what they look like.
        plain = idna.encode(host, uts46=True, std3_rules=True).decode()
    except UnicodeError as problem:
        raise refused(text, "its host is no name of the Internet") from problem
    plain = plain.removesuffix(".")
    if len(plain) > HOST_CHARS_MAX:
        raise refused(text, f"a host has at most {HOST_CHARS_MAX} characters")
    if _number(plain.rpartition(".")[2]) is not None:
        return _v4(text, plain)
    if "." not in plain or any(plain == one or plain.endswith(f".{one}") for one in INTERNAL_NAMES):
        raise refused(text, f"{plain} is a name inside a network; only public ones are fetched")
    return plain


def _v4(text: str, host: str) -> str:
    try:
        # Only a.b.c.d: octal, hexadecimal, and shortened ones have been used to hide addresses.
        address = ipaddress.IPv4Address(host)
    except ValueError as problem:
        raise refused(text, "write a numeric address as a.b.c.d, or use a name") from problem
    return str(_public(text, address))


def _public(text: str, address: Address) -> Address:
    why = why_not_public(address)
    if why is not None:
        raise refused(text, f"{address} is {why}; only public addresses are fetched")
    return address


def _path(text: str, path: str, query: str) -> str:
    """Path and query, quoted where somebody typed what must be; the fragment is the browser's."""
    try:
        quoted = URL(f"https://a.example{path or '/'}" + (f"?{query}" if query else ""))
    except ValueError as problem:
        raise refused(text, "its path cannot be read") from problem
    return quoted.raw_path_qs
