"""
kill -9 of gateway and agent in the middle of conversations: what was counted is what was booked.

Sixty people talk with four twins over the gateway, by text, voice and video, and a few in LiveKit
rooms; connections break, vendors fail, gateways and agents are killed. Afterwards there is no
slack: each call that a vendor counted is of one hold, by the name it was given; each such hold is
settled (and is a row of `audit_logs`) or, because its process was killed before it could book, has
expired; nothing is settled that was not called, and no money is held.

    VITO_TEST_SESSIONS=1000 VITO_TEST_SEED=7 pytest tests/chaos/test_live_kills.py -s --timeout 0
"""

from __future__ import annotations

import os
import random

import pytest

from services.bench.live_stack import live_stack
from services.evidence import balance
from tests.rig.room_crowd import RoomCrowd

SEED = int(os.environ.get("VITO_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
TENANTS = ("live-1", "live-2", "live-3", "live-4")
SESSIONS = int(os.environ.get("VITO_TEST_SESSIONS", "66"))
# A conversation in a room takes a process of its own, and seconds.
ROOMS = max(6, SESSIONS // 20)
VISITS = SESSIONS - ROOMS
KILLS = max(2, SESSIONS // 100)
AGENT_KILLS = max(1, ROOMS // 10)


@pytest.fixture
async def balanced(database):
    """The run, added up."""
    async with live_stack(database, TENANTS, hold_s=5) as stack:
        rooms = RoomCrowd(stack, SEED)
        found = await balance.run(
            stack,
            visits=VISITS,
            kills=KILLS,
            seed=SEED,
            beside=lambda: rooms.run(ROOMS, AGENT_KILLS),
        )
        yield found, rooms


async def test_what_vendors_counted_is_what_was_booked(balanced):
    """
    See the module.
    """
    balanced, rooms = balanced
    print(f"\n{balanced}")
    print(f"rooms: {rooms.sessions} sessions, {rooms.answers} answers, {rooms.killed} killed")
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
    assert rooms.finished == ROOMS
    assert rooms.sessions >= ROOMS
    assert rooms.answers > 0
