"""
A log in memory with JetStream's promises and its faults.

Same fence, same all-or-nothing batches; it can lose an acknowledgement (stored or not), be slow,
and refuse while it is down. Which fault strikes when comes from the loop's seed.
"""

from __future__ import annotations

import asyncio

from services.eventstore.appending import Append
from services.eventstore.errors import FenceConflict, OutcomeUnknown
from services.eventstore.wire import Recorded


class MemoryLog:
    """Commits of all tenants in one list; the stream sequence is the index plus one."""

    def __init__(self, rng, *, lost_ack=0.0, slow_s=0.005) -> None:
        self.rng = rng
        self.lost_ack = lost_ack
        self.slow_s = slow_s
        self.stored: list[Recorded] = []
        self.batches = 0

    def last_seq(self, tenant: str) -> int:
        return max((r.seq for r in self.stored if r.originator_id == tenant), default=0)

    async def append(self, commits: list[Append]) -> list[int]:
        await asyncio.sleep(self.rng.random() * self.slow_s)
        for commit in commits:
            if self.last_seq(commit.originator_id) != commit.expected_seq:
                raise FenceConflict(commit.originator_id)
        fate = self.rng.random()
        if fate < self.lost_ack / 2:
            raise OutcomeUnknown("the message was lost")
        self.batches += len(commits) > 1
        first = len(self.stored) + 1
        for seq, commit in enumerate(commits, first):
            self.stored.append(
                Recorded(
                    seq,
                    f"evt.0.{commit.originator_id}.{commit.noun}",
                    commit.originator_id,
                    commit.version,
                    commit.topic,
                    commit.state,
                    0,
                )
            )
        await asyncio.sleep(self.rng.random() * self.slow_s)
        if fate < self.lost_ack:
            raise OutcomeUnknown("the acknowledgement was lost")
        return list(range(first, first + len(commits)))

    async def read(self, originator_id: str, *, after_seq: int = 0, after_version: int = 0):
        await asyncio.sleep(self.rng.random() * self.slow_s)
        found = [r for r in self.stored if r.originator_id == originator_id and r.seq > after_seq]
        for start in range(0, len(found), 7):
            await asyncio.sleep(self.rng.random() * self.slow_s)
            yield found[start : start + 7]
