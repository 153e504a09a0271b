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

from contracts.policy import RatePolicy


class State(msgspec.Struct, array_like=True):
    """The whole bucket. Microseconds since the epoch; 0 is an empty bucket."""

    tat_us: int = 0


class Bucket(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A rate policy, worked out, in microseconds.

    *interval_us* is what one call takes to leak, *burst_us* is (B-1) x T, *queue_us* the longest
    delay.
    """

    interval_us: int
    burst_us: int
    queue_us: int


class Slot(msgspec.Struct, frozen=True, gc=False):
    """
    When a call may start.

    *fits* is false when its delay passes the buffer; then *retry_after_us* is the exact time after
    which the same call fits (one microsecond earlier it does not).
    """

    fits: bool
    delay_us: int
    tat_us: int
    retry_after_us: int


def bucket(policy: RatePolicy) -> Bucket:
    """Work a rate policy out."""
    interval_us = -(-policy.period_ms * 1_000 // policy.requests)
    queue_ms = 0 if policy.overflow == "drop" else policy.queue_max_delay_ms
    return Bucket(interval_us, (policy.burst - 1) * interval_us, queue_ms * 1_000)


def check(state: State, bucket: Bucket, now_us: int, max_delay_ms: int | None = None) -> Slot:
    """Say when one more call may start; *max_delay_ms* is the caller's own patience."""
    tat_us = state.tat_us
    delay_us = tat_us - bucket.burst_us - now_us
    if delay_us > 0:
        buffer_us = bucket.queue_us
        if max_delay_ms is not None and max_delay_ms * 1_000 < buffer_us:
            buffer_us = max_delay_ms * 1_000
        if delay_us > buffer_us:
            return Slot(False, 0, tat_us, delay_us - buffer_us)  # noqa: FBT003
    else:
        delay_us = 0
    # A queued call leaks from its own slot on, so the bucket moves by one interval either way.
    start_us = tat_us if tat_us > now_us else now_us  # noqa: FURB136 - max() costs four times this
    return Slot(True, delay_us, start_us + bucket.interval_us, 0)  # noqa: FBT003


def new_policy(state: State, bucket: Bucket, at_us: int) -> None:
    """Go on with another policy, from a full bucket at most: an old slow one must not block it."""
    full_us = at_us + bucket.burst_us + bucket.interval_us + bucket.queue_us
    state.tat_us = min(state.tat_us, full_us)
