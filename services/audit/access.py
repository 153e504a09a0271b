"""The log, the keys that open it and the snapshots beside it, as the role `auditor` sees them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from nats.js.errors import NotFoundError

from contracts.message import TENANT_PATTERN
from contracts.subjects import shard_of
from services import deployment_log, run_file
from services.client import GateClient
from services.client.connection import NotConnected
from services.client.patience import Patience
from services.eventstore.connection import EventStoreConnection
from services.eventstore.store import EventStore
from services.failure import Failure
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.settings import Settings
from services.tenant_log.snapshots import SnapshotStore

CONNECT_S = 5.0
# A question of an auditor can wait for a failover, but not for ever.
PATIENCE = Patience(deadline_s=5.0, attempt_s=1.5)


class Access(msgspec.Struct, frozen=True):
    """Everything an audit reads. *snapshots* is None where the bucket was never made."""

    settings: Settings
    connection: EventStoreConnection
    stores: list[EventStore]
    keys: TenantKeys
    snapshots: SnapshotStore | None

    def shard_of(self, tenant: str) -> int:
        """Return the shard that a tenant's log belongs in."""
        return shard_of(tenant, len(self.stores))

    def store_of(self, tenant: str) -> EventStore:
        """Return the stream that a tenant's log is in."""
        return self.stores[self.shard_of(tenant)]

    def gate(self, tenant: str, patience: Patience = PATIENCE) -> GateClient:
        """Return a client that may ask the live gate about a tenant, and nothing else."""
        return GateClient(self.connection.client, tenant, patience=patience)

    async def end_of(self, shard: int) -> int:
        """Return the last sequence of a shard's stream."""
        info = await self.connection.api(f"STREAM.INFO.{self.stores[shard].names.stream}")
        return int(info["state"]["last_seq"])


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Access]:
    """Open everything; never creates what is missing. Raises Failure when nobody answers."""
    connection = await _connected(settings)
    try:
        jetstream = connection.client.jetstream()
        keyring = open_keyring(
            settings.kek_file or settings.data_dir / "kek.json",
            # In development a missing keyring is created; an auditor has no use for a new one.
            development=False,
            data_directory=settings.data_dir,
            deployment=settings.deployment,
        )
        try:
            snapshots = await SnapshotStore.open(jetstream)
        except NotFoundError:
            snapshots = None
        yield Access(
            settings,
            connection,
            deployment_log.open_stores(connection, settings.shards),
            TenantKeys(await JetStreamKeyStore.open(jetstream), keyring),
            snapshots,
        )
    finally:
        await connection.close()


async def _connected(settings: Settings) -> EventStoreConnection:
    problems: list[str] = []

    async def note(problem: Exception) -> None:
        problems[:] = [str(problem) or type(problem).__name__]

    try:
        # A service waits longer; somebody who typed a command wants to be told soon.
        async with asyncio.timeout(CONNECT_S):
            return await EventStoreConnection.open(
                **settings.nats("auditor").options(), error_cb=note
            )
    except TimeoutError:
        reason = problems[0] if problems else f"no answer within {CONNECT_S:g} s"
        raise NotConnected(
            f"No connection to the bus: {reason}",
            "start everything with `vito up`, or correct the address or the login.",
        ) from None


def settings_in(data_dir: Path | None) -> Settings:
    """Return the settings of a command: of the environment, and of what `vito up` runs there."""
    env = dict(os.environ)
    if data_dir is not None:
        env["VITO_DATA_DIR"] = str(data_dir)
    return run_file.settings(env)


def tenant_named(text: str) -> str:
    """Return *text* if it can be a twin's name; raises Failure."""
    if re.fullmatch(TENANT_PATTERN, text) is None:
        raise Failure(
            f"{text!r} is not the name of a twin.",
            "use the name it was provisioned under: lower-case letters, digits and dashes.",
        )
    return text
