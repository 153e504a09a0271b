"""The log, the keys and the store, opened for who holds the index against them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services import deployment_log
from services.eventstore.connection import EventStoreConnection
from services.knowledge.contents import StoredContents
from services.knowledge.store import KnowledgeStore
from services.projector.log import Log, LogKeys
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.settings import Settings


@asynccontextmanager
async def open_held(settings: Settings) -> AsyncIterator[tuple[Log, LogKeys, StoredContents]]:
    """Connect as the knowledge process."""
    connection = await EventStoreConnection.open(**settings.nats("knowledge").options())
    try:
        keyring = open_keyring(
            settings.kek_file,
            development=settings.development,
            data_directory=settings.data_dir,
            deployment=settings.deployment,
        )
        jetstream = connection.client.jetstream()
        keys = TenantKeys(await JetStreamKeyStore.open(jetstream), keyring)
        yield (
            Log(deployment_log.open_stores(connection, settings.shards)),
            LogKeys(keys),
            StoredContents(await KnowledgeStore.open(jetstream, keys)),
        )
    finally:
        await connection.close()
