"""Latency as two numbers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds that half, and that 99 of 100, stayed below."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> Latency:
        """Summarise times in seconds; there must be at least one."""
        ordered = sorted(times_s)
        return cls(ordered[len(ordered) // 2] * 1e3, ordered[len(ordered) * 99 // 100] * 1e3)
