"""
Slowing: who guesses must wait, longer each time.

Kept in the memory of one process, in tables of a fixed size; the block that lasts is the account's
own, in the log. The bus counts an attempt when it has failed; signing in counts it when it begins,
so that a hundred at once are a hundred, and takes back one that was right.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

ENTRIES_MAX: Final = 10_000
FIRST_WAIT_US: Final = 1_000_000
WAIT_MAX_US: Final = 300_000_000
FORGOTTEN_AFTER_US: Final = 900_000_000
# 2^32 of any first wait pass the longest; so no million attempts make a number of them.
_DOUBLINGS_MAX: Final = 32


class Patience(msgspec.Struct, frozen=True):
    """After *free* attempts the next waits *first_us*, then twice that, up to *longest_us*."""

    free: int
    first_us: int = FIRST_WAIT_US
    longest_us: int = WAIT_MAX_US

    def after(self, attempts: int) -> int:
        """Return how long to wait after so many attempts, in microseconds."""
        doublings = attempts - self.free
        if doublings < 0:
            return 0
        return min(self.longest_us, self.first_us << min(doublings, _DOUBLINGS_MAX))


class _Entry(msgspec.Struct):
    attempts: int
    last_us: int
    until_us: int


class Slowing:
    """
    Attempts by name. *clock*: microseconds, of any beginning.

    When the table is full the name that was quiet longest is forgotten: who would use that must
    send ten thousand other names first, and is slowed by address meanwhile.
    """

    def __init__(
        self,
        patience: Patience,
        clock: Callable[[], int],
        *,
        entries_max: int = ENTRIES_MAX,
        forget_us: int = FORGOTTEN_AFTER_US,
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._entries_max = entries_max
        self._forget_us = forget_us
        # The last to be tried stands last.
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def wait_us(self, name: bytes) -> int:
        """Return the microseconds until this name may try again; 0: now."""
        entry = self._current(name)
        return 0 if entry is None else max(0, entry.until_us - self._clock())

    def count(self, name: bytes) -> None:
        """Count an attempt, as one that fails."""
        now_us = self._clock()
        entry = self._current(name) or _Entry(0, now_us, now_us)
        entry.attempts += 1
        entry.last_us = now_us
        entry.until_us = now_us + self._patience.after(entry.attempts)
        self._entries[name] = entry
        self._entries.move_to_end(name)
        while len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)

    def forget(self, name: bytes) -> None:
        """Start anew: it was really them."""
        self._entries.pop(name, None)

    def give_back(self, name: bytes) -> None:
        """Take one attempt back: it was right, which says nothing of those before it."""
        entry = self._current(name)
        if entry is not None:
            entry.attempts -= 1
            entry.until_us = entry.last_us + self._patience.after(entry.attempts)

    def _current(self, name: bytes) -> _Entry | None:
        entry = self._entries.get(name)
        if entry is not None and self._clock() >= max(
            entry.until_us, entry.last_us + self._forget_us
        ):
            del self._entries[name]
            return None
        return entry


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
