"""
Batches: opened commits on their way from the log to Postgres.

A reader fills a short queue; whoever applies takes all that is there, up to a bound. So a batch is
one commit when the log is idle, and large when Postgres is the slower one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing

from services.projector.chain import Chain
from services.projector.opening import FAULTS, Opened, open_commits
from services.projector.source import CommitSource, Keys, Stored

# Opened events need about ten times their sealed bytes, so this is some 40 MB.
QUEUED_MAX = 16
PIECE_BYTES_MAX = 256 * 1024
EVENTS_PER_BATCH_MAX = 10_000


class Batches:
    """Opened commits of one shard, waiting to be applied."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Opened] = asyncio.Queue(QUEUED_MAX)

    async def fill(
        self,
        source: CommitSource,
        keys: Keys,
        chain: Chain,
        *,
        shard: int,
        after_seq: int,
    ) -> None:
        """Read and open commits until one is at fault; the fault is the last thing queued."""
        try:
            async with aclosing(source.batches(shard, after_seq)) as arriving:
                async for stored in arriving:
                    for piece in _pieces(stored):
                        opened = await open_commits(shard, piece, chain, keys)
                        await self._queue.put(opened)
                        if opened.fault is not None:
                            return
                        # Let Postgres be served while this shard's next commits are opened.
                        await asyncio.sleep(0)
        except FAULTS as fault:
            await self._queue.put(Opened(fault=fault))

    async def take(self) -> Opened:
        """Wait for something, then return all that is there, up to EVENTS_PER_BATCH_MAX."""
        batch = await self._queue.get()
        while (
            batch.fault is None and batch.events < EVENTS_PER_BATCH_MAX and not self._queue.empty()
        ):
            batch.join(self._queue.get_nowait())
        return batch


def _pieces(stored: Sequence[Stored]) -> Iterator[list[Stored]]:
    """Cut a batch into pieces of PIECE_BYTES_MAX, or of one message that is larger."""
    piece: list[Stored] = []
    size = 0
    for message in stored:
        if piece and size + len(message.payload) > PIECE_BYTES_MAX:
            yield piece
            piece, size = [], 0
        piece.append(message)
        size += len(message.payload)
    yield piece
