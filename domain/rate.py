"""
Rate: a leaky bucket (GCRA) in integer microseconds.

One number is kept: *tat_us*, the theoretical arrival time, when the bucket will have leaked empty.

    interval  T   = period / requests, rounded up to a whole microsecond (never too generous)
    burst     B   = calls that may start back to back
    start         = max(now, tat - (B-1) x T)     the earliest start that conforms
    delay         = start - now                   0: PASS; within the buffer: THROTTLE

    Invariant: any window of W microseconds sees at most B + W / T calls start.

A refused call does not change the bucket, and time never runs backwards here: the caller gives
the larger of its clock and the last event's time.
"""

from __future__ import annotations

import msgspec

from contracts.budget import CallAuthorized
from contracts.policy import RatePolicy


class State(msgspec.Struct, array_like=True):
    """The whole bucket. Microseconds since the epoch; 0 is an empty bucket."""

    tat_us: int = 0


class Slot(msgspec.Struct, frozen=True, gc=False):
    """
    When a call may start.

    *fits* is false when its *delay_us* passes the buffer; then *retry_after_us* is the exact time
    after which the same call fits (one microsecond earlier it does not).
    """

    fits: bool
    delay_us: int
    tat_us: int
    retry_after_us: int


def interval_us(policy: RatePolicy) -> int:
    """Microseconds that one call takes to leak out of the bucket."""
    return -(-policy.period_ms * 1_000 // policy.requests)


def check(state: State, policy: RatePolicy, now_us: int, max_delay_ms: int | None = None) -> Slot:
    """Say when one more call may start; *max_delay_ms* is the caller's own patience."""
    interval = interval_us(policy)
    delay = max(0, state.tat_us - (policy.burst - 1) * interval - now_us)
    buffer = delay_bound_us(policy, max_delay_ms)
    if delay > buffer:
        return Slot(fits=False, delay_us=0, tat_us=state.tat_us, retry_after_us=delay - buffer)
    # A queued call leaks from its own slot on, so the bucket moves by one interval either way.
    tat = max(state.tat_us, now_us) + interval
    return Slot(fits=True, delay_us=delay, tat_us=tat, retry_after_us=0)


def delay_bound_us(policy: RatePolicy, max_delay_ms: int | None) -> int:
    """Return the longest delay that the policy and the caller both accept, microseconds."""
    if policy.overflow == "drop":
        return 0
    bound_ms = policy.queue_max_delay_ms
    return 1_000 * (bound_ms if max_delay_ms is None else min(bound_ms, max_delay_ms))


def evolve(state: State, event: CallAuthorized) -> State:
    """Fill the bucket by the call that was let through."""
    state.tat_us = event.tat_us
    return state
