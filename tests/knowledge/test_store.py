"""What twins know, kept in a real JetStream: sealed, bounded, once, and forgotten."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

import nats
import pytest
from nats.js.api import StreamConfig

from services.knowledge import store as module
from services.knowledge.store import (
    STREAM,
    BlobDamaged,
    KnowledgeStore,
    NotKept,
    StoreFull,
    StoreRefused,
    create_stream,
    hash_of,
    purge_orphans,
)
from services.sealing.keyring import Keyring
from services.sealing.tenant_keys import TenantKeys
from services.sealing.wrapped_keys import KeyErased, MemoryKeyStore
from tests.conftest import TEST_USER

SECRET = b"Lo que dijo el entrenador en el vestuario. "
LARGE = SECRET + os.urandom(3 * module.PART_BYTES)


@pytest.fixture
async def jetstream(own_nats):
    connection = await nats.connect(own_nats.url_for(TEST_USER))
    jetstream = connection.jetstream(timeout=2)
    await create_stream(jetstream, replicas=1, bytes_max=100_000_000)
    yield jetstream
    await connection.close()


@pytest.fixture
async def keys() -> TenantKeys:
    made = TenantKeys(MemoryKeyStore(), Keyring("test", 1, {1: b"1" * 32}))
    for tenant in ("cantor", "fernandez"):
        await made.create(tenant)
    return made


@pytest.fixture
async def store(jetstream, keys) -> KnowledgeStore:
    return await KnowledgeStore.open(jetstream, keys)


async def messages(jetstream) -> int:
    return (await jetstream.stream_info(STREAM)).state.messages


@pytest.mark.parametrize("data", [b"", SECRET, LARGE], ids=["nothing", "small", "in parts"])
async def test_what_was_put_is_found_by_its_hash(store, data):
    """In one message or in several, and after the twin's key was rotated."""
    found = await store.put("cantor", "content", data)
    await store._keys.rotate("cantor", after=1)

    assert found == hash_of(data)
    assert await store.get("cantor", "content", found) == data
    assert await store.put("cantor", "content", data) == found


async def test_nothing_clear_is_stored(store, jetstream):
    """Neither the text nor its hash, which somebody could compare with a guess."""
    found = await store.put("cantor", "upload", SECRET)
    subjects = (await jetstream.stream_info(STREAM, subjects_filter=">")).state.subjects
    (subject,) = subjects
    message = await jetstream.get_last_msg(STREAM, subject)

    assert SECRET.split()[3] not in message.data
    assert found not in subject
    assert found.encode() not in message.data


async def test_it_is_the_twins_alone(store):
    """The same bytes of two twins are two boxes, and a hash opens only one's own."""
    found = await store.put("cantor", "content", SECRET)

    for tenant, kind in (("fernandez", "content"), ("cantor", "upload")):
        with pytest.raises(NotKept):
            await store.get(tenant, kind, found)
    assert not await store.has("fernandez", "content", found)


async def test_a_box_of_another_place_does_not_open(store, jetstream, keys):
    """Whoever can write to the stream cannot make one document pass for another."""
    true = await store.put("cantor", "content", b"approved")
    await store.put("cantor", "content", b"never approved")
    subjects = (await jetstream.stream_info(STREAM, subjects_filter=">")).state.subjects
    name = await store._name("cantor", "content", true)
    (other,) = [one for one in subjects if not one.startswith(name)]
    box = (await jetstream.get_last_msg(STREAM, other)).data
    await store.drop("cantor", "content", true)
    await jetstream.publish(f"{name}.8", box)

    with pytest.raises(BlobDamaged):
        await store.get("cantor", "content", true)


async def test_a_part_that_is_missing_is_noticed(store, jetstream):
    """A document must not come back shorter than it was."""
    found = await store.put("cantor", "upload", LARGE)
    await jetstream.purge_stream(STREAM, subject="part.cantor.*.1")

    with pytest.raises(BlobDamaged, match="part 1 of 4"):
        await store.get("cantor", "upload", found)


async def test_two_who_put_the_same_leave_one(store, jetstream):
    """Parts of who was later are not left behind."""
    found = await asyncio.gather(*(store.put("cantor", "upload", LARGE) for _ in range(3)))

    assert len(set(found)) == 1
    assert await messages(jetstream) == 1 + 4
    assert await store.get("cantor", "upload", found[0]) == LARGE


async def test_the_bounds_hold_for_those_who_come_together(store, monkeypatch):
    """Each twin has its own; what is kept already takes no more room."""
    monkeypatch.setattr(module, "TENANT_BLOBS_MAX", 3)
    outcomes = await asyncio.gather(
        *(store.put("cantor", "upload", b"%d" % n) for n in range(5)), return_exceptions=True
    )

    assert sum(isinstance(one, str) for one in outcomes) == 3
    assert sum(isinstance(one, StoreFull) for one in outcomes) == 2
    kept = next(n for n, one in enumerate(outcomes) if isinstance(one, str))
    await store.put("cantor", "upload", b"%d" % kept)
    await store.put("fernandez", "upload", b"0")
    assert await store.kept("cantor") == (3, 3)


async def test_too_much_is_refused(store, monkeypatch):
    """One that is too large, and one more than all may be together."""
    monkeypatch.setattr(module, "BLOB_BYTES_MAX", 1_000)
    monkeypatch.setattr(module, "TENANT_BYTES_MAX", 1_500)
    with pytest.raises(StoreFull, match="divide the source"):
        await store.put("cantor", "upload", bytes(1_001))
    await store.put("cantor", "upload", bytes(1_000))
    with pytest.raises(StoreFull, match="retire sources"):
        await store.put("cantor", "upload", bytes(501))

    assert await store.kept("cantor") == (1, 1_000)


async def test_an_erased_twin_leaves_nothing(store, jetstream, keys):
    """Its neighbour keeps everything."""
    gone = await store.put("cantor", "upload", LARGE)
    stays = await store.put("fernandez", "upload", LARGE)
    await store.erase("cantor")
    await keys.delete("cantor")

    with pytest.raises(KeyErased):
        await store.get("cantor", "upload", gone)
    assert await messages(jetstream) == 1 + 4
    assert await store.get("fernandez", "upload", stays) == LARGE


async def test_a_dropped_blob_is_gone_with_its_parts(store, jetstream):
    """And can be put again."""
    found = await store.put("cantor", "upload", LARGE)
    await store.drop("cantor", "upload", found)
    await store.drop("cantor", "upload", found)

    assert await messages(jetstream) == 0
    assert await store.put("cantor", "upload", LARGE) == found


async def test_parts_of_a_writer_that_died_are_purged(store, jetstream):
    """But not those of one that may still be writing, and none that belong to a blob."""
    await store.put("cantor", "upload", LARGE)
    await jetstream.publish("part.cantor.0123.0", b"left behind")
    now = datetime.now(UTC)

    assert await purge_orphans(jetstream, now=now) == 0
    assert await purge_orphans(jetstream, now=now + timedelta(hours=1)) == 1
    assert await messages(jetstream) == 1 + 4


async def test_a_stream_that_can_be_overwritten_is_refused(jetstream, keys):
    """Somebody may have made it by hand."""
    await jetstream.delete_stream(STREAM)
    await jetstream.add_stream(StreamConfig(STREAM, subjects=["blob.>", "part.>"]))

    with pytest.raises(StoreRefused, match="max_msgs_per_subject"):
        await KnowledgeStore.open(jetstream, keys)
    with pytest.raises(StoreRefused):
        await create_stream(jetstream, replicas=1, bytes_max=1_000_000)
