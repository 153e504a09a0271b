"""
A meter: what one vendor call has consumed, as far as is known.

Vendors report usage at the end of an answer; a call that is cut off reports little or nothing and
is billed all the same. So a call that may have reached the vendor is never booked as free: it owes
the larger of what the vendor reported and what we counted, and when nobody counted, all that was
held for it.
"""

from __future__ import annotations

import msgspec

from contracts.budget import VENDOR_REF_CHARS_MAX, CallOutcome
from contracts.usage import Usage


class Owed(msgspec.Struct, frozen=True):
    """What to settle."""

    usage: Usage
    outcome: CallOutcome
    vendor_ref: str


class Meter:
    """
    Follows one call. *reached* is true from the moment that a byte may have been sent.

    An adapter gets it from a grant, and nowhere else; what sends asks for it.
    """

    def __init__(self, limits: Usage) -> None:
        self.limits = limits
        self.reached = False
        self.vendor_ref = ""
        self._counted: Usage | None = None
        self._reported = Usage()
        self._final: CallOutcome | None = None

    @property
    def so_far(self) -> Usage:
        """What the vendor has reported so far."""
        return self._reported

    @property
    def is_final(self) -> bool:
        """Whether the vendor has said, in full, what it bills."""
        return self._final is not None

    def sending(self) -> None:
        """Note that bytes may leave from now on."""
        self.reached = True

    def extended(self, limits: Usage) -> None:
        """More may be consumed, by *limits*."""
        self.limits = plus(self.limits, limits)

    def counted(self, so_far: Usage) -> None:
        """Note our own count of what the call has consumed so far."""
        self._counted = so_far

    def reported(self, so_far: Usage, vendor_ref: str = "") -> None:
        """Note the vendor's count of what the call has consumed so far."""
        self._reported = so_far
        self.vendor_ref = _bookable(vendor_ref) or self.vendor_ref

    def completed(self, usage: Usage, vendor_ref: str = "") -> None:
        """The vendor answered in full; *usage* is what it bills."""
        self.reported(usage, vendor_ref)
        self._final = "completed"

    def failed(self, usage: Usage, vendor_ref: str = "") -> None:
        """The vendor answered that it failed; *usage* is what it bills for that."""
        self.reported(usage, vendor_ref)
        self._final = "failed"

    def ended(self, usage: Usage, vendor_ref: str = "") -> None:
        """A call whose answer was lost is known to have ended; *usage* is what it cost."""
        self.reported(usage, vendor_ref)
        self._final = "cut_off"

    def owed(self) -> Owed:
        """What to settle for a call that has ended in whatever way."""
        if self._final is not None:
            return Owed(self._reported, self._final, self.vendor_ref)
        ours = self.limits if self._counted is None else self._counted
        usage = larger(self._reported, ours)
        # An answer that was cut off is no successful turn.
        return Owed(msgspec.structs.replace(usage, turns=0), "cut_off", self.vendor_ref)


def _bookable(vendor_ref: str) -> str:
    """A vendor's name of a call as far as it fits: what was consumed is booked in any case."""
    shown = "".join(char if char.isprintable() else "?" for char in vendor_ref)
    return shown[:VENDOR_REF_CHARS_MAX]


def plus(left: Usage, right: Usage) -> Usage:
    """Add quantity by quantity."""
    return Usage(*(a + b for a, b in _pairs(left, right)))


def larger(left: Usage, right: Usage) -> Usage:
    """Take the larger of each quantity."""
    return Usage(*(max(a, b) for a, b in _pairs(left, right)))


def _pairs(left: Usage, right: Usage) -> list[tuple[int, int]]:
    ones, others = msgspec.structs.astuple(left), msgspec.structs.astuple(right)
    return list(zip(ones, others, strict=True))
