"""
Whoever guesses waits: failed logins slow down who made them, and nobody else.

Two counts, for an address with one name (a key id) and for an address with any name. A few
failures are free; then each one more closes the door for twice as long. What comes while it is
closed is refused unread and counts for nothing, so a client that knocks all the time gets its one
try when the time is over. Both tables are bounded: the oldest entries give way.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

import msgspec

ENTRIES_MAX: Final = 10_000
FREE_PER_NAME: Final = 5
FREE_PER_HOST: Final = 20
FIRST_WAIT_US: Final = 1_000_000
WAIT_MAX_US: Final = 300_000_000
FORGOTTEN_AFTER_US: Final = 900_000_000


class _Entry(msgspec.Struct):
    failures: int
    last_us: int
    closed_until_us: int


class _Table:
    def __init__(self, free: int, entries_max: int) -> None:
        self._free = free
        self._entries_max = entries_max
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def wait_us(self, who: Hashable, now_us: int) -> int:
        entry = self._entries.get(who)
        return 0 if entry is None else max(0, entry.closed_until_us - now_us)

    def failed(self, who: Hashable, now_us: int) -> None:
        entry = self._entries.pop(who, None)
        if entry is None or now_us - entry.last_us > FORGOTTEN_AFTER_US:
            entry = _Entry(0, now_us, 0)
        entry.failures += 1
        entry.last_us = now_us
        over = entry.failures - self._free
        if over > 0:
            # The exponent is bounded first: a million failures must not make a number of them.
            wait_us = min(FIRST_WAIT_US << min(over - 1, 32), WAIT_MAX_US)
            entry.closed_until_us = now_us + wait_us
        self._entries[who] = entry
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)

    def forget(self, who: Hashable) -> None:
        self._entries.pop(who, None)


class Throttle:
    """Counts failed logins. *clock*: microseconds, of any beginning."""

    def __init__(self, *, clock: Callable[[], int], entries_max: int = ENTRIES_MAX) -> None:
        self._clock = clock
        self._names = _Table(FREE_PER_NAME, entries_max)
        self._hosts = _Table(FREE_PER_HOST, entries_max)

    def __len__(self) -> int:
        return len(self._names) + len(self._hosts)

    def wait_us(self, host: str, name: str) -> int:
        """How long this address must wait before it may try this name; 0: it may try now."""
        now_us, host = self._clock(), network_of(host)
        return max(self._names.wait_us((host, name), now_us), self._hosts.wait_us(host, now_us))

    def failed(self, host: str, name: str, *, guessed: bool) -> None:
        """Count a failure; *guessed*: the secret itself was wrong, so the address is suspect."""
        now_us, host = self._clock(), network_of(host)
        self._names.failed((host, name), now_us)
        if guessed:
            self._hosts.failed(host, now_us)

    def succeeded(self, host: str, name: str) -> None:
        """Forget the failures with this name, but not those of the address."""
        self._names.forget((network_of(host), name))


def network_of(host: str) -> str:
    """Whoever has one IPv6 address has 2^64 of them; they count as one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
