"""
Slowing: who guesses must wait, longer each time.

Kept in the memory of one process, in tables of a fixed size; the block that lasts is the account's
own, in the log. An attempt counts when it begins, so that a hundred at once are a hundred.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from services.callout.throttle import network_of
from services.variables import Network

ENTRIES_MAX: Final = 10_000
FORGET_S: Final = 900.0


class Patience(msgspec.Struct, frozen=True):
    """After *free* attempts the next waits *first_s*, then twice that, up to *longest_s*."""

    free: int
    first_s: float = 1.0
    longest_s: float = 300.0

    def after(self, attempts: int) -> float:
        """Return how long to wait after so many attempts, in seconds."""
        doublings = attempts - self.free
        if doublings < 0:
            return 0.0
        return min(self.longest_s, self.first_s * 2.0 ** min(doublings, 32))


class _Entry(msgspec.Struct):
    attempts: int
    last_s: float
    until_s: float


class Slowing:
    """
    Attempts by name. *clock_s* is monotonic seconds.

    When the table is full the name that was quiet longest is forgotten: who would use that must
    send ten thousand other names first, and is slowed by address meanwhile.
    """

    def __init__(
        self,
        patience: Patience,
        clock_s: Callable[[], float],
        *,
        entries_max: int = ENTRIES_MAX,
        forget_s: float = FORGET_S,
    ) -> None:
        self._patience = patience
        self._clock_s = clock_s
        self._entries_max = entries_max
        self._forget_s = forget_s
        # The last to be tried stands last.
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def wait_s(self, name: bytes) -> float:
        """Return the seconds until this name may try again; 0: now."""
        entry = self._current(name)
        return 0.0 if entry is None else max(0.0, entry.until_s - self._clock_s())

    def begin(self, name: bytes) -> None:
        """Count an attempt, as one that fails."""
        now_s = self._clock_s()
        entry = self._current(name) or _Entry(0, now_s, now_s)
        entry.attempts += 1
        entry.last_s = now_s
        entry.until_s = now_s + self._patience.after(entry.attempts)
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
            entry.until_s = entry.last_s + self._patience.after(entry.attempts)

    def _current(self, name: bytes) -> _Entry | None:
        entry = self._entries.get(name)
        if entry is not None and self._clock_s() >= max(
            entry.until_s, entry.last_s + self._forget_s
        ):
            del self._entries[name]
            return None
        return entry


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
