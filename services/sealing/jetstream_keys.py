"""
Wrapped tenant keys in JetStream: the key-value bucket KEYS, key `<tenant>.<version>` as it was
made and `<tenant>.<version>.<kek version>` as it was wrapped again.

The bucket is made by us because an ordinary one cannot forget: clients set `deny_delete` on it,
and its purge and delete only hide a message, whose bytes stay in the server's block file. Here

- a key is create-only in the server's own eyes (one message per subject, new ones discarded, no
  rollup, no purge), and every write is fenced on `$KV.KEYS.<tenant>.>`, the same string each time;
- erase() first writes `<tenant>.erased`, after which no write of a late process passes the fence
  and every read is refused, and then overwrites each key (STREAM.MSG.DELETE without `no_erase`).

On one server the bytes are gone when erase() returns. With replicas each server's Raft log holds
them until its next compaction, two to three minutes later. Not reached: backups of the bucket, and
servers with encryption at rest, which skip the overwriting. Without the KEK all these are noise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, Header, RawStreamMsg, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NoStreamResponseError, NotFoundError

from services.sealing.wrapped_keys import DekVersion, KeyErased, KeyMissing, checked

BUCKET: Final = "KEYS"
STREAM: Final = f"KV_{BUCKET}"
_PREFIX: Final = f"$KV.{BUCKET}."
_ERASED: Final = "erased"
_ATTEMPTS_MAX: Final = 8
# Nobody takes a write while the replicas elect a leader, or another node has yet to hear of a new
# bucket. Nothing of it was stored, so it is safe to send again.
_LEADER_ATTEMPTS_MAX: Final = 50
_LEADER_PAUSE_S: Final = 0.1
_FENCE_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
_WRONG_LAST_SEQUENCE: Final = (10071, 10164)  # the second: another write in flight, on replicas
_NO_MESSAGE: Final = 10037
_BOUNDS: Final[dict[str, Any]] = {"max_msg_size": 1_024, "max_bytes": 256 * 1024 * 1024}
# What makes the bucket keep keys unchanged, and able to erase them (the last one).
_RULES: Final[dict[str, Any]] = {
    "subjects": [f"{_PREFIX}>"],
    "storage": StorageType.FILE,
    "max_msgs_per_subject": 1,
    "discard": DiscardPolicy.NEW,
    "discard_new_per_subject": True,
    "allow_rollup_hdrs": False,
    "deny_purge": True,
    "deny_delete": False,
}


class KeyStoreRefused(Exception):
    """The KEYS bucket is not one that keeps keys unchanged and can forget them."""


class KeyStoreBusy(Exception):
    """Other writers of the same tenant won every attempt. Nothing is lost: try again."""


class JetStreamKeyStore:
    """Wrapped keys in the bucket KEYS. Make it with open()."""

    def __init__(
        self,
        jetstream: JetStreamContext,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._jetstream = jetstream
        self._pause = pause

    @classmethod
    async def open(cls, jetstream: JetStreamContext, *, replicas: int = 1) -> Self:
        """Find the bucket or create it. KeyStoreRefused when it exists with unsafe settings."""
        try:
            found = (await jetstream.stream_info(STREAM)).config
        except NotFoundError:
            wanted = StreamConfig(STREAM, num_replicas=replicas, **_BOUNDS, **_RULES)
            found = (await jetstream.add_stream(wanted)).config
        for rule, value in _RULES.items():
            if getattr(found, rule) != value:
                raise KeyStoreRefused(
                    f"stream {STREAM} has {rule}={getattr(found, rule)}; keys are kept unchanged "
                    f"and can be erased only with {rule}={value}. Remedy: back the bucket up, "
                    "delete it, start again so that it is created, and put the keys back."
                )
        return cls(jetstream)

    async def add(self, tenant: str, version: DekVersion, wrapped: str) -> bool:
        # The fence makes sure that this is still the last one when ours is written.
        last = await self._last(tenant)
        _refuse_erased(tenant, last)
        newest = 0 if last is None else max(await self.versions(tenant), default=0)
        if version != newest + 1:
            return False
        return await self._append(tenant, str(version), wrapped.encode(), last)

    async def read(self, tenant: str, version: DekVersion) -> str:
        last = await self._last(tenant)
        _refuse_erased(tenant, last)
        if last is not None and _name(last).partition(".")[0] == str(version):
            return _text(last)
        # In this order: the first wrapping is only dropped when there is another one.
        for key in (f"{tenant}.{version}", f"{tenant}.{version}.>"):
            message = await self._message(key)
            if message is not None:
                return _text(message)
        raise KeyMissing(f"tenant {tenant} has no key {version}")

    async def versions(self, tenant: str) -> tuple[DekVersion, ...]:
        names = await self._names(tenant)
        if _ERASED in names:
            raise KeyErased(f"the keys of tenant {tenant} were erased")
        return tuple(sorted({int(name.partition(".")[0]) for name in names}))

    async def wrappings(self, tenant: str, version: DekVersion) -> list[str]:
        found = await self._wrappings(tenant, version)
        if not found:
            raise KeyMissing(f"tenant {tenant} has no key {version}")
        return [_text(message) for message in found]

    async def add_wrapping(
        self, tenant: str, version: DekVersion, kek_version: int, wrapped: str
    ) -> None:
        """As promised by the store. KeyStoreBusy, or an error of the bus: call it again."""
        name = f"{version}.{kek_version}"
        for _ in range(_ATTEMPTS_MAX):
            last = await self._last(tenant)
            _refuse_erased(tenant, last)
            if await self._message(f"{tenant}.{name}") is not None:
                return
            if await self._append(tenant, name, wrapped.encode(), last):
                return
        raise KeyStoreBusy(f"could not wrap key {version} of tenant {tenant} again")

    async def drop_wrapping(self, tenant: str, version: DekVersion, wrapped: str) -> None:
        found = await self._wrappings(tenant, version)
        if len(found) > 1:
            for message in found:
                if _text(message) == wrapped:
                    await self._overwrite((message.subject or "").removeprefix(_PREFIX))

    async def erase(self, tenant: str, note: bytes = b"") -> None:
        """As promised by the store. KeyStoreBusy, or an error of the bus: call it again."""
        for _ in range(_ATTEMPTS_MAX):
            last = await self._last(tenant)
            if _is_erased(last) or await self._append(tenant, _ERASED, note, last):
                break
        else:
            raise KeyStoreBusy(f"could not mark tenant {tenant} as erased")
        for name in await self._names(tenant) - {_ERASED}:
            await self._overwrite(f"{tenant}.{name}")
        if await self._names(tenant) != {_ERASED}:
            raise KeyStoreBusy(f"keys of tenant {tenant} are left")

    async def tenants(self) -> list[str]:
        """Return every tenant that has keys, by name. One that was erased has none."""
        names: dict[str, set[str]] = {}
        for key in await self._keys(">"):
            tenant, _, name = key.partition(".")
            names.setdefault(tenant, set()).add(name)
        return sorted(tenant for tenant, found in names.items() if _ERASED not in found)

    async def _wrappings(self, tenant: str, version: DekVersion) -> list[RawStreamMsg]:
        _refuse_erased(tenant, await self._last(tenant))
        keys = [f"{tenant}.{version}"]
        keys += [f"{tenant}.{n}" for n in await self._names(tenant) if n.startswith(f"{version}.")]
        found = [await self._message(key) for key in keys]
        return sorted((m for m in found if m is not None), key=lambda message: message.seq or 0)

    async def _overwrite(self, key: str) -> None:
        message = await self._message(key)
        if message is None or message.seq is None:
            return
        try:
            await self._jetstream.delete_msg(STREAM, message.seq)
        except APIError:
            # The server's code is the same for "forbidden" and for "another eraser was faster".
            if await self._message(key) is not None:
                raise

    async def _append(
        self, tenant: str, name: str, value: bytes, last: RawStreamMsg | None
    ) -> bool:
        """Write if *last* is still the tenant's last message; False if it is not."""
        fence = {
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(0 if last is None else last.seq),
            _FENCE_SUBJECT: f"{_PREFIX}{tenant}.>",
        }
        try:
            await self._publish(f"{_PREFIX}{tenant}.{name}", value, fence)
        except BadRequestError as error:
            if error.err_code in _WRONG_LAST_SEQUENCE:
                return False
            raise
        return True

    async def _publish(self, subject: str, value: bytes, headers: dict[str, str]) -> None:
        for _ in range(_LEADER_ATTEMPTS_MAX - 1):
            try:
                await self._jetstream.publish(subject, value, headers=headers)
            except NoStreamResponseError:
                await self._pause(_LEADER_PAUSE_S)
            else:
                return
        await self._jetstream.publish(subject, value, headers=headers)

    async def _last(self, tenant: str) -> RawStreamMsg | None:
        return await self._message(f"{checked(tenant)}.>")

    async def _message(self, key: str) -> RawStreamMsg | None:
        """The newest message of *key*, asked of the stream's leader: a replica may lag behind."""
        try:
            return await self._jetstream.get_last_msg(STREAM, f"{_PREFIX}{key}")
        except APIError as error:
            if error.err_code == _NO_MESSAGE:
                return None
            raise

    async def _names(self, tenant: str) -> set[str]:
        prefix = f"{checked(tenant)}."
        return {key.removeprefix(prefix) for key in await self._keys(f"{prefix}>")}

    async def _keys(self, pattern: str) -> list[str]:
        info = await self._jetstream.stream_info(STREAM, subjects_filter=f"{_PREFIX}{pattern}")
        return [subject.removeprefix(_PREFIX) for subject in info.state.subjects or {}]


def _name(message: RawStreamMsg) -> str:
    """What comes after the tenant: `<version>`, `<version>.<kek version>` or `erased`."""
    return (message.subject or "").removeprefix(_PREFIX).partition(".")[2]


def _text(message: RawStreamMsg) -> str:
    return (message.data or b"").decode()


def _is_erased(message: RawStreamMsg | None) -> bool:
    return message is not None and _name(message) == _ERASED


def _refuse_erased(tenant: str, last: RawStreamMsg | None) -> None:
    if _is_erased(last):
        raise KeyErased(f"the keys of tenant {tenant} were erased")
