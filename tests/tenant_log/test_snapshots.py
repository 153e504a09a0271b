"""Snapshots in a real object store: found again, replaced, and never trusted for being there."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from datetime import UTC, datetime, timedelta

import nats
import pytest

from services import setup
from services.sealing.box import open_box
from services.settings import Settings
from services.tenant_log import snapshots
from services.tenant_log.snapshots import PURPOSE, SnapshotStore, create_bucket, purge_orphans
from tests.conftest import TEST_USER

KEY = b"k" * 32
LARGE = os.urandom(700_000)  # six chunks


@pytest.fixture
async def jetstream(own_nats):
    connection = await nats.connect(own_nats.url_for(TEST_USER))
    jetstream = connection.jetstream(timeout=1)
    await create_bucket(jetstream, replicas=1, bytes_max=50_000_000)
    yield jetstream
    await connection.close()


@pytest.fixture
async def store(jetstream) -> SnapshotStore:
    return await SnapshotStore.open(jetstream)


def opened(found, tenant: str = "cantor") -> bytes:
    box, version = found
    return open_box(KEY, PURPOSE, (tenant.encode(), str(version).encode()), box)


async def test_what_was_put_is_found(store):
    """Small or of several chunks, with the version of the key that seals it."""
    await store.put("cantor", b"small", KEY, 1)
    await store.put("fernandez", LARGE, KEY, 7)

    assert opened(await store.find("cantor")) == b"small"
    found = await store.find("fernandez")
    assert opened(found, "fernandez") == LARGE
    assert found[1] == 7


async def test_nothing_clear_is_stored(store, jetstream):
    """It holds a tenant's money and sessions."""
    await store.put("cantor", b"remaining money" * 100, KEY, 1)
    stored = await (await jetstream.object_store(snapshots.BUCKET)).get("cantor")

    assert b"remaining" not in stored.data


async def test_a_newer_one_replaces_it_and_leaves_nothing(store, jetstream):
    """One snapshot a tenant: space must not grow with time."""
    for number in range(4):
        await store.put("cantor", LARGE + bytes([number]), KEY, 1)

    assert opened(await store.find("cantor")) == LARGE + b"\3"
    state = (await jetstream.stream_info(snapshots.STREAM)).state
    assert state.messages == 6 + 1


async def test_a_dropped_one_is_gone(store):
    """Dropping is always allowed; the log has everything."""
    await store.put("cantor", b"small", KEY, 1)
    await store.drop("cantor")

    assert await store.find("cantor") is None
    assert await store.find("nobody") is None


async def test_one_that_is_too_large_is_not_stored(store, monkeypatch):
    """Half a snapshot is worse than none, and a bucket has an end."""
    monkeypatch.setattr(snapshots, "SNAPSHOT_BYTES_MAX", 100)
    await store.put("cantor", b"x" * 101, KEY, 1)

    assert await store.find("cantor") is None


async def meta_of(jetstream, tenant: str = "cantor") -> tuple[str, dict]:
    info = await (await jetstream.object_store(snapshots.BUCKET)).get_info(tenant)
    subject = f"$O.SNAPSHOTS.M.{base64.urlsafe_b64encode(tenant.encode()).decode()}"
    return subject, info.as_dict()


async def test_missing_chunks_do_not_hold_a_worker_up(store, jetstream, monkeypatch):
    """Another worker replaced it at the wrong moment, or died in the middle of it."""
    monkeypatch.setattr(snapshots, "CHUNK_S", 0.1)
    await store.put("cantor", LARGE, KEY, 1)
    _, meta = await meta_of(jetstream)
    await jetstream.purge_stream(snapshots.STREAM, subject=f"$O.SNAPSHOTS.C.{meta['nuid']}")

    async with asyncio.timeout(5):
        assert await store.find("cantor") is None


