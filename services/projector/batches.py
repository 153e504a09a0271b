"""
Batches: what commits change, on its way from the log to Postgres.

A reader opens commits and folds them into the batch that is being put together, while the one
before it is being applied; then they change places. So a batch is one commit when the log is idle
and large when Postgres is the slower one, and no more than two of them are ever in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing

from projections.projection import Folding, Projection, Write
from services.projector.chain import Chain, Head
from services.projector.erasing import is_end
from services.projector.opening import FAULTS, Opened, open_commits
from services.projector.source import CommitSource, Keys, Stored

# Some 25 MB of rows.
EVENTS_PER_BATCH_MAX = 20_000
# Some 300 events, opened and folded in a few milliseconds, between which Postgres is served.
PIECE_BYTES_MAX = 64 * 1024


class Batch:
    """
    What commits up to *last_seq* (0: none) change, per projection.

    *fault* is why it ends there: nothing may be applied after it.
    """

    def __init__(self, wanted: Sequence[Projection], positions: Mapping[str, int]) -> None:
        self.folds: dict[str, Folding] = {p.NAME: p.Fold() for p in wanted}
        self.heads: dict[str, Head] = {}
        self.last_seq = 0
        self.last_at_us = 0
        self.events = 0
        self.erased = 0
        # Twins of which no row may be left once this is applied.
        self.ended: set[str] = set()
        self.fault: Exception | None = None
        self._positions = [(positions[name], fold) for name, fold in self.folds.items()]
        self._writes: dict[str, list[Write]] = {}

    @property
    def is_full(self) -> bool:
        """Whether it must be applied before more is read."""
        return self.events >= EVENTS_PER_BATCH_MAX

    def add(self, opened: Opened) -> None:
        """Fold commits; a projection that has one of them already does not get it."""
        assert self.fault is None, "nothing follows a fault"
        for commit in opened.commits:
            if commit.stream_seq <= self.last_seq:
                continue
            for position, fold in self._positions:
                if commit.stream_seq > position:
                    fold.add(commit)
            self.last_seq, self.last_at_us = commit.stream_seq, commit.at_us
            if is_end(commit):
                self.ended.add(commit.tenant)
        self.heads |= opened.heads
        self.events += opened.events
        self.erased += opened.erased
        self.fault = opened.fault

    def writes(self, name: str) -> list[Write]:
        """Say what a projection writes. Nothing is added after that."""
        found = self._writes.get(name)
        if found is None:
            found = self._writes[name] = self.folds[name].writes()
        return found


class Batches:
    """The batches of one shard. *positions* say which commits each projection has already."""

    def __init__(self, wanted: Sequence[Projection], positions: Mapping[str, int]) -> None:
        self._wanted = wanted
        self._positions = positions
        self._batch = Batch(wanted, positions)
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    async def fill(
        self, source: CommitSource, keys: Keys, chain: Chain, *, shard: int, after_seq: int
    ) -> None:
        """Read commits until one is at fault; the fault is then in the last batch."""
        try:
            async with aclosing(source.batches(shard, after_seq)) as arriving:
                async for stored in arriving:
                    for piece in _pieces(stored):
                        opened = await open_commits(shard, piece, chain, keys)
                        await self.put(opened)
                        if opened.fault is not None:
                            return
        except FAULTS as fault:
            await self.put(Opened(fault=fault))

    async def put(self, opened: Opened) -> None:
        """Add to the batch that is being put together, once there is room."""
        while self._batch.is_full:
            self._taken.clear()
            await self._taken.wait()
        batch = self._batch
        batch.add(opened)
        self._filled.set()
        # Let the batch that is being applied be served while the next is put together.
        await asyncio.sleep(0)
        if batch.is_full:
            for name in batch.folds:
                batch.writes(name)
                await asyncio.sleep(0)

    async def take(self) -> Batch:
        """Wait until there is something, and take all that there is."""
        await self._filled.wait()
        self._filled.clear()
        batch = self._batch
        # A source that delivers something again must not have it applied again.
        self._positions = {n: max(p, batch.last_seq) for n, p in self._positions.items()}
        self._batch = Batch(self._wanted, self._positions)
        self._taken.set()
        return batch


def _pieces(stored: Sequence[Stored]) -> Iterator[list[Stored]]:
    """Cut what was read into pieces of PIECE_BYTES_MAX, or of one message that is larger."""
    piece: list[Stored] = []
    size = 0
    for message in stored:
        if piece and size + len(message.payload) > PIECE_BYTES_MAX:
            yield piece
            piece, size = [], 0
        piece.append(message)
        size += len(message.payload)
    yield piece
