"""
Deadlines: when holds and the leases of sessions run out, earliest first.

A sorted list of (expiry, number), because most holds last equally long and so come at its
end; a heap took a microsecond more for each hold. Closed and extended holds leave entries behind;
the first entry never is such a one, so that "is anything due?", which is asked before every
decision, is one comparison.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec


class Lasting(Protocol):
    """What runs out; microseconds."""

    @property
    def expires_at_us(self) -> int: ...


# By the number of the decision that began it.
Holds: TypeAlias = Mapping[int, Lasting]
Held = TypeVar("Held", bound=Lasting)

NEVER: Final = 9_000_000_000_000_000
_SLACK = 1_000


class State(msgspec.Struct, array_like=True):
    """
    Deadlines in order, from *first* on; what is before it is over.

    *next_us* is when the next open hold runs out.
    """

    entries: list[tuple[int, int]] = []
    first: int = 0
    next_us: int = NEVER


def add(state: State, holds: Holds, expires_at_us: int, reservation: int) -> None:
    """Remember a deadline. Entries left behind are swept when they outnumber the open holds."""
    entries = state.entries
    entry = (expires_at_us, reservation)
    if not entries or entry > entries[-1]:
        entries.append(entry)
    else:
        insort(entries, entry, lo=state.first)
    if expires_at_us < state.next_us:  # noqa: PLR1730 - max() and min() cost four times this
        state.next_us = expires_at_us
    if len(entries) > 2 * len(holds) + _SLACK:
        state.entries = sorted((hold.expires_at_us, number) for number, hold in holds.items())
        state.first = 0


def closed(state: State, holds: Holds, reservation: int) -> None:
    """Restore the rule about the first entry after a hold was closed or extended."""
    entries, first = state.entries, state.first
    if first < len(entries) and entries[first][1] == reservation:
        drop_left_behind(state, holds)


def drop_left_behind(state: State, holds: Holds) -> None:
    """Pass over first entries until one stands for an open hold's own deadline."""
    entries, first = state.entries, state.first
    while first < len(entries):
        expires_at_us, number = entries[first]
        hold = holds.get(number)
        if hold is not None and hold.expires_at_us == expires_at_us:
            state.first, state.next_us = first, expires_at_us
            return
        first += 1
    state.entries, state.first, state.next_us = [], 0, NEVER


def reached(state: State, holds: Mapping[int, Held], now_us: int, at_most: int) -> list[Held]:
    """Return open holds that have run out by *now_us*, earliest first. Takes nothing away."""
    found: list[Held] = []
    for index in range(state.first, len(state.entries)):
        expires_at_us, number = state.entries[index]
        if expires_at_us > now_us or len(found) == at_most:
            break
        hold = holds.get(number)
        if hold is not None and hold.expires_at_us == expires_at_us:
            found.append(hold)
    return found
