"""
Whoever guesses waits: failed logins slow down who made them, and nobody else.

Two counts, for an address with one name (a key id) and for an address with any name. A few
failures are free; then each one more closes the door for twice as long. What comes while it is
closed is refused unread and counts for nothing, so a client that knocks all the time gets its one
try when the time is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.identity.slowing import ENTRIES_MAX, Patience, Slowing, network_of

FREE_PER_NAME: Final = 5
FREE_PER_HOST: Final = 20


class Throttle:
    """Counts failed logins. *clock*: microseconds, of any beginning."""

    def __init__(self, *, clock: Callable[[], int], entries_max: int = ENTRIES_MAX) -> None:
        # The failures themselves are free, so it is the one after them that makes wait.
        names, hosts = Patience(FREE_PER_NAME + 1), Patience(FREE_PER_HOST + 1)
        self._names = Slowing(names, clock, entries_max=entries_max)
        self._hosts = Slowing(hosts, clock, entries_max=entries_max)

    def __len__(self) -> int:
        return len(self._names) + len(self._hosts)

    def wait_us(self, host: str, name: str) -> int:
        """How long this address must wait before it may try this name; 0: it may try now."""
        network = network_of(host)
        by_name = self._names.wait_us(_with(network, name))
        return max(by_name, self._hosts.wait_us(network.encode()))

    def failed(self, host: str, name: str, *, guessed: bool) -> None:
        """Count a failure; *guessed*: the secret itself was wrong, so the address is suspect."""
        network = network_of(host)
        self._names.count(_with(network, name))
        if guessed:
            self._hosts.count(network.encode())

    def succeeded(self, host: str, name: str) -> None:
        """Forget the failures with this name, but not those of the address."""
        self._names.forget(_with(network_of(host), name))


def _with(network: str, name: str) -> bytes:
    return f"{network}\n{name}".encode()
