"""
Set-up: the streams and buckets that a deployment needs, created once, checked at every start.

Run by `vito up` and by `vito setup` with the admin's credentials; harmless to repeat. It also
clears away what workers have left that were killed while they stored a snapshot or a document.
"""

from __future__ import annotations

from datetime import UTC, datetime

from services.deployment_log import stream_settings
from services.eventstore.connection import EventStoreConnection
from services.eventstore.stream import ensure_stream
from services.gate import lease
from services.knowledge import store as knowledge
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.settings import Settings
from services.tenant_log import snapshots

SNAPSHOT_BYTES_PER_SHARD = 2_000_000_000
KNOWLEDGE_BYTES = 8_000_000_000


async def streams(settings: Settings) -> str:
    """Create every stream and bucket that is missing; say what there is."""
    login = settings.nats("admin")
    connection = await EventStoreConnection.open(**login.options())
    try:
        for shard in range(settings.shards):
            await ensure_stream(connection, stream_settings(settings, shard))
        jetstream = connection.client.jetstream()
        await JetStreamKeyStore.open(jetstream, replicas=settings.replicas)
        await snapshots.create_bucket(
            jetstream,
            replicas=settings.replicas,
            bytes_max=SNAPSHOT_BYTES_PER_SHARD,
        )
        await snapshots.purge_orphans(jetstream, now=datetime.now(UTC))
        await knowledge.create_stream(
            jetstream, replicas=settings.replicas, bytes_max=KNOWLEDGE_BYTES
        )
        await knowledge.purge_orphans(jetstream, now=datetime.now(UTC))
        await lease.create_bucket(
            jetstream, replicas=settings.replicas, ttl_s=settings.lease_ttl_ms / 1_000
        )
    finally:
        await connection.close()
    return f"{settings.shards} shards, {settings.replicas} replica(s)"
