"""
Snapshots: a tenant's state beside its log, never in place of it.

A snapshot may be lost, stale or dropped at any time: then more of the log is folded. It is sealed
like a commit, and it names the commit that it stands on, so that one of another log is not used.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import msgspec
import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import ObjectMeta, StorageType
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from domain.state import State, layout
from services.sealing.box import OVERHEAD_BYTES, BoxRejected, open_box, seal
from services.tenant_log.codec import Link

BUCKET = "SNAPSHOTS"
STREAM = f"OBJ_{BUCKET}"
SNAPSHOT_BYTES_MAX = 64_000_000
PURPOSE = b"snapshot"
# How long a stored chunk may take to arrive; what is not there never does.
CHUNK_S = 1.0
# No snapshot takes so long to store.
ORPHAN_AGE = timedelta(minutes=10)
# A snapshot may be replaced by a newer one while it is read.
_READS_MAX = 3
_META = f"$O.{BUCKET}.M."
_CHUNKS = f"$O.{BUCKET}.C."

_log = structlog.get_logger()


class Snapshot(msgspec.Struct, array_like=True):
    """An encoded state and its layout, and the commit after which it was taken."""

    layout: int
    index: int
    commit_hash: str
    seq: int
    state_bytes: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode
_decode_state = msgspec.msgpack.Decoder(State).decode


class _Meta(msgspec.Struct, frozen=True):
    """What an object store says of an object."""

    nuid: str
    size: int
    chunks: int
    digest: str
    description: str = ""
    deleted: bool = False


_decode_meta = msgspec.json.Decoder(_Meta).decode


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
    return _encode(Snapshot(layout(), link.index, link.commit_hash, seq, frozen_state))


class SnapshotStore:
    """Sealed snapshots in an object store; the newest of each tenant."""

    def __init__(self, jetstream: JetStreamContext, objects: ObjectStore) -> None:
        self._jetstream = jetstream
        self._objects = objects

    @classmethod
    async def open(cls, jetstream: JetStreamContext) -> SnapshotStore:
        """Open the bucket that set-up created."""
        return cls(jetstream, await jetstream.object_store(BUCKET))

    async def put(self, tenant: str, frozen: bytes, key: bytes, key_version: int) -> None:
        """Seal and store; the sealing runs in a thread, so that decisions go on."""
        if len(frozen) > SNAPSHOT_BYTES_MAX:
            _log.warning("snapshot_too_large", tenant=tenant, bytes=len(frozen))
            return
        context = (tenant.encode(), str(key_version).encode())
        box = await asyncio.to_thread(seal, key, PURPOSE, context, frozen)
        await self._objects.put(tenant, box, ObjectMeta(description=str(key_version)))

    async def find(self, tenant: str) -> tuple[bytes, int] | None:
        """Return the sealed snapshot and its key version; None if there is none that is whole."""
        try:
            for _ in range(_READS_MAX):
                meta = await self._meta(tenant)
                if meta is None or meta.deleted:
                    return None
                if not meta.description.isdigit() or not _fits(meta):
                    break
                box = await self._read(meta)
                if box is not None:
                    return box, int(meta.description)
        except (NatsError, OSError, TimeoutError, msgspec.DecodeError) as problem:
            _unusable(tenant, str(problem) or type(problem).__name__)
            return None
        _unusable(tenant, "it is not whole")
        return None

    async def _meta(self, tenant: str) -> _Meta | None:
        subject = _META + base64.urlsafe_b64encode(tenant.encode()).decode()
        try:
            found = await self._jetstream.get_last_msg(STREAM, subject)
        except NotFoundError:
            return None
        return _decode_meta(found.data or b"")

    async def _read(self, meta: _Meta) -> bytes | None:
        """
        Return an object's bytes, or None when they are not all there or not the ones described.

        Chunk by chunk, each a question with an end: the library's own reader waits for ever for a
        chunk that was purged meanwhile, because a newer snapshot has replaced it.
        """
        chunks: list[bytes] = []
        seq = 0
        for _ in range(meta.chunks):
            try:
                async with asyncio.timeout(CHUNK_S):
                    found = await self._jetstream.get_msg(
                        STREAM, seq=seq + 1, subject=_CHUNKS + meta.nuid, next=True
                    )
            except NotFoundError:
                return None
            chunks.append(found.data or b"")
            seq = found.seq or 0
        box = b"".join(chunks)
        digest = base64.urlsafe_b64encode(sha256(box).digest()).decode()
        return box if len(box) == meta.size and meta.digest == f"SHA-256={digest}" else None

    async def drop(self, tenant: str) -> None:
        """Forget a tenant's snapshot, if there is one; the log still has everything."""
        with suppress(NotFoundError):
            await self._objects.delete(tenant)


def open_snapshot(tenant: str, box: bytes, key: bytes, key_version: int) -> Restored | None:
    """Open a sealed snapshot; None when it is of no use, and the log says why."""
    context = (tenant.encode(), str(key_version).encode())
    try:
        snapshot = _decode(open_box(key, PURPOSE, context, box))
        if snapshot.layout != layout():
            _unusable(tenant, "another layout of the state")
            return None
        state = _decode_state(snapshot.state_bytes)
    except (BoxRejected, msgspec.DecodeError) as problem:
        _unusable(tenant, str(problem))
        return None
    return Restored(state, Link(snapshot.index, snapshot.commit_hash), snapshot.seq)


def _fits(meta: _Meta) -> bool:
    return 0 < meta.size <= SNAPSHOT_BYTES_MAX + OVERHEAD_BYTES and 0 < meta.chunks <= meta.size


def _unusable(tenant: str, reason: str) -> None:
    _log.warning("snapshot_unusable", tenant=tenant, reason=reason)


async def purge_orphans(jetstream: JetStreamContext, *, now: datetime) -> int:
    """
    Purge chunks that no snapshot names, and say of how many objects they were.

    A worker that dies while it stores a snapshot, or before it has purged the one that it replaced,
    leaves them behind, and nobody else would ever look. Chunks younger than ORPHAN_AGE are left:
    they may be of one that is being stored now.
    """
    # In this order: what is stored meanwhile has its name among the second.
    stored = await _tokens(jetstream, _CHUNKS)
    named = set()
    for token in await _tokens(jetstream, _META):
        found = await jetstream.get_last_msg(STREAM, _META + token)
        with suppress(msgspec.DecodeError):
            meta = _decode_meta(found.data or b"")
            if not meta.deleted:
                named.add(meta.nuid)
    orphans = [nuid for nuid in sorted(stored - named) if await _is_old(jetstream, nuid, now)]
    for nuid in orphans:
        await jetstream.purge_stream(STREAM, subject=_CHUNKS + nuid)
    return len(orphans)


async def _tokens(jetstream: JetStreamContext, prefix: str) -> set[str]:
    info = await jetstream.stream_info(STREAM, subjects_filter=f"{prefix}>")
    return {subject.removeprefix(prefix) for subject in info.state.subjects or {}}


async def _is_old(jetstream: JetStreamContext, nuid: str, now: datetime) -> bool:
    try:
        last = await jetstream.get_last_msg(STREAM, _CHUNKS + nuid)
    except NotFoundError:
        return False  # its worker has purged it meanwhile
    return last.time is not None and now - last.time > ORPHAN_AGE


async def create_bucket(jetstream: JetStreamContext, *, replicas: int, bytes_max: int) -> None:
    """Create the bucket; nothing happens when it exists."""
    await jetstream.create_object_store(
        BUCKET, storage=StorageType.FILE, replicas=replicas, max_bytes=bytes_max
    )
