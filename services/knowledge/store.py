"""
The store: what was uploaded, and what was read from it, sealed with the twin's key, by hash.

One stream of JetStream, and in it for each thing kept (a *blob*) one message that names it:

    blob.<tenant>.<kind>.<name>.<bytes>   its key version, and the box itself or where its parts are
    part.<tenant>.<nonce>.<number>        a piece of a box that is too large for one message

The name is a keyed digest, so that nobody can compare what is kept with a guess. A blob is written
once: the first message is create-only and fenced on all of the tenant's blobs, which makes the
bounds exact as well. Parts come before it, under a nonce of their own, so that a blob is there
whole or not at all; parts of a writer that died are purged at set-up.

Erasing a twin destroys its keys and purges its subjects: nothing can be opened or found again.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, Header, RawStreamMsg, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from services.sealing.box import BoxRejected, digest, open_box, seal
from services.sealing.wrapped_keys import checked

Kind: TypeAlias = Literal["upload", "content"]

STREAM: Final = "KNOWLEDGE"
BLOB_BYTES_MAX: Final = 20 * 1024 * 1024
# Of one twin: sources are at most 1,000, and each may be ingested again and again.
TENANT_BLOBS_MAX: Final = 4_000
TENANT_BYTES_MAX: Final = 1024 * 1024 * 1024
PART_BYTES: Final = 512 * 1024
PURPOSE: Final = b"knowledge"
# No upload takes so long to store.
ORPHAN_AGE: Final = timedelta(minutes=10)
_NAME: Final = b"knowledge/name"
_NAMING_KEY: Final = 1
_FENCE_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
_WRONG_LAST_SEQUENCE: Final = (10071, 10164)  # the second: another write in flight, on replicas
_FULL: Final = 10077
_ATTEMPTS_MAX: Final = 8
_PARTS_AT_ONCE: Final = 8
_RULES: Final[dict[str, Any]] = {
    "subjects": ["blob.>", "part.>"],
    "storage": StorageType.FILE,
    "max_msgs_per_subject": 1,
    "discard": DiscardPolicy.NEW,
    "discard_new_per_subject": True,
    "allow_rollup_hdrs": False,
    "deny_delete": True,
    "deny_purge": False,
}


class NotKept(LookupError):
    """There is no such blob."""


class BlobDamaged(Exception):
    """A blob does not open, or is not what its hash says. Restore the stream from a backup."""


class StoreFull(Exception):
    """No more may be kept. Says which bound, and what to do."""


class StoreRefused(Exception):
    """The stream is not one that keeps blobs unchanged."""


class StoreBusy(Exception):
    """Other writers of the same twin won every attempt. Nothing is lost: try again."""


class Sealing(Protocol):
    """The twins' keys; see `services.sealing.tenant_keys.TenantKeys`."""

    async def active(self, tenant: str) -> int: ...

    async def get(self, tenant: str, version: int) -> bytes: ...


class _Head(msgspec.Struct, frozen=True):
    """What is said of a box. *parts* is 0 when the box follows in the same message."""

    key_version: int
    bytes: int
    parts: int = 0
    nonce: str = ""


def hash_of(data: bytes) -> str:
    """SHA-256 in hex: what a blob is asked for by. Of a content it is the hash that is approved."""
    return hashlib.sha256(data).hexdigest()


