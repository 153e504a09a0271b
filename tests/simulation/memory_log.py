"""
A log and a key store in memory with JetStream's promises and its faults.

Same fence, same all-or-nothing batches. The log can lose an acknowledgement (stored or not), be
slow, be away, be full, and fail to be read. Which fault strikes when comes from the loop's seed.
"""

from __future__ import annotations

import asyncio

import msgspec
from nats.js.errors import ServiceUnavailableError

from services.eventstore.appending import Append
from services.eventstore.errors import FenceConflict, OutcomeUnknown, StreamFull, Unavailable
from services.eventstore.wire import Recorded
from services.sealing.wrapped_keys import MemoryKeyStore


class Faults(msgspec.Struct):
    """How often each fault strikes, 0 to 1; *slow_s* is the longest that a step takes."""

    lost_ack: float = 0.0
    away: float = 0.0
    full: float = 0.0
    unreadable: float = 0.0
    slow_s: float = 0.005


class MemoryLog:
    """Commits of all tenants in one list; the stream sequence is the index plus one."""

    def __init__(self, rng, faults: Faults | None = None) -> None:
        self.rng = rng
        self.faults = faults or Faults()
        self.stored: list[Recorded] = []
        self.batches: list[int] = []
        # Cleared, nothing is stored or answered until it is set again.
        self.open = asyncio.Event()
        self.open.set()

    def last_seq(self, tenant: str) -> int:
        return max((r.seq for r in self.stored if r.originator_id == tenant), default=0)

    def is_stale(self, commit: Append) -> bool:
        """The fence."""
        return self.last_seq(commit.originator_id) != commit.expected_seq

    async def append(self, commits: list[Append]) -> list[int]:
        await self._while()
        await self.open.wait()
        self._strike(self.faults.away, Unavailable("nobody answers"))
        self._strike(self.faults.full, StreamFull("maximum bytes exceeded"))
        for commit in commits:
            if self.is_stale(commit):
                raise FenceConflict(commit.originator_id)
        fate = self.rng.random()
        if fate < self.faults.lost_ack / 2:
            raise OutcomeUnknown("the message was lost")
        sequences = self._store(commits)
        await self._while()
        if fate < self.faults.lost_ack:
            raise OutcomeUnknown("the acknowledgement was lost")
        return sequences

    def _store(self, commits: list[Append]) -> list[int]:
        self.batches.append(len(commits))
        first = len(self.stored) + 1
        for seq, commit in enumerate(commits, first):
            subject = f"evt.0.{commit.originator_id}.{commit.noun}"
            self.stored.append(
                Recorded(
                    seq,
                    subject,
                    commit.originator_id,
                    commit.version,
                    commit.topic,
                    commit.state,
                    0,
                )
            )
        return list(range(first, first + len(commits)))

    async def read(self, originator_id: str, *, after_seq: int = 0):
        await self._while()
        self._strike(self.faults.unreadable, Unavailable("no leader"))
        found = [r for r in self.stored if r.originator_id == originator_id and r.seq > after_seq]
        for start in range(0, len(found), 7):
            await self._while()
            yield found[start : start + 7]

    async def _while(self) -> None:
        await asyncio.sleep(self.rng.random() * self.faults.slow_s)

    def _strike(self, chance: float, problem: Exception) -> None:
        if self.rng.random() < chance:
            raise problem


class FlakyKeyStore(MemoryKeyStore):
    """Fails now and then as the bus does: with an error of the library, which is none of ours."""

    def __init__(self, rng, faults: Faults) -> None:
        super().__init__()
        self._rng = rng
        self._faults = faults

    async def versions(self, tenant):
        if self._rng.random() < self._faults.unreadable:
            raise ServiceUnavailableError
        return await super().versions(tenant)
