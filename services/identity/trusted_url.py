"""Addresses that keys may be fetched from."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def check_address(url: str) -> None:
    """Take https, and http to this machine; raises ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username or parts.query or parts.fragment or not host:
        raise ValueError("an address without login, query and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(host)):
        raise ValueError("https, or http to this machine")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
