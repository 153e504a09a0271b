"""
Snapshots: a tenant's state beside its log, never in place of it.

A snapshot may be lost, stale or dropped at any time: then more of the log is folded. It is sealed
like a commit, and it names the commit that it stands on, so that one of another log is not used.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
import structlog
from nats.js import JetStreamContext
from nats.js.api import ObjectMeta, StorageType
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from domain.state import State
from services.sealing.box import BoxRejected, open_box, seal
from services.tenant_log.codec import Link

BUCKET = "SNAPSHOTS"
SNAPSHOT_BYTES_MAX = 64_000_000
PURPOSE = b"snapshot"
# A change of what State means makes older snapshots worthless, not wrong: they are skipped.
STATE_VERSION = 1

_log = structlog.get_logger()


class Snapshot(msgspec.Struct, array_like=True):
    """An encoded state, and the commit after which it was taken."""

    state_version: int
    index: int
    commit_hash: str
    seq: int
    state_bytes: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode
_decode_state = msgspec.msgpack.Decoder(State).decode


class Restored(NamedTuple):
    """A state from a snapshot, the chain's link that it stands on, and that commit's sequence."""

    state: State
    link: Link
    seq: int


def encode_state(state: State) -> bytes:
    """Freeze a state; the caller goes on changing it."""
    return _encode(state)


def encode(frozen_state: bytes, link: Link, seq: int) -> bytes:
    """Say where a frozen state stands."""
    return _encode(Snapshot(STATE_VERSION, link.index, link.commit_hash, seq, frozen_state))


class SnapshotStore:
    """Sealed snapshots in an object store; the newest of each tenant."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @classmethod
    async def open(cls, jetstream: JetStreamContext) -> SnapshotStore:
        """Open the bucket that set-up created."""
        return cls(await jetstream.object_store(BUCKET))

    async def put(self, tenant: str, frozen: bytes, key: bytes, key_version: int) -> None:
        """Seal and store; the sealing runs in a thread, so that decisions go on."""
        if len(frozen) > SNAPSHOT_BYTES_MAX:
            _log.warning("snapshot_too_large", tenant=tenant, bytes=len(frozen))
            return
        context = (tenant.encode(), str(key_version).encode())
        box = await asyncio.to_thread(seal, key, PURPOSE, context, frozen)
        await self._objects.put(tenant, box, ObjectMeta(description=str(key_version)))

    async def find(self, tenant: str) -> tuple[bytes, int] | None:
        """Return the sealed snapshot and its key version, or None."""
        try:
            found = await self._objects.get(tenant)
        except NotFoundError:
            return None
        if found.data is None or not (found.info.description or "").isdigit():
            return None
        return found.data, int(found.info.description or "0")

    async def drop(self, tenant: str) -> None:
        """Forget a tenant's snapshot; the log still has everything."""
        await self._objects.delete(tenant)


def open_snapshot(tenant: str, box: bytes, key: bytes, key_version: int) -> Restored | None:
    """Open a sealed snapshot; None when it is of no use, and the log says why."""
    context = (tenant.encode(), str(key_version).encode())
    try:
        snapshot = _decode(open_box(key, PURPOSE, context, box))
        if snapshot.state_version != STATE_VERSION:
            _log.warning("snapshot_unusable", tenant=tenant, reason="another version of the state")
            return None
        state = _decode_state(snapshot.state_bytes)
    except (BoxRejected, msgspec.DecodeError) as problem:
        _log.warning("snapshot_unusable", tenant=tenant, reason=str(problem))
        return None
    return Restored(state, Link(snapshot.index, snapshot.commit_hash), snapshot.seq)


async def create_bucket(jetstream: JetStreamContext, *, replicas: int, bytes_max: int) -> None:
    """Create the bucket; nothing happens when it exists."""
    await jetstream.create_object_store(
        BUCKET, storage=StorageType.FILE, replicas=replicas, max_bytes=bytes_max
    )
