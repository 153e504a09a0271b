"""Builds a tenant's writer: data keys, snapshot, and the rest of the log; keeps and ends these."""

from __future__ import annotations

import structlog
from nats.errors import Error as NatsError

from domain import secret
from services.eventstore.errors import LogProblem
from services.eventstore.store import EventStore
from services.gate.data_keys import FIRST
from services.gate.writer import Clock, TenantWriter
from services.sealing.jetstream_keys import KeyStoreBusy
from services.sealing.keyring import UnwrapRefused
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
        older = {FIRST, *secret.key_versions(folded.state.secrets)} - {version} if key else set()
        return TenantWriter(
            folded.state,
            folded.link,
            folded.last_seq,
            key=key,
            key_version=version,
            actor=self._actor,
            clock=self._clock,
            older_keys={number: await self._keys.get(tenant, number) for number in older},
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
        except (
            LogProblem,
            OSError,
            TimeoutError,
            LookupError,
            NatsError,
            KeyStoreBusy,
            UnwrapRefused,
        ) as problem:
            _log.warning("snapshot_not_saved", tenant=tenant, reason=str(problem))

    async def next_key(self, tenant: str, *, after: int) -> tuple[int, bytes]:
        """Return a version of the data key that is newer than *after*, made if need be."""
        version = await self._keys.following(tenant, after=after)
        return version, await self._keys.get(tenant, version)

    async def rewrap(self, tenant: str) -> tuple[int, int]:
        """Wrap the data key with the current KEK; how many versions, and that KEK's version."""
        return await self._keys.rewrap(tenant), self._keys.kek_version

    async def erase(self, tenant: str, note: bytes) -> None:
        """Destroy the data key, for ever, and drop the snapshot. Again is harmless."""
        await self._keys.delete(tenant, note)
        await self._snapshots.drop(tenant)

    def forget(self, tenant: str) -> None:
        """Drop what is cached of the tenant's keys."""
        self._keys.forget(tenant)
