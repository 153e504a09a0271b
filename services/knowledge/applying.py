"""
Applying: live chunks and the position that says so, in one transaction.

    Invariant: what is live is what commits up to the position approve, and nothing else.

The position moves only from what it was when the commits were read (PositionMoved otherwise), so
that nothing is applied twice or out of order, even by two who both believe to hold the shard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from psycopg import AsyncConnection

from services import logs
from services.knowledge import live
from services.knowledge.approvals import Approvals, Approved
from services.knowledge.chunk_rows import ChunkRow, rows_of
from services.knowledge.contents import ContentLost, Contents
from services.knowledge.drafts import drop_drafts
from services.projector.apply import PositionMoved
from services.projector.chain import Head
from services.sealing.wrapped_keys import KeyErased

Key: TypeAlias = tuple[str, str]
# The rows of an approved content, or why there are none.
Prepared: TypeAlias = Mapping[Key, Sequence[ChunkRow] | str]

_UNFIT: Final = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
)
_KEEP_HEADS: Final = """
INSERT INTO knowledge.chain_heads AS h (tenant, shard, position, stream_seq, hash)
SELECT n.tenant, %s, n.position, n.stream_seq, n.hash FROM json_to_recordset(%s::json) AS n(
    tenant text, position bigint, stream_seq bigint, hash text)
ON CONFLICT (tenant) DO UPDATE SET
    shard = excluded.shard, position = excluded.position, stream_seq = excluded.stream_seq,
    hash = excluded.hash
"""


async def prepare(contents: Contents, approvals: Approvals) -> Prepared:
    """
    Open what was approved. Raises SourceUnavailable.

    What cannot be opened any more is not live, and does not keep other sources from being so.
    """
    prepared: dict[Key, Sequence[ChunkRow] | str] = {}
    for key, change in approvals.sources.items():
        if change.approved is not None:
            prepared[key] = await _rows(contents, change.approved)
    return prepared


async def apply(
    connection: AsyncConnection[Any],
    shard: int,
    approvals: Approvals,
    prepared: Prepared,
    *,
    from_seq: int,
    to_seq: int,
    heads: Mapping[str, Head],
) -> None:
    """Write everything, or raise PositionMoved and nothing has happened."""
    async with connection.transaction():
        cursor = await connection.execute(
            "UPDATE knowledge.positions SET stream_seq = %s WHERE shard = %s AND stream_seq = %s",
            (to_seq, shard, from_seq),
        )
        if cursor.rowcount != 1:
            raise PositionMoved(f"shard {shard} was indexed by somebody else meanwhile")
        await write(connection, approvals, prepared)
        if heads:
            spelled = msgspec.json.encode(list(heads.values())).decode()
            await connection.execute(_KEEP_HEADS, (shard, spelled))


async def write(connection: AsyncConnection[Any], approvals: Approvals, prepared: Prepared) -> None:
    """Write what approvals change, in the caller's transaction."""
    for tenant in sorted(approvals.ended):
        await live.erase(connection, tenant)
    for (tenant, source), change in approvals.sources.items():
        if change.approved is not None:
            await _make_live(connection, change.approved, prepared[tenant, source])
        elif change.is_removed:
            await live.remove(connection, tenant, source)
        if change.draft is not None:
            await drop_drafts(connection, tenant, source, but=change.draft)


async def _make_live(
    connection: AsyncConnection[Any], approved: Approved, rows: Sequence[ChunkRow] | str
) -> None:
    if not isinstance(rows, str):
        try:
            # A content that the tables refuse must not stop all other sources of the shard.
            async with connection.transaction():
                await live.make_live(connection, approved, rows)
        except _UNFIT as problem:
            rows = f"the tables refuse it: {problem.diag.message_primary}"
        else:
            return
    logs.get().error(
        "approved_content_not_live", tenant=approved.tenant, source=approved.source, problem=rows
    )
    await live.note_problem(connection, approved, rows)


async def _rows(contents: Contents, approved: Approved) -> Sequence[ChunkRow] | str:
    tenant, content_hash = approved.tenant, approved.content_hash
    try:
        content = await contents.content(tenant, content_hash)
    except ContentLost as lost:
        return str(lost)
    except KeyErased:
        # The twin's end is further on in the log.
        return "its key is destroyed"
    # The store has checked it; what is live rests on this, so it is checked here as well.
    if content.hash != content_hash:
        return f"content {content_hash} has hash {content.hash}"
    if len(content.chunks) != approved.chunks:
        return f"it has {len(content.chunks)} chunks, and {approved.chunks} were approved"
    return rows_of(content)
