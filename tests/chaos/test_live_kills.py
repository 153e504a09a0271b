"""
kill -9 of the gateway in the middle of conversations: what vendors counted is what was booked.

Sixty people talk with four twins, by text, voice and video; connections break, vendors fail, the
gateway is killed. Afterwards there is no slack: each call that a vendor counted is of one hold, by
the name it was given; each such hold is settled (and is a row of `audit_logs`) or, because its
process was killed before it could book, has expired; nothing is settled that was not called, and
no money is held.

    VITO_TEST_SEED=7 pytest tests/chaos/test_live_kills.py -s
"""

from __future__ import annotations

import os
import random

import pytest

from services.bench.live_stack import live_stack
from services.evidence import balance

SEED = int(os.environ.get("VITO_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
TENANTS = ("live-1", "live-2", "live-3", "live-4")
VISITS = 60
KILLS = 2


@pytest.fixture
async def balanced(database):
    """The run, added up."""
    async with live_stack(database, TENANTS, hold_s=5) as stack:
        yield await balance.run(stack, visits=VISITS, kills=KILLS, seed=SEED)


async def test_what_vendors_counted_is_what_was_booked(balanced):
    """
    See the module.
    """
    print(f"\n{balanced}")
    tally, crowd = balanced.tally, balanced.crowd

    assert tally.findings == []
    assert tally.rows == tally.settled == tally.calls - tally.expired_called
    assert (balanced.held_nanos, balanced.open_holds, balanced.unclean) == (0, 0, 0)
    assert balanced.is_balanced
    # It has happened, or nothing was shown.
    assert crowd.finished == VISITS <= crowd.sessions
    assert tally.calls > VISITS
    assert min(crowd.disconnects, crowd.killed, balanced.faults) > 5
    assert tally.expired + tally.late > 0, "no kill has hit a call"
