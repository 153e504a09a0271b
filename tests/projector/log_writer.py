"""Writes what the gate decided into a real log, as a worker does, without being one."""

from __future__ import annotations

from contextlib import asynccontextmanager

from contracts.commit import FIRST_PREV, TOPIC, CommitLine
from contracts.subjects import shard_of
from services import deployment_log
from services.eventstore.appending import Append
from services.eventstore.connection import EventStoreConnection
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.tenant_log.codec import digest_of, hash_of, seal_commit
from tests.projections.twin_story import TwinStory


class LogWriter:
    """The only writer of its tenants. *last* is the last sequence of each shard that it wrote."""

    def __init__(self, stores, keys: TenantKeys) -> None:
        self.keys = keys
        self.last: dict[int, int] = {}
        self._stores = stores
        self._heads: dict[str, tuple[int, int, str]] = {}

    async def tell(self, story: TwinStory, calls: int) -> None:
        """Add calls to a story, and append every commit that is not in the log yet."""
        for _ in range(calls):
            story.do(story.authorize("data", 2))
            story.do(story.settle(story.reservations[-1], "data", 1))
        tenant = story.tenant
        shard = shard_of(tenant, len(self._stores))
        index, seq, prev = self._heads.get(tenant, (0, 0, FIRST_PREV))
        version = await self.keys.create(tenant)
        key = await self.keys.get(tenant, version)
        for events in story.commits[index:]:
            index += 1
            at_us, count = events[-1].at_us, len(events)
            line = CommitLine(tenant, index, at_us, count, version, "test", digest_of([]), prev)
            payload = seal_commit(line, events, key)
            append = Append(tenant, index, TOPIC, "budget", payload, seq)
            (seq,) = await self._stores[shard].append([append])
            prev = hash_of(payload)
            self._heads[tenant] = (index, seq, prev)
            self.last[shard] = max(self.last.get(shard, 0), seq)


@asynccontextmanager
async def writing(settings):
    """A writer on a deployment's bus, with the rights of a worker."""
    connection = await EventStoreConnection.open(**settings.nats("worker").options())
    try:
        keyring = open_keyring(
            settings.kek_file,
            development=True,
            data_directory=settings.data_dir,
            deployment=settings.deployment,
        )
        store = await JetStreamKeyStore.open(connection.client.jetstream())
        stores = deployment_log.open_stores(connection, settings.shards)
        yield LogWriter(stores, TenantKeys(store, keyring))
    finally:
        await connection.close()
