"""Which addresses are connected to: none of this machine, its network, or nobody."""

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.knowledge.fetching.public_address import own_addresses, why_not_public

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "192.167.255.255",
    "169.253.255.255",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
]
INTERNAL = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_ones_are_public(text):
    """Also those that stand beside a range that is not."""
    assert why_not_public(ipaddress.ip_address(text)) is None


@pytest.mark.parametrize("text", INTERNAL)
def test_every_other_kind_is_named(text):
    """Each range has a reason, which the person is told."""
    assert why_not_public(ipaddress.ip_address(text))


@given(V4)
def test_what_the_library_calls_special_is_not_public(address):
    """A second opinion on IPv4, for every range that it knows."""
    is_special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or not address.is_global
    )
    assert not is_special or why_not_public(address)


@given(V6)
def test_the_same_of_ipv6(address):
    """Except for the two prefixes that carry IPv4, which are judged by what they carry."""
    assume(address not in MAPPED and address not in NAT64)
    is_special = address.is_private or address.is_multicast or address.is_reserved
    assert not (is_special or not address.is_global) or why_not_public(address)


@given(V4)
def test_what_is_carried_inside_is_judged_like_itself(address):
    """Mapped and NAT64; 6to4 and Teredo are refused whatever they carry."""
    number = int(address)
    for prefix in (MAPPED, NAT64):
        carried = ipaddress.IPv6Address(int(prefix.network_address) | number)
        assert why_not_public(carried) == why_not_public(address)
    assert why_not_public(ipaddress.IPv6Address((0x2002 << 112) | (number << 80)))
    assert why_not_public(ipaddress.IPv6Address((0x20010000 << 96) | (~number & 0xFFFFFFFF)))


def test_this_machine_knows_its_own_addresses():
    """A public address of ours leads to services that listen on every interface."""
    assert ipaddress.ip_address("127.0.0.1") in own_addresses()
