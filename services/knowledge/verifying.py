"""
Verifying what twins may say they know, as a part of `vito verify`.

    proof     every live chunk has an approval with its hash, of the decision that it names
    compare   the log, folded again, approves exactly what is live, and the sealed content of that
              hash, opened again, has exactly these chunks
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from psycopg import AsyncConnection

from contracts.subjects import shard_of
from services.audit.findings import Finding
from services.knowledge.contents import Contents
from services.knowledge.held import open_held
from services.knowledge.proof import Unapproved, prove
from services.knowledge.reindex import Compared, compare
from services.projector.source import CommitSource, Keys
from services.settings import Settings

# The index may be ahead of the projection for a moment: an approval shows in the one before.
_LOOKS: Final = 5
_LOOK_S: Final = 0.5
_ANY: Final = (
    "SELECT EXISTS (SELECT FROM knowledge.live_sources)"
    " OR EXISTS (SELECT FROM knowledge.live_chunks)"
    " OR EXISTS (SELECT FROM public.twin_knowledge_reviews WHERE outcome = 'approved')"
)


async def unproved(settings: Settings, tenant: str | None = None) -> list[Finding]:
    """
    Return what is live and should not be, or is not what was approved; of one twin or of all.

    Raises psycopg.Error, SourceUnavailable, and what is at fault with the log.
    """
    async with (
        await AsyncConnection.connect(
            settings.postgres_knowledge(), autocommit=True, connect_timeout=2
        ) as connection,
        open_held(settings) as (log, keys, contents),
    ):
        shards = settings.shards if tenant is None else [shard_of(tenant, settings.shards)]
        found = await looked_at(
            connection,
            log,
            keys,
            contents,
            which=range(settings.shards) if isinstance(shards, int) else shards,
            shards=settings.shards,
        )
    return [one for one in found if tenant in (None, one.tenant)]


async def looked_at(
    connection: AsyncConnection[Any],
    log: CommitSource,
    keys: Keys,
    contents: Contents,
    *,
    which: Sequence[int],
    shards: int,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> list[Finding]:
    """Look at everything that is live; *connection* is the indexing role's, in autocommit mode."""
    row = await (await connection.execute(_ANY)).fetchone()
    if row is None or not row[0]:
        # Nobody's log is folded once more for a deployment in which no twin knows anything.
        return []
    unapproved: list[Unapproved] = []
    for _ in range(_LOOKS):
        unapproved = (await prove(connection)).unapproved
        if not unapproved:
            break
        await sleep(_LOOK_S)
    compared = [
        await compare(connection, log, keys, contents, shard=shard, shards=shards)
        for shard in which
    ]
    return [*_without_approval(unapproved), *_differing(compared)]


def _without_approval(unapproved: Sequence[Unapproved]) -> Iterator[Finding]:
    for one in unapproved:
        what = f"chunks of {one.source} that nobody approved"
        found = f"{one.chunks} of content {one.content_hash}"
        yield Finding(one.tenant, "knowledge", what, expected="0", found=found)


def _differing(compared: Sequence[Compared]) -> Iterator[Finding]:
    for one in (one for each in compared for one in each.differences):
        expected = "what log and store say"
        yield Finding(one.tenant, "knowledge", one.source, expected=expected, found=one.what)