class KnowledgeStore:
    """
    Blobs of every twin. Make it with open().

    Besides what is said, every method raises KeyMissing, KeyErased, and errors of the bus.
    """

    def __init__(self, jetstream: JetStreamContext, keys: Sealing) -> None:
        self._jetstream = jetstream
        self._keys = keys

    @classmethod
    async def open(cls, jetstream: JetStreamContext, keys: Sealing) -> KnowledgeStore:
        """Find the stream that set-up created. NotFoundError; StoreRefused."""
        _check((await jetstream.stream_info(STREAM)).config)
        return cls(jetstream, keys)

    async def put(self, tenant: str, kind: Kind, data: bytes) -> str:
        """
        Seal and keep *data*; its hash. What is kept already is not written again.

        Raises StoreFull when it or all of the twin's blobs are too large; StoreBusy.
        """
        if len(data) > BLOB_BYTES_MAX:
            raise StoreFull(f"{len(data)} bytes are more than {BLOB_BYTES_MAX}: divide the source")
        found = hash_of(data)
        name = await self._name(tenant, kind, found)
        version = await self._keys.active(tenant)
        key = await self._keys.get(tenant, version)
        # In a thread: 20 MiB take a while, and others are served meanwhile.
        box = await asyncio.to_thread(
            seal, key, PURPOSE, _context(tenant, kind, found, version), data
        )
        if await self._message(f"{name}.*") is None:
            await self._write(tenant, name, _Head(version, len(data)), box)
        return found

    async def get(self, tenant: str, kind: Kind, content_hash: str) -> bytes:
        """Return what has this hash. Raises NotKept, BlobDamaged."""
        message = await self._message(f"{await self._name(tenant, kind, content_hash)}.*")
        if message is None:
            raise NotKept(f"{tenant} has no {kind} {content_hash}")
        line, _, box = (message.data or b"").partition(b"\n")
        try:
            head = msgspec.json.decode(line, type=_Head)
            if head.parts:
                box = await self._parts(tenant, head)
            key = await self._keys.get(tenant, head.key_version)
            context = _context(tenant, kind, content_hash, head.key_version)
            data = await asyncio.to_thread(open_box, key, PURPOSE, context, box)
        except (BoxRejected, msgspec.DecodeError) as problem:
            raise BlobDamaged(f"{kind} {content_hash} of {tenant}: {problem}") from problem
        if hash_of(data) != content_hash:
            raise BlobDamaged(f"{kind} {content_hash} of {tenant} has another hash")
        return data

    async def has(self, tenant: str, kind: Kind, content_hash: str) -> bool:
        """Say whether such a blob is kept; it is not opened."""
        return (
            await self._message(f"{await self._name(tenant, kind, content_hash)}.*")
        ) is not None

    async def drop(self, tenant: str, kind: Kind, content_hash: str) -> None:
        """Forget a blob, if there is one."""
        message = await self._message(f"{await self._name(tenant, kind, content_hash)}.*")
        if message is not None:
            await self._forget(tenant, message)

    async def forget_others(
        self,
        tenant: str,
        needed: Callable[[], Awaitable[set[tuple[Kind, str]]]],
        before: datetime,
    ) -> int:
        """
        Forget what was kept before a time and is not *needed*; how many blobs.

        It is asked again before each: what somebody brings back meanwhile stays.
        """
        gone = 0
        names = await self._named(tenant, await needed())
        for subject in await self._names(tenant):
            if subject.rpartition(".")[0] in names:
                continue
            message = await self._message(subject)
            if message is None or message.time is None or message.time >= before:
                continue
            names = await self._named(tenant, await needed())
            if subject.rpartition(".")[0] not in names:
                await self._forget(tenant, message)
                gone += 1
        return gone

    async def _named(self, tenant: str, blobs: set[tuple[Kind, str]]) -> set[str]:
        return {await self._name(tenant, kind, content_hash) for kind, content_hash in blobs}

    async def _forget(self, tenant: str, message: RawStreamMsg) -> None:
        line, _, _ = (message.data or b"").partition(b"\n")
        await self._jetstream.purge_stream(STREAM, subject=message.subject)
        if (nonce := msgspec.json.decode(line, type=_Head).nonce) != "":
            await self._jetstream.purge_stream(STREAM, subject=f"part.{tenant}.{nonce}.*")

    async def erase(self, tenant: str) -> None:
        """Forget everything of a twin. Needs no key; again is harmless."""
        for prefix in ("blob", "part"):
            await self._jetstream.purge_stream(STREAM, subject=f"{prefix}.{checked(tenant)}.>")

    async def kept(self, tenant: str) -> tuple[int, int]:
        """How many blobs a twin has, and how many bytes they are, unsealed."""
        sizes = [int(one.rpartition(".")[2]) for one in await self._names(tenant)]
        return len(sizes), sum(sizes)

    # -- writing ------------------------------------------------------------------------

    async def _write(self, tenant: str, name: str, head: _Head, box: bytes) -> None:
        pieces = [box[at : at + PART_BYTES] for at in range(0, len(box), PART_BYTES)]
        if len(pieces) == 1:
            await self._name_it(tenant, name, head, box)
            return
        nonce = secrets.token_hex(16)
        head = msgspec.structs.replace(head, parts=len(pieces), nonce=nonce)
        is_ours = False
        try:
            for number, piece in enumerate(pieces):
                await self._publish(f"part.{tenant}.{nonce}.{number}", piece, {})
            is_ours = await self._name_it(tenant, name, head, b"")
        finally:
            if not is_ours:
                await self._jetstream.purge_stream(STREAM, subject=f"part.{tenant}.{nonce}.*")

    async def _name_it(self, tenant: str, name: str, head: _Head, box: bytes) -> bool:
        """Write the message that makes a blob; False if somebody else has kept the same."""
        for _ in range(_ATTEMPTS_MAX):
            last = await self._message(f"blob.{tenant}.>")
            if await self._message(f"{name}.*") is not None:
                return False
            await self._check_room(tenant, head.bytes)
            fence = {
                Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(0 if last is None else last.seq),
                _FENCE_SUBJECT: f"blob.{tenant}.>",
            }
            payload = msgspec.json.encode(head) + b"\n" + box
            try:
                await self._publish(f"{name}.{head.bytes}", payload, fence)
            except BadRequestError as error:
                if error.err_code not in _WRONG_LAST_SEQUENCE:
                    raise
            else:
                return True
        raise StoreBusy(f"others write what {tenant} knows: try again")

    async def _check_room(self, tenant: str, more_bytes: int) -> None:
        blobs, size = await self.kept(tenant)
        if blobs >= TENANT_BLOBS_MAX or size + more_bytes > TENANT_BYTES_MAX:
            raise StoreFull(
                f"{tenant} keeps {blobs} documents of {size} bytes; at most {TENANT_BLOBS_MAX} of "
                f"{TENANT_BYTES_MAX} are kept: retire sources"
            )

    async def _publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        try:
            await self._jetstream.publish(subject, payload, headers=headers)
        except BadRequestError:
            raise
        except Exception as error:
            if getattr(error, "err_code", None) == _FULL:
                raise StoreFull("the store of the deployment is full: enlarge it") from error
            raise

    # -- reading ------------------------------------------------------------------------

    async def _name(self, tenant: str, kind: Kind, content_hash: str) -> str:
        key = await self._keys.get(checked(tenant), _NAMING_KEY)
        return f"blob.{tenant}.{kind}.{digest(key, _NAME, f'{kind}.{content_hash}'.encode()).hex()}"

    async def _parts(self, tenant: str, head: _Head) -> bytes:
        gate = asyncio.Semaphore(_PARTS_AT_ONCE)

        async def one(number: int) -> bytes:
            async with gate:
                found = await self._message(f"part.{tenant}.{head.nonce}.{number}")
            if found is None:
                raise BoxRejected(f"part {number} of {head.parts} is missing")
            return found.data or b""

        return b"".join(await asyncio.gather(*(one(number) for number in range(head.parts))))

    async def _message(self, subject: str) -> RawStreamMsg | None:
        """The last message of a subject, asked of the stream's leader: a replica may lag behind."""
        try:
            return await self._jetstream.get_last_msg(STREAM, subject)
        except NotFoundError:
            return None

    async def _names(self, tenant: str) -> Sequence[str]:
        info = await self._jetstream.stream_info(STREAM, subjects_filter=f"blob.{tenant}.>")
        return list(info.state.subjects or {})


