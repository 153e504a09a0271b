"""The verdict of EV-03 over the WebSocket: what is not the claim fails."""

import msgspec
import pytest

from services.evidence import burst_on_sockets
from services.evidence.burst_on_sockets import DONE, REFUSED, Asked, Seen
from services.evidence.exhibit import Expected

NOW_US = 1_790_000_000_000_000
AGAIN = Asked(sent_us=NOW_US + 1_000_000, began_us=NOW_US + 1_010_000, outcome=DONE)


def asked(number, **fields):
    """Question *number* of a queue: sent each 10 ms, answered in its slot, each 20 ms."""
    sent_us, slot_us = NOW_US + 10_000 * number, NOW_US + 20_000 * number
    kept = {"sent_us": sent_us, "began_us": slot_us, "delay_ms": 10 * number, "outcome": DONE}
    return Asked(**kept | fields)


QUEUED = Seen(
    asked=[asked(number) for number in range(100)],
    calls_us=[NOW_US + 20_000 * number for number in range(100)],
)
DROPPED = Seen(
    asked=[Asked(sent_us=NOW_US, began_us=NOW_US + 5_000, outcome=DONE) for _ in range(50)]
    + [Asked(sent_us=NOW_US, retry_after_ms=19, status=429, outcome=REFUSED) for _ in range(50)],
    calls_us=[NOW_US + 2_000] * 50,
)


def queue_faults(number=None, calls_us=None, **fields):
    """The faults of a queue whose question *number* is another one."""
    seen = [asked(one, **fields if one == number else {}) for one in range(100)]
    expected = Expected()
    calls_us = QUEUED.calls_us if calls_us is None else calls_us
    burst_on_sockets.judge_queue(Seen(asked=seen, calls_us=calls_us), expected)
    return expected.faults


def drop_faults(again=AGAIN, number=0, calls=50, **fields):
    """The faults of a drop whose question *number* is another one."""
    seen = [msgspec.structs.replace(one) for one in DROPPED.asked]
    seen[number] = msgspec.structs.replace(seen[number], **fields)
    expected = Expected()
    found = Seen(asked=seen, calls_us=[NOW_US + 2_000] * calls)
    burst_on_sockets.judge_drop(found, again, expected)
    return expected.faults


def test_the_claim_as_it_should_be():
    """The control."""
    assert queue_faults() == drop_faults() == []


@pytest.mark.parametrize(
    "doctored",
    [
        {"number": 7, "outcome": "lost"},
        {"number": 7, "outcome": REFUSED},
        {"number": 7, "began_us": NOW_US + 138_999},
        {"calls_us": QUEUED.calls_us[:-1]},
        {"calls_us": [*QUEUED.calls_us, QUEUED.calls_us[-1]]},
        {"calls_us": [*QUEUED.calls_us[:50], QUEUED.calls_us[50] - 1, *QUEUED.calls_us[51:]]},
        {"number": 99, "sent_us": NOW_US + 1_250_001, "began_us": NOW_US + 3_000_000},
    ],
)
def test_a_queue_that_is_not_the_claim_fails(doctored):
    """A question that is lost, an answer or a call too early, or no burst at all."""
    assert queue_faults(**doctored)


def test_a_queue_in_which_nobody_waits_fails():
    """All at once and nobody throttled: that is no limit."""
    expected = Expected()
    hurried = [asked(number, delay_ms=0) for number in range(100)]
    burst_on_sockets.judge_queue(Seen(asked=hurried, calls_us=[NOW_US] * 100), expected)

    assert any("before their slot" in fault for fault in expected.faults)
    assert any("throttled" in fault for fault in expected.faults)


@pytest.mark.parametrize(
    "doctored",
    [
        {"outcome": "lost"},
        {"outcome": REFUSED, "status": 429, "retry_after_ms": 19},
        {"number": 50, "outcome": DONE},
        {"number": 50, "status": 503},
        {"number": 50, "retry_after_ms": 0},
        {"number": 50, "retry_after_ms": 21},
        {"calls": 51},
        {"again": msgspec.structs.replace(AGAIN, outcome=REFUSED)},
    ],
)
def test_a_drop_that_is_not_the_claim_fails(doctored):
    """One too many, a conversation that is lost, or a Retry-After that is none."""
    assert drop_faults(**doctored)
