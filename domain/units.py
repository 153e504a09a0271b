"""
Units: what calls consume, counted by month and modality.

Everything is in thousandths of the finest grain (see `contracts.usage.Units`), weighed as the
policy says. Every counter has a limit: the policy's quota for the unit that a modality is bought
by, and `COUNTER_MAX` for all others, so that no number ever leaves the range where it is exact.

    Invariant:  a grant leaves committed + held <= limit
"""

from __future__ import annotations

from typing import Final

import msgspec

from contracts.message import Modality
from contracts.usage import Units

MODALITIES: Final[tuple[Modality, ...]] = ("video", "voice", "text", "data")
COUNTER_MAX: Final = 9_000_000_000_000_000


class Counters(msgspec.Struct, array_like=True):
    """One modality in one month."""

    committed_tokens_milli: int = 0
    committed_stream_ms_milli: int = 0
    committed_turns_milli: int = 0
    committed_requests_milli: int = 0
    held_tokens_milli: int = 0
    held_stream_ms_milli: int = 0
    held_turns_milli: int = 0
    held_requests_milli: int = 0


class Limits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far the counters of one modality may go in a month."""

    tokens_milli: int = COUNTER_MAX
    stream_ms_milli: int = COUNTER_MAX
    turns_milli: int = COUNTER_MAX
    requests_milli: int = COUNTER_MAX


def no_counters() -> dict[Modality, Counters]:
    """What a month begins with."""
    return {modality: Counters() for modality in MODALITIES}


def fits(counters: Counters, more: Units, limits: Limits) -> bool:
    """Whether *more* leaves every counter within its limit. What is not asked for always fits."""
    # Most units of most calls are zero; asking that first is what is fast.
    if more.tokens_milli:
        used = counters.committed_tokens_milli + counters.held_tokens_milli
        if used + more.tokens_milli > limits.tokens_milli:
            return False
    if more.stream_ms_milli:
        used = counters.committed_stream_ms_milli + counters.held_stream_ms_milli
        if used + more.stream_ms_milli > limits.stream_ms_milli:
            return False
    if more.turns_milli:
        used = counters.committed_turns_milli + counters.held_turns_milli
        if used + more.turns_milli > limits.turns_milli:
            return False
    if more.requests_milli:
        used = counters.committed_requests_milli + counters.held_requests_milli
        if used + more.requests_milli > limits.requests_milli:
            return False
    return True


def hold(counters: Counters, more: Units) -> None:
    """Count what a grant holds."""
    if more.tokens_milli:
        counters.held_tokens_milli += more.tokens_milli
    if more.stream_ms_milli:
        counters.held_stream_ms_milli += more.stream_ms_milli
    if more.turns_milli:
        counters.held_turns_milli += more.turns_milli
    if more.requests_milli:
        counters.held_requests_milli += more.requests_milli


def settle(counters: Counters, held: Units, used: Units) -> None:
    """Count what a call really used, and no longer what it held."""
    if held.tokens_milli or used.tokens_milli:
        counters.held_tokens_milli -= held.tokens_milli
        counters.committed_tokens_milli += used.tokens_milli
    if held.stream_ms_milli or used.stream_ms_milli:
        counters.held_stream_ms_milli -= held.stream_ms_milli
        counters.committed_stream_ms_milli += used.stream_ms_milli
    if held.turns_milli or used.turns_milli:
        counters.held_turns_milli -= held.turns_milli
        counters.committed_turns_milli += used.turns_milli
    if held.requests_milli or used.requests_milli:
        counters.held_requests_milli -= held.requests_milli
        counters.committed_requests_milli += used.requests_milli


def add(left: Units, right: Units) -> Units:
    """Add units."""
    return Units(
        left.tokens_milli + right.tokens_milli,
        left.stream_ms_milli + right.stream_ms_milli,
        left.turns_milli + right.turns_milli,
        left.requests_milli + right.requests_milli,
    )
