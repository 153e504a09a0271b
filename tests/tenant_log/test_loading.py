"""A log in a real stream with its snapshot in a real bucket, loaded as a worker loads it."""

from __future__ import annotations

import pytest

from services.eventstore.appending import Append
from services.eventstore.connection import EventStoreConnection
from services.eventstore.store import EventStore
from services.eventstore.stream import StreamSettings, ensure_stream
from services.tenant_log.replay import fold
from services.tenant_log.snapshots import SnapshotStore, create_bucket, encode, encode_state
from tests.audit.written_log import WrittenLog
from tests.conftest import TEST_USER

SNAPSHOT_AT = 30


@pytest.fixture
async def connection(own_nats):
    connection = await EventStoreConnection.open(own_nats.url_for(TEST_USER))
    yield connection
    await connection.close()


@pytest.fixture
async def stores(connection) -> tuple[EventStore, SnapshotStore]:
    await ensure_stream(connection, StreamSettings("EVT_0", "evt.0", max_bytes=100_000_000))
    jetstream = connection.client.jetstream()
    await create_bucket(jetstream, replicas=1, bytes_max=50_000_000)
    return EventStore(connection, stream="EVT_0", prefix="evt.0"), await SnapshotStore.open(
        jetstream
    )


async def store_all(store: EventStore, log: WrittenLog, *, after: int = 0) -> None:
    for recorded in log.stored[after:]:
        noun = recorded.subject.rpartition(".")[2]
        expected = await store.last_seq(log.tenant)
        await store.append(
            [Append(log.tenant, recorded.version, recorded.topic, noun, recorded.state, expected)]
        )


async def test_only_what_came_after_the_snapshot_is_folded(stores):
    """What makes a tenant with a million events ready at once is not folding them."""
    store, snapshots = stores
    log = WrittenLog()
    log.calls((SNAPSHOT_AT - 1) // 2, together=4)
    log.do(log.top_up(1))
    assert len(log.stored) == SNAPSHOT_AT
    await store_all(store, log)
    seq = await store.last_seq(log.tenant)
    snapshot = encode(encode_state(log.state), log.writer.acked, seq)
    await snapshots.put(log.tenant, snapshot, log.key, 1)
    log.calls(3, together=5)
    await store_all(store, log, after=SNAPSHOT_AT)

    folded = await fold(log.tenant, store, log, snapshots)
    assert (folded.commits, folded.events) == (6, 30)
    assert folded.state == log.state
    assert folded.link == log.writer.acked

    await snapshots.drop(log.tenant)
    everything = await fold(log.tenant, store, log, snapshots)
    assert everything.commits == len(log.stored)
    assert everything.state == log.state
