"""Builds a tenant's writer: data key, snapshot, and the rest of the log."""

from __future__ import annotations

import structlog
from nats.errors import Error as NatsError

from services.eventstore.errors import LogProblem
from services.eventstore.store import EventStore
from services.gate.writer import Clock, TenantWriter
from services.sealing.tenant_keys import TenantKeys
from services.sealing.wrapped_keys import KeyMissing
from services.tenant_log.replay import fold
from services.tenant_log.snapshots import SnapshotStore

_log = structlog.get_logger()


class TenantLoader:
    """Loads the tenants of one shard from its stream."""

    def __init__(
        self,
        store: EventStore,
        keys: TenantKeys,
        snapshots: SnapshotStore,
        *,
        actor: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._snapshots = snapshots
        self._actor = actor
        self._clock = clock

    async def load(self, tenant: str, *, create_key: bool) -> TenantWriter:
        """Return the tenant's writer; with *create_key*, one that can begin a log."""
        if create_key:
            await self._keys.create(tenant)
        key, version = await self._key(tenant)
        folded = await fold(tenant, self._store, self._keys, self._snapshots)
        if folded.commits:
            _log.info(
                "tenant_loaded",
                tenant=tenant,
                position=folded.link.index,
                commits_folded=folded.commits,
                events_folded=folded.events,
            )
        return TenantWriter(
            folded.state,
            folded.link,
            folded.last_seq,
            key=key,
            key_version=version,
            actor=self._actor,
            clock=self._clock,
        )

    async def _key(self, tenant: str) -> tuple[bytes | None, int]:
        try:
            version = await self._keys.active(tenant)
            return await self._keys.get(tenant, version), version
        except KeyMissing:
            return None, 0

    async def save_snapshot(self, tenant: str, snapshot: bytes) -> None:
        """Store a snapshot; a failure only makes the next start slower, so it is a warning."""
        try:
            version = await self._keys.active(tenant)
            key = await self._keys.get(tenant, version)
            await self._snapshots.put(tenant, snapshot, key, version)
        except (LogProblem, OSError, TimeoutError, LookupError, NatsError) as problem:
            _log.warning("snapshot_not_saved", tenant=tenant, reason=str(problem))
