"""
Retention: what nobody needs any more is forgotten, a bounded time after that.

    kept       what is approved or waits for a review, and files that are still to be read
    kept for   what was rejected, replaced or retired, and files that were read: so many days
    for ever   the log, which has the hash of each, who decided about it, and why

What is gone cannot be approved again: its source has to be ingested anew, which a person reviews.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from nats.errors import Error as NatsError
from psycopg import AsyncConnection

from services import logs
from services.knowledge.sources import Pool
from services.knowledge.store import Kind, KnowledgeStore
from services.projector.locks import Lock, try_hold
from services.sealing.wrapped_keys import KeyErased, KeyMissing

EVERY_S: Final = 3_600.0
_TENANTS: Final = "SELECT DISTINCT tenant FROM twin_knowledge_sources ORDER BY tenant"
# A content that was approved is needed until another one is, or until its source is retired; one
# that was rejected, or that no decision was about, until the source went on.
_NEEDED: Final = """
WITH sources AS (
    SELECT * FROM twin_knowledge_sources WHERE tenant = %(tenant)s
), reviews AS (
    SELECT r.content_hash, greatest(r.ingested_at, r.decided_at, coalesce((
        SELECT min(coalesce(later.decided_at, later.ingested_at))
        FROM twin_knowledge_reviews later
        WHERE later.tenant = r.tenant AND later.source = r.source
            AND later.ingestion > r.ingestion
    ), s.changed_at)) AS left_at
    FROM twin_knowledge_reviews r JOIN sources s USING (source) WHERE r.tenant = %(tenant)s
)
SELECT 'content', hash FROM sources, unnest(ARRAY[approved_hash, draft_hash]) AS hash
    WHERE stage <> 'retired' AND hash IS NOT NULL
UNION SELECT 'content', content_hash FROM reviews WHERE left_at > %(before)s
UNION SELECT 'upload', hash FROM sources, unnest(ARRAY[upload, kept]) AS hash
    WHERE hash IS NOT NULL
        AND (stage IN ('pending', 'ingesting') OR changed_at > %(before)s)
UNION SELECT 'content', kept FROM sources
    WHERE kept IS NOT NULL AND stage IN ('pending', 'ingesting')
"""
_PASSING: Final = (psycopg.Error, NatsError, OSError)


class Retention:
    """
    Forgets, once in a while. *reader* sees what is needed, *dsn* is the indexing role's, for the
    lock: of several workers one forgets.
    """

    def __init__(
        self,
        store: KnowledgeStore,
        reader: Pool,
        dsn: str,
        keep: timedelta,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._reader = reader
        self._dsn = dsn
        self._keep = keep
        self._now = now
        self._sleep = sleep

    async def run(self) -> None:
        """Forget until cancelled."""
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="vito-retention"
                ) as connection:
                    if await try_hold(connection, Lock.RETENTION):
                        await self.forget()
            except _PASSING as problem:
                logs.get().warning("retention_put_off", kind=type(problem).__name__)
            await self._sleep(EVERY_S)

    async def forget(self) -> int:
        """Forget what is due of every twin; how many blobs those were."""
        async with self._reader.connection() as connection:
            tenants = await (await connection.execute(_TENANTS)).fetchall()
        gone = 0
        for (tenant,) in tenants:
            try:
                gone += await self._of(tenant)
            except (KeyErased, KeyMissing):
                # Of an erased twin the index forgets everything.
                continue
        return gone

    async def _of(self, tenant: str) -> int:
        before = self._now() - self._keep

        async def needed() -> set[tuple[Kind, str]]:
            async with self._reader.connection() as connection:
                cursor = await connection.execute(_NEEDED, {"tenant": tenant, "before": before})
                return {(kind, content_hash) for kind, content_hash in await cursor.fetchall()}

        gone = await self._store.forget_others(tenant, needed, before)
        if gone:
            logs.get().info("knowledge_forgotten", tenant=tenant, blobs=gone)
        return gone
