"""The real log and the real keys, as the projector reads them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import nats.errors

from services import deployment_log
from services.eventstore.connection import EventStoreConnection
from services.eventstore.errors import ForeignMessage, LogProblem
from services.eventstore.store import EventStore
from services.projector.source import SourceUnavailable, Stored
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.settings import Settings


class Log:
    """Every shard's stream. ForeignMessage: somebody else has written into one."""

    def __init__(self, stores: Sequence[EventStore]) -> None:
        self._stores = stores

    async def batches(self, shard: int, after_seq: int) -> AsyncGenerator[Sequence[Stored], None]:
        """See CommitSource."""
        try:
            async with aclosing(self._stores[shard].tail(after_seq)) as tail:
                async for batch in tail:
                    yield [Stored(one.seq, one.originator_id, one.state) for one in batch]
        except ForeignMessage:
            raise
        except LogProblem as problem:
            raise SourceUnavailable(f"the log of shard {shard}: {problem}") from problem

    async def last_seq(self, shard: int) -> int:
        """See CommitSource."""
        try:
            return await self._stores[shard].last_seq()
        except ForeignMessage:
            raise
        except LogProblem as problem:
            raise SourceUnavailable(f"the end of shard {shard}: {problem}") from problem


class LogKeys:
    """Every tenant's keys."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def get(self, tenant: str, version: int) -> bytes:
        """See Keys."""
        try:
            return await self._keys.get(tenant, version)
        except (nats.errors.Error, OSError) as problem:
            # The class says enough; a message may quote what the server was sent.
            raise SourceUnavailable(f"the key store: {type(problem).__name__}") from problem

    def forget(self, tenant: str) -> None:
        """See Keys."""
        self._keys.forget(tenant)


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncIterator[tuple[Log, LogKeys]]:
    """Connect as the projector; the connection heals by itself until it is closed."""
    connection = await EventStoreConnection.open(**settings.nats("projector").options())
    try:
        keyring = open_keyring(
            settings.kek_file,
            development=settings.development,
            data_directory=settings.data_dir,
            deployment=settings.deployment,
        )
        store = await JetStreamKeyStore.open(connection.client.jetstream())
        yield (
            Log(deployment_log.open_stores(connection, settings.shards)),
            LogKeys(TenantKeys(store, keyring)),
        )
    finally:
        await connection.close()
