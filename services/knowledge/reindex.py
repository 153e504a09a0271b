"""
Reindex: hold what is live against log and store, chunk by chunk, and put right what differs.

The whole log of a shard is folded again up to where the index is, each chain checked from its first
commit. Then, while the index waits, every approved content is opened, and what is live must be
exactly its chunks; nothing else may be. What is right stays as it is, so nothing is missing
meanwhile, and running it again does nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from typing import Any, Final

import msgspec
from psycopg import AsyncConnection

from contracts.subjects import shard_of
from services.knowledge.applying import Prepared, prepare, write
from services.knowledge.approvals import Approvals, Approved, Change
from services.knowledge.chunk_rows import ChunkRow
from services.knowledge.contents import Contents
from services.knowledge.index import position
from services.projector.chain import Chain
from services.projector.opening import open_commits
from services.projector.source import CommitSource, Keys

_LOCKED: Final = "SELECT stream_seq FROM knowledge.positions WHERE shard = %s FOR UPDATE"
_SOURCES: Final = (
    "SELECT tenant, source, content_hash, chunks, decision, problem FROM knowledge.live_sources"
)
_ORPHANS: Final = (
    "SELECT DISTINCT tenant, source FROM knowledge.live_chunks c WHERE NOT EXISTS ("
    " SELECT FROM knowledge.live_sources s WHERE s.tenant = c.tenant AND s.source = c.source)"
)
_CHUNKS: Final = (
    "SELECT number, title, language, text, chunk_hash, place, headings, content_hash, decision"
    " FROM knowledge.live_chunks WHERE tenant = %s AND source = %s ORDER BY number"
)


class Difference(msgspec.Struct, frozen=True):
    """A source of which something else is live than the log and the store say."""

    tenant: str
    source: str
    what: str


class Compared(msgspec.Struct, frozen=True):
    """
    What was found in a shard, at sequence *seq* of its stream.

    *sources* of approved content were held against the store, chunk by chunk. *lost*: those whose
    content the store does not have; they are not live, and only a backup of it brings them back.
    """

    seq: int
    sources: int
    differences: list[Difference]
    lost: list[Difference]


async def compare(
    connection: AsyncConnection[Any],
    source: CommitSource,
    keys: Keys,
    contents: Contents,
    *,
    shard: int,
    shards: int,
    repair: bool = False,
) -> Compared:
    """
    Hold a shard's live chunks against log and store; with *repair* put right what differs.

    *connection* is the indexing role's, in autocommit mode. Raises what is at fault with the log,
    SourceUnavailable, psycopg.Error; nothing is changed then.
    """
    following = _Fold(source, keys, shard)
    while True:
        seq = await position(connection, shard)
        await following.reach(seq)
        async with connection.transaction():
            row = await (await connection.execute(_LOCKED, (shard,))).fetchone()
            assert row is not None, "position() has made it"
            if row[0] != seq:
                continue
            return await _compared(
                connection, contents, following.approvals, seq, _Shard(shard, shards), repair=repair
            )


class _Shard(msgspec.Struct, frozen=True):
    number: int
    of: int

    def has(self, tenant: str) -> bool:
        return shard_of(tenant, self.of) == self.number


class _Fold:
    """The log of a shard from its beginning, as far as it was read."""

    def __init__(self, source: CommitSource, keys: Keys, shard: int) -> None:
        self.approvals = Approvals()
        self._source, self._keys, self._shard = source, keys, shard
        self._chain = Chain()
        self._seq = 0

    async def reach(self, seq: int) -> None:
        """Read on to exactly *seq*."""
        if self._seq >= seq:
            return
        async with aclosing(self._source.batches(self._shard, self._seq)) as arriving:
            async for stored in arriving:
                wanted = [one for one in stored if one.seq <= seq]
                opened = await open_commits(self._shard, wanted, self._chain, self._keys)
                if opened.fault is not None:
                    raise opened.fault
                for commit in opened.commits:
                    self.approvals.add(commit)
                self._seq = seq if stored[-1].seq >= seq else opened.last_seq
                if self._seq >= seq:
                    return


async def _compared(
    connection: AsyncConnection[Any],
    contents: Contents,
    approvals: Approvals,
    seq: int,
    shard: _Shard,
    *,
    repair: bool,
) -> Compared:
    wanted = {k: c.approved for k, c in approvals.sources.items() if c.approved is not None}
    found = await _live(connection, shard)
    differences: list[Difference] = []
    lost: list[Difference] = []
    for key in sorted(wanted.keys() | found):
        one = _one(key, wanted.get(key))
        prepared = await prepare(contents, one)
        what = await _differs(connection, key, wanted.get(key), prepared)
        if what:
            differences.append(Difference(*key, what))
            if repair:
                await write(connection, one, prepared)
        if isinstance(problem := prepared.get(key), str):
            lost.append(Difference(*key, problem))
    return Compared(seq, len(wanted), differences, lost)


async def _live(connection: AsyncConnection[Any], shard: _Shard) -> set[tuple[str, str]]:
    rows: Iterable[tuple[Any, ...]] = [
        *await (await connection.execute(_SOURCES)).fetchall(),
        *await (await connection.execute(_ORPHANS)).fetchall(),
    ]
    return {(row[0], row[1]) for row in rows if shard.has(row[0])}


def _one(key: tuple[str, str], approved: Approved | None) -> Approvals:
    one = Approvals()
    one.sources[key] = Change(approved, is_removed=approved is None)
    return one


async def _differs(
    connection: AsyncConnection[Any],
    key: tuple[str, str],
    approved: Approved | None,
    prepared: Prepared,
) -> str:
    """Say how what is live of a source differs; an empty text if it does not."""
    source = await (
        await connection.execute(f"{_SOURCES} WHERE tenant = %s AND source = %s", key)
    ).fetchone()
    found = await (await connection.execute(_CHUNKS, key)).fetchall()
    if approved is None:
        return "the log does not approve it"
    told = (approved.content_hash, approved.chunks, approved.decision)
    if source is None or source[2:5] != told:
        return "another content than the log approves"
    rows = prepared[key]
    if isinstance(rows, str):
        return "live without its content" if found else ""
    if source[5] is not None and not found:
        return f"not live: {source[5]}"
    spelled = [(*_spelled(row), approved.content_hash, approved.decision) for row in rows]
    return "" if spelled == found else "its chunks are not those that were approved"


def _spelled(row: ChunkRow) -> tuple[Any, ...]:
    # As psycopg decodes it.
    place = msgspec.json.decode(msgspec.json.encode(row.place))
    return (
        *(row.number, row.title, row.language, row.text, row.chunk_hash),
        *(place, row.headings),
    )
