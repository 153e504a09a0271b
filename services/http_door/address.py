"""Where a request comes from, for who is slowed down because of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from services.identity.slowing import network_of
from services.variables import Network


def address_of(request: web.BaseRequest, proxies: Sequence[Network]) -> str:
    """
    Return whom to slow: the address that the connection comes from, of IPv6 the site of it.

    Behind one of our own *proxies* it is the last address in X-Forwarded-For that is none of them;
    anybody else may write into that header what they like.
    """
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop]
    address = request.remote or ""
    while hops and _is_within(address, proxies):
        address = hops.pop()
    return network_of(address)


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(known in network for network in networks)
