"""A log with sealed commits of several twins, written as a worker writes it."""

from contextlib import asynccontextmanager
from pathlib import Path

from contracts.commit import TOPIC, CommitLine
from contracts.subjects import shard_of
from contracts.tenant import TenantResumed
from services import deployment_log
from services.eventstore.appending import Append
from services.eventstore.connection import EventStoreConnection
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.settings import Settings
from services.tenant_log.codec import GENESIS, Link, digest_of, hash_of, seal_commit
from services.tenant_log.replay import commits

START_US = 1_790_000_000_000_000


class SealedLog:
    """The log of a deployment, open for writing and reading."""

    def __init__(self, settings: Settings, connection: EventStoreConnection, keys: TenantKeys):
        self.keys = keys
        self.stores = deployment_log.open_stores(connection, settings.shards)
        self._heads: dict[str, tuple[Link, int]] = {}

    def store(self, tenant: str):
        return self.stores[shard_of(tenant, len(self.stores))]

    async def write(self, tenant: str, count: int) -> None:
        """Append commits of one event each."""
        version = await self.keys.create(tenant)
        key = await self.keys.get(tenant, version)
        for _ in range(count):
            link, seq = self._heads.get(tenant, (GENESIS, 0))
            index = link.index + 1
            event = TenantResumed(index, f"c{index}", b"f" * 8, START_US + index, "", "test")
            line = CommitLine(
                tenant, index, event.at_us, 1, version, "test", digest_of(["c"]), link.commit_hash
            )
            payload = seal_commit(line, [event], key)
            append = Append(tenant, index, TOPIC, "tenant", payload, seq)
            [seq] = await self.store(tenant).append([append])
            self._heads[tenant] = (Link(index, hash_of(payload)), seq)

    async def read(self, tenant: str) -> list[tuple[int, str]]:
        """Open every commit, the chain checked: positions and hashes."""
        found = commits(tenant, self.store(tenant), self.keys)
        return [(commit.link.index, commit.link.commit_hash) async for commit in found]


@asynccontextmanager
async def sealed_log(settings: Settings, kek_file: Path):
    """Open the log as the worker."""
    connection = await EventStoreConnection.open(**settings.nats("worker").options())
    try:
        keyring = open_keyring(
            kek_file,
            development=True,
            data_directory=kek_file.parent,
            deployment=settings.deployment,
        )
        store = await JetStreamKeyStore.open(connection.client.jetstream())
        yield SealedLog(settings, connection, TenantKeys(store, keyring))
    finally:
        await connection.close()
