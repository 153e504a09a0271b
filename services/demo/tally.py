"""The tally: what was answered, how fast, and where the money stands."""

from __future__ import annotations

import math
from collections import Counter

import msgspec

from contracts.replies import Decision, Receipt

_GROWTH = math.log(1.01)
_BUCKETS = 2_300  # up to two hours


class Latencies:
    """Counts latencies in buckets that grow by 1 %: bounded memory, percentiles within 1 %."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self.count = 0

    def add(self, us: int) -> None:
        """Count one latency."""
        index = int(math.log(max(1, us)) / _GROWTH)
        self._counts[min(index, _BUCKETS - 1)] += 1
        self.count += 1

    def percentile_us(self, percent: float) -> int | None:
        """Return the latency that *percent* of all do not pass; None when there is none."""
        if not self.count:
            return None
        rank, seen = max(1, math.ceil(self.count * percent / 100)), 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return int(math.exp((index + 1) * _GROWTH))
        raise AssertionError("the buckets add up to the count")


class Money(msgspec.Struct):
    """The latest standing of a twin. Nanos."""

    position: int = 0
    committed: int = 0
    held: int = 0
    limit: int = 0
    remaining: int = 0


class Tally:
    """Counts of one twin."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.stepped_down: Counter[str] = Counter()
        self.latencies = Latencies()
        self.money = Money()
        self.receipts = 0
        self.booked_nanos = 0
        self.unanswered = 0
        self.broken_off = 0

    def decided(self, decision: Decision, latency_us: int) -> None:
        """Count an authorisation that was answered *latency_us* after it was due."""
        self.latencies.add(latency_us)
        self.verdicts[decision.decision] += 1
        if decision.decision == "DENY":
            self.refusals[decision.code] += 1
        elif decision.decision == "DOWNGRADE":
            why = decision.facts.get("stepped_down_for", "")
            self.stepped_down[f"{decision.requested} to {decision.modality}: {why}"] += 1
        self._stands(decision)

    def booked(self, receipt: Receipt) -> None:
        """Count a settlement or release."""
        self.receipts += 1
        self.booked_nanos += receipt.cost_nanos
        self._stands(receipt)

    def _stands(self, reply: Decision | Receipt) -> None:
        # Replies overtake each other; counted refusals have no position.
        if reply.position is None or reply.position < self.money.position:
            return
        self.money = Money(
            reply.position,
            reply.committed_nanos,
            reply.held_nanos,
            reply.limit_nanos,
            reply.remaining_nanos,
        )

    @property
    def decisions(self) -> int:
        """How many authorisations were answered."""
        return sum(self.verdicts.values())
