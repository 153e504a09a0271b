"""A log and its keys in memory, as the projector sees them: sealed, chained, live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from contracts.commit import FIRST_PREV, AnyEvent, CommitLine
from contracts.subjects import shard_of
from services.projector.source import SourceUnavailable, Stored
from services.sealing.wrapped_keys import KeyErased
from services.tenant_log.codec import digest_of, hash_of, seal_commit

BATCH_MAX = 7


class MemoryLog:
    """
    Commits of all tenants, by shard. Is a CommitSource and its own Keys.

    While *down* nothing can be read. *gaps* sequences are skipped between messages, as a stream
    that also holds other things would.
    """

    def __init__(self, shards: int = 1) -> None:
        self.shards = shards
        self.streams: list[list[Stored]] = [[] for _ in range(shards)]
        self.heads: dict[str, tuple[int, str]] = {}
        self.erased: set[str] = set()
        self.forgotten: set[str] = set()
        self.down = False
        self.reads = 0
        self._changed = asyncio.Event()

    def append(self, tenant: str, events: list[AnyEvent], *, index: int = 0, prev: str = "") -> int:
        """Write a commit; the shard's new last sequence. *index* and *prev* break the chain."""
        position, head = self.heads.get(tenant, (0, FIRST_PREV))
        line = CommitLine(
            tenant,
            index or position + 1,
            events[-1].at_us,
            len(events),
            1,
            "test",
            digest_of([]),
            prev or head,
        )
        payload = seal_commit(line, events, key_of(tenant))
        self.heads[tenant] = (line.index, hash_of(payload))
        return self.put(tenant, payload)

    def put(self, tenant: str, payload: bytes) -> int:
        """Store bytes as they are."""
        stream = self.streams[shard_of(tenant, self.shards)]
        stream.append(Stored(len(stream) + 1, tenant, payload))
        self.notify()
        return len(stream)

    def notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def batches(self, shard: int, after_seq: int) -> AsyncGenerator[Sequence[Stored], None]:
        while True:
            changed = self._changed
            self._check()
            found = self.streams[shard][after_seq : after_seq + BATCH_MAX]
            if found:
                self.reads += 1
                yield found
                after_seq = found[-1].seq
            else:
                await changed.wait()

    async def last_seq(self, shard: int) -> int:
        self._check()
        return len(self.streams[shard])

    async def get(self, tenant: str, version: int) -> bytes:
        self._check()
        if tenant in self.erased:
            raise KeyErased(tenant)
        return key_of(tenant)

    def forget(self, tenant: str) -> None:
        self.forgotten.add(tenant)

    def _check(self) -> None:
        if self.down:
            raise SourceUnavailable("the log is down")


def key_of(tenant: str) -> bytes:
    return tenant.encode().ljust(32, b"k")[:32]
