"""
Which IP addresses belong to others, and which to this machine, its network, or nobody.

From IANA's registries of special-purpose addresses (RFC 6890, read 2026-11-22), as a list of our
own: `ipaddress.is_global` has changed its mind between releases of Python.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, TypeAlias

import psutil

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_V4: Final[tuple[tuple[str, str], ...]] = (
    ("0.0.0.0/8", "of this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "of a carrier's own network"),
    ("127.0.0.0/8", "of this machine"),
    # 169.254.169.254 is where clouds tell a machine its credentials.
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "for documentation"),
    ("192.31.196.0/24", "reserved"),
    ("192.52.193.0/24", "reserved"),
    ("192.88.99.0/24", "reserved"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "reserved"),
    ("198.18.0.0/15", "for benchmarks"),
    ("198.51.100.0/24", "for documentation"),
    ("203.0.113.0/24", "for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    # Looks public, and answers inside every machine of one cloud.
    ("168.63.129.16/32", "of a cloud's own services"),
)
# Of IPv6 only this is given out to anybody; within it:
_V6_GIVEN_OUT: Final = ipaddress.IPv6Network("2000::/3")
_V6: Final[tuple[tuple[str, str], ...]] = (
    # Teredo carries IPv4 inside; nobody serves pages there. The rest are protocols'.
    ("2001::/23", "reserved"),
    ("2001:db8::/32", "for documentation"),
    # 6to4 carries IPv4 inside, and was given up in 2015 (RFC 7526).
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "reserved"),
    ("3ffe::/16", "reserved"),
    ("3fff::/20", "for documentation"),
)
# A network without IPv4 reaches public IPv4 through this prefix (RFC 6052).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_V4_NETWORKS: Final = tuple((ipaddress.IPv4Network(net), what) for net, what in _V4)
_V6_NETWORKS: Final = tuple((ipaddress.IPv6Network(net), what) for net, what in _V6)


def why_not_public(address: Address) -> str | None:
    """Say what *address* is instead of public; None if it is one that others serve pages on."""
    if isinstance(address, ipaddress.IPv4Address):
        return next((what for net, what in _V4_NETWORKS if address in net), None)
    if address.ipv4_mapped is not None:
        return why_not_public(address.ipv4_mapped)
    if address in _NAT64:
        return why_not_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if address not in _V6_GIVEN_OUT:
        return "not public"
    return next((what for net, what in _V6_NETWORKS if address in net), None)


def own_addresses() -> frozenset[Address]:
    """The addresses of this machine: also a public one of them leads to our own services."""
    return frozenset(
        ipaddress.ip_address(one.address.partition("%")[0])
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in (socket.AF_INET, socket.AF_INET6)
    )