async def test_one_that_is_replaced_while_it_is_read(store, jetstream, monkeypatch):
    """The chunks of the old one are gone; the new one is as good."""
    monkeypatch.setattr(snapshots, "CHUNK_S", 0.1)
    await store.put("cantor", LARGE, KEY, 1)
    read = store._read

    async def read_too_late(meta):
        monkeypatch.setattr(store, "_read", read)
        await store.put("cantor", b"newer", KEY, 1)
        return await read(meta)

    monkeypatch.setattr(store, "_read", read_too_late)

    assert opened(await store.find("cantor")) == b"newer"


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "SHA-256=AAAA"},
        {"chunks": 5},
        {"chunks": 7},
        {"size": 10**12},
        {"description": "x"},
        {"nuid": "somebody-elses"},
    ],
)
async def test_a_description_that_does_not_fit(store, jetstream, monkeypatch, change):
    """Whatever is wrong with it, the log is folded instead."""
    monkeypatch.setattr(snapshots, "CHUNK_S", 0.1)
    await store.put("cantor", LARGE, KEY, 1)
    subject, meta = await meta_of(jetstream)
    await jetstream.publish(subject, json.dumps({**meta, **change}).encode())

    assert await store.find("cantor") is None


async def test_a_description_that_cannot_be_read(store, jetstream):
    """Garbage is not a reason to serve nobody."""
    await store.put("cantor", b"small", KEY, 1)
    subject, _ = await meta_of(jetstream)
    await jetstream.publish(subject, b"garbage")

    assert await store.find("cantor") is None


async def test_dropping_what_is_not_there(store):
    """An erasure that is repeated drops again what it dropped before."""
    await store.put("cantor", b"small", KEY, 1)
    await store.drop("cantor")
    await store.drop("cantor")
    await store.drop("nobody")


async def interrupted(store, jetstream, monkeypatch) -> None:
    """A worker that is killed after the chunks and before the description."""

    async def killed(*_arguments, **_more):
        raise asyncio.CancelledError

    publish = jetstream.publish

    async def until_the_description(subject, *arguments, **more):
        await (killed if ".M." in subject else publish)(subject, *arguments, **more)

    monkeypatch.setattr(jetstream, "publish", until_the_description)
    with pytest.raises(asyncio.CancelledError):
        await store.put("killed", LARGE, KEY, 1)
    monkeypatch.undo()


async def test_chunks_that_a_killed_worker_left_are_purged(store, jetstream, monkeypatch):
    """They would fill the bucket in the end; nobody else knows that they are there."""
    await store.put("cantor", LARGE, KEY, 1)
    await interrupted(store, jetstream, monkeypatch)
    before = (await jetstream.stream_info(snapshots.STREAM)).state.messages
    assert before == 6 + 1 + 6

    now = datetime.now(UTC)
    assert await purge_orphans(jetstream, now=now) == 0, "it may be on its way"
    assert await purge_orphans(jetstream, now=now + timedelta(minutes=11)) == 1
    assert await purge_orphans(jetstream, now=now + timedelta(minutes=11)) == 0

    assert opened(await store.find("cantor")) == LARGE
    assert (await jetstream.stream_info(snapshots.STREAM)).state.messages == 6 + 1


async def test_set_up_purges_them(own_nats, monkeypatch):
    """With the rights that set-up has, which are not those of a worker."""
    passwords = {user.role: user.password for user in own_nats.config.users}
    settings = Settings(nats_urls=(own_nats.url,), nats_passwords=passwords)
    await setup.streams(settings)
    connection = await nats.connect(own_nats.url_for(TEST_USER))
    jetstream = connection.jetstream()
    await interrupted(await SnapshotStore.open(jetstream), jetstream, monkeypatch)
    monkeypatch.setattr(snapshots, "ORPHAN_AGE", timedelta(0))

    await setup.streams(settings)

    assert (await jetstream.stream_info(snapshots.STREAM)).state.messages == 0
    await connection.close()


async def test_a_bus_that_is_gone(store, own_nats):
    """Then the log cannot be read either, and that is what will be said."""
    await store.put("cantor", b"small", KEY, 1)
    own_nats.kill()

    assert await store.find("cantor") is None
