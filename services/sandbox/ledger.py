"""
The ledger: what was asked of each vendor, how it answered, and what it would bill.

A vendor's usage of a call may become known later (a conversation is billed when it ends), so the
module that counts keeps the call and sets its usage then. Kept are the last `CALLS_KEPT` calls;
counters and bills are of all there were.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

import msgspec

from contracts.usage import Usage
from services.client.meter import plus

CALLS_KEPT = 100_000


class Call(msgspec.Struct, kw_only=True):
    """
    One request that a vendor would count.

    *status* is that of the answer, or 0 when the connection was cut. *ref* is the vendor's own name
    for what it made, *named* the one that the caller gave it, where the vendor lets them give one.
    *usage* is what it bills if *is_billed*.
    """

    number: int
    vendor: str
    operation: str
    at_us: int
    key_last_four: str = ""
    ref: str = ""
    named: str = ""
    status: int = 0
    is_billed: bool = False
    usage: Usage = Usage()


class Count(msgspec.Struct, frozen=True):
    """How many calls a vendor answered in one way."""

    vendor: str
    operation: str
    status: int
    calls: int


class Ledger:
    """The calls, in the order in which they came."""

    def __init__(self, calls_kept: int = CALLS_KEPT) -> None:
        self._calls: deque[Call] = deque(maxlen=calls_kept)
        self._counts: Counter[tuple[str, str, int]] = Counter()
        # What left the deque stays in the sums.
        self._left: dict[str, Usage] = {}
        self.total = 0

    def open(self, vendor: str, operation: str, at_us: int) -> Call:
        """Begin a call; it is in the ledger from now on."""
        if len(self._calls) == self._calls.maxlen:
            self._drop(self._calls[0])
        self.total += 1
        call = Call(number=self.total, vendor=vendor, operation=operation, at_us=at_us)
        self._calls.append(call)
        return call

    def close(self, call: Call, status: int) -> None:
        """The call was answered with *status*; 0: the connection was cut."""
        call.status = status
        self._counts[call.vendor, call.operation, status] += 1

    def calls(self, vendor: str = "", operation: str = "", since: int = 0) -> Iterator[Call]:
        """The kept calls with a number above *since*, oldest first."""
        for call in self._calls:
            wanted = vendor in ("", call.vendor) and operation in ("", call.operation)
            if wanted and call.number > since:
                yield call

    def counters(self) -> list[Count]:
        """How often each vendor answered how, of all calls there were."""
        return [Count(*key, calls) for key, calls in sorted(self._counts.items())]

    def count(self, vendor: str, operation: str = "") -> int:
        """How many calls of *vendor* were answered in whatever way."""
        return sum(
            calls
            for (of, what, _), calls in self._counts.items()
            if of == vendor and operation in ("", what)
        )

    def bill(self, vendor: str) -> Usage:
        """What *vendor* bills in all."""
        total = self._left.get(vendor, Usage())
        for call in self.calls(vendor):
            total = plus(total, call.usage) if call.is_billed else total
        return total

    def bills(self, vendor: str) -> dict[str, Usage]:
        """What *vendor* bills by the name of what it made, of the kept calls."""
        found: dict[str, Usage] = {}
        for call in self.calls(vendor):
            if call.is_billed:
                found[call.ref] = plus(found.get(call.ref, Usage()), call.usage)
        return found

    def _drop(self, call: Call) -> None:
        if call.is_billed:
            self._left[call.vendor] = plus(self._left.get(call.vendor, Usage()), call.usage)