def _context(tenant: str, kind: Kind, content_hash: str, version: int) -> tuple[bytes, ...]:
    return tenant.encode(), kind.encode(), content_hash.encode(), str(version).encode()


def _check(found: StreamConfig) -> None:
    for rule, value in _RULES.items():
        if getattr(found, rule) != value:
            raise StoreRefused(
                f"stream {STREAM} has {rule}={getattr(found, rule)}; what twins know is kept "
                f"unchanged only with {rule}={value}. Remedy: back the stream up, delete it, start "
                "again so that it is created, and put its messages back."
            )


async def create_stream(jetstream: JetStreamContext, *, replicas: int, bytes_max: int) -> None:
    """Create the stream, or check the one that exists. Raises StoreRefused."""
    try:
        found = (await jetstream.stream_info(STREAM)).config
    except NotFoundError:
        wanted = StreamConfig(STREAM, num_replicas=replicas, max_bytes=bytes_max, **_RULES)
        found = (await jetstream.add_stream(wanted)).config
    _check(found)


async def purge_orphans(jetstream: JetStreamContext, *, now: datetime) -> int:
    """
    Purge parts that no blob names, and say of how many boxes they were.

    Parts younger than ORPHAN_AGE are left: their writer may be about to name them.
    """
    # In this order: what is written meanwhile has its name among the second.
    written = {_box_of(subject) for subject in await _subjects(jetstream, "part.>")}
    if not written:
        return 0
    named: set[str] = set()
    for subject in await _subjects(jetstream, "blob.>"):
        try:
            message = await jetstream.get_last_msg(STREAM, subject)
        except NotFoundError:
            continue  # dropped meanwhile, with its parts
        head = msgspec.json.decode((message.data or b"").partition(b"\n")[0], type=_Head)
        named.add(f"{subject.split('.')[1]}.{head.nonce}")
    orphans = 0
    for box in sorted(written - named):
        message = await jetstream.get_last_msg(STREAM, f"part.{box}.*")
        if message.time is not None and now - message.time > ORPHAN_AGE:
            await jetstream.purge_stream(STREAM, subject=f"part.{box}.*")
            orphans += 1
    return orphans


async def _subjects(jetstream: JetStreamContext, pattern: str) -> list[str]:
    info = await jetstream.stream_info(STREAM, subjects_filter=pattern)
    return list(info.state.subjects or {})


def _box_of(subject: str) -> str:
    _, tenant, nonce, _ = subject.split(".")
    return f"{tenant}.{nonce}"
