"""
Apply: the rows of a batch and the positions that say so, in one transaction.

    Invariant: a commit's rows are in a version's tables if and only if the version's position in
    the shard is at or behind the commit; so nothing is applied twice and nothing is left out.

The position moves only from what it was when the transaction began (`PositionMoved` otherwise), so
even two projectors that both believe to hold a shard cannot apply a batch twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from projections.cells import moment
from projections.projection import Projection
from services.projector.batches import Batch
from services.projector.chain import Head
from services.projector.erasing import erase_rows
from services.projector.locks import Lock, share_in_transaction
from services.projector.versions import Serving, read_serving, schema_of
from services.projector.writing import write


class PositionMoved(Exception):
    """Somebody else has applied the same batch. Read the positions again and go on from there."""


class Step(msgspec.Struct, frozen=True):
    """A version's position in a shard, from what it was to what it will be."""

    projection: str
    version: int
    from_seq: int
    to_seq: int
    last_commit_at: str | None


_ADVANCE = """
UPDATE vito.projection_positions p SET
    stream_seq = s.to_seq, last_commit_at = coalesce(s.last_commit_at, p.last_commit_at)
FROM json_to_recordset(%s::json) AS s(
    projection text, version integer, from_seq bigint, to_seq bigint, last_commit_at timestamptz)
WHERE p.projection = s.projection AND p.version = s.version AND p.shard = %s
    AND p.stream_seq = s.from_seq AND s.to_seq > p.stream_seq
"""

_KEEP_HEADS = """
INSERT INTO vito.chain_heads AS h (tenant, shard, position, stream_seq, hash)
SELECT n.tenant, %s, n.position, n.stream_seq, n.hash FROM json_to_recordset(%s::json) AS n(
    tenant text, position bigint, stream_seq bigint, hash text)
ON CONFLICT (tenant) DO UPDATE SET
    shard = excluded.shard, position = excluded.position, stream_seq = excluded.stream_seq,
    hash = excluded.hash
WHERE h.stream_seq < excluded.stream_seq
"""


async def ensure_positions(
    connection: AsyncConnection[TupleRow], shard: int, versions: Mapping[str, int]
) -> None:
    """Give each version a position in *shard*, 0 unless it has one."""
    await connection.cursor().executemany(
        "INSERT INTO vito.projection_positions (projection, version, shard, stream_seq)"
        " VALUES (%s, %s, %s, 0) ON CONFLICT DO NOTHING",
        [(name, version, shard) for name, version in versions.items()],
    )


async def apply_batch(
    connection: AsyncConnection[TupleRow],
    shard: int,
    batch: Batch,
    wanted: Sequence[Projection],
    expected: Mapping[str, Serving],
) -> dict[str, Serving]:
    """
    Apply a batch to the serving versions; where they are then.

    *expected* is where they were when its first commit was read. Raises PositionMoved or
    ProjectionStale; nothing has happened then.
    """
    async with connection.transaction():
        # Which versions serve cannot change from here to the end of the transaction.
        await share_in_transaction(connection, Lock.SWITCH)
        serving = await read_serving(connection, shard, wanted)
        if serving != expected:
            raise PositionMoved(f"shard {shard} was projected or rebuilt by somebody else")
        steps: list[Step] = []
        after = dict(serving)
        for projection in wanted:
            state = serving[projection.NAME]
            if state.stream_seq < batch.last_seq:
                writes = batch.writes(projection.NAME)
                await write(connection, schema_of(projection, state.version), writes)
                steps.append(step(projection, state, batch.last_seq, batch.last_at_us))
                after[projection.NAME] = msgspec.structs.replace(state, stream_seq=batch.last_seq)
        await erase_rows(connection, sorted(batch.ended))
        await advance(connection, shard, steps)
        await _keep_heads(connection, shard, batch)
    return after


def step(projection: Projection, state: Serving, to_seq: int, last_at_us: int) -> Step:
    """Say by what the position of a version moves."""
    last_commit_at = moment(last_at_us)
    return Step(projection.NAME, state.version, state.stream_seq, to_seq, last_commit_at)


async def advance(connection: AsyncConnection[TupleRow], shard: int, steps: Sequence[Step]) -> None:
    """Move positions, all of them or raise PositionMoved. A position never moves back."""
    if not steps:
        return
    cursor = await connection.execute(_ADVANCE, (msgspec.json.encode(steps).decode(), shard))
    if cursor.rowcount != len(steps):
        raise PositionMoved(f"shard {shard} was projected by somebody else meanwhile")


async def load_heads(connection: AsyncConnection[TupleRow], shard: int) -> list[Head]:
    """Read the last checked commit of each tenant of a shard."""
    cursor = await connection.execute(
        "SELECT tenant, position, stream_seq, hash FROM vito.chain_heads WHERE shard = %s", (shard,)
    )
    return [Head(*row) for row in await cursor.fetchall()]


async def _keep_heads(connection: AsyncConnection[TupleRow], shard: int, batch: Batch) -> None:
    if batch.heads:
        heads = msgspec.json.encode(list(batch.heads.values())).decode()
        await connection.execute(_KEEP_HEADS, (shard, heads))
    if batch.erased:
        await connection.execute(
            "UPDATE vito.shard_status SET erased_commits = erased_commits + %s WHERE shard = %s",
            (batch.erased, shard),
        )
