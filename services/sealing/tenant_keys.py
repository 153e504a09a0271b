"""
A tenant's data keys (DEK), ready to use: created, cached, rotated, wrapped again, destroyed.

An unwrapped key stays in this cache for at most CACHE_AGE_S. That is also how long another process
may go on using a key after its erasure here unless it is told to forget it (an erasure is complete
everywhere after that time), or go on sealing with the version before a rotation (harmless: that
version still opens). Python cannot overwrite the bytes of a key that it drops.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.sealing.box import KEY_BYTES
from services.sealing.keyring import Keyring, UnwrapRefused
from services.sealing.wrapped_keys import DEK_VERSIONS_MAX, DekVersion, KeyMissing, WrappedKeyStore

CACHE_AGE_S: Final = 60.0
CACHED_TENANTS_MAX: Final = 10_000
_ATTEMPTS_MAX: Final = 8


@dataclass(slots=True, repr=False)
class _Cached:
    """What is known of one tenant. No repr: it holds keys."""

    until_s: float
    keys: dict[DekVersion, bytes] = field(default_factory=dict)
    active: DekVersion | None = None


class TenantKeys:
    """
    The keys of every tenant of a deployment, over a store and a keyring.

    Every method but delete() raises KeyErased once a tenant's keys were destroyed. *monotonic_s*
    is the clock of the cache, in seconds.
    """

    def __init__(
        self,
        store: WrappedKeyStore,
        keyring: Keyring,
        *,
        cached_tenants_max: int = CACHED_TENANTS_MAX,
        cache_age_s: float = CACHE_AGE_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._cached_tenants_max = cached_tenants_max
        self._cache_age_s = cache_age_s
        self._monotonic_s = monotonic_s
        self._cache: OrderedDict[str, _Cached] = OrderedDict()
        self._changes = 0

    @property
    def kek_version(self) -> int:
        """The version of the KEK that wraps new keys."""
        return self._keyring.active

    async def create(self, tenant: str) -> DekVersion:
        """Make sure that the tenant has a key; the active version. Racing callers agree on one."""
        versions = await self._store.versions(tenant)
        return versions[-1] if versions else await self.rotate(tenant, after=0)

    async def rotate(self, tenant: str, *, after: DekVersion) -> DekVersion:
        """
        Make sure that the version following *after* exists; that version.

        Naming the version that is replaced makes a repeated or racing rotation one rotation.
        KeyMissing when *after* itself does not exist.
        """
        version = after + 1
        if not 1 <= version <= DEK_VERSIONS_MAX:
            raise ValueError(f"versions are 1 to {DEK_VERSIONS_MAX}")
        for _ in range(_ATTEMPTS_MAX):
            wrapped = self._keyring.wrap(tenant, version, os.urandom(KEY_BYTES))
            await self._store.add(tenant, version, wrapped)
            self.forget(tenant)
            try:
                # Read back even what we wrote: only a key that unwraps may ever seal anything.
                await self.get(tenant, version)
            except KeyMissing:
                continue  # a write that was in flight refused ours and then failed itself
            return version
        raise KeyMissing(f"tenant {tenant} has no key {version}, and none can follow {after}")

    async def following(self, tenant: str, *, after: DekVersion) -> DekVersion:
        """
        The newest version if it is newer than *after*, else a new one that is.

        So a rotation that broke off before anybody told of it is completed and not repeated.
        """
        versions = await self._store.versions(tenant)
        if not versions:
            raise KeyMissing(f"tenant {tenant} has no key yet")
        if versions[-1] > after:
            self.forget(tenant)
            return versions[-1]
        return await self.rotate(tenant, after=versions[-1])

    async def rewrap(self, tenant: str) -> int:
        """
        Wrap every version with the active KEK and destroy the older wrappings; how many it were.

        Broken off anywhere, each version has a wrapping that opens, and again goes on from there.
        KeyMissing when there is none; UnwrapRefused: a version does not unwrap, and nothing of it
        was destroyed.
        """
        versions = await self._store.versions(tenant)
        if not versions:
            raise KeyMissing(f"tenant {tenant} has no key yet")
        return sum([await self._rewrap(tenant, version) for version in versions])

    async def _rewrap(self, tenant: str, version: DekVersion) -> bool:
        store, keyring = self._store, self._keyring
        found = await store.wrappings(tenant, version)
        if all(keyring.kek_version(wrapped) >= keyring.active for wrapped in found):
            return False
        key = keyring.unwrap(tenant, version, found[0])
        if not any(keyring.kek_version(wrapped) == keyring.active for wrapped in found):
            wrapped = keyring.wrap(tenant, version, key)
            await store.add_wrapping(tenant, version, keyring.active, wrapped)
            found = await store.wrappings(tenant, version)
        for wrapped in found:
            # Read back and opened before anything is destroyed.
            if keyring.kek_version(wrapped) == keyring.active:
                if keyring.unwrap(tenant, version, wrapped) != key:
                    raise UnwrapRefused(f"key {version} of tenant {tenant}: two keys in its place")
                break
        else:
            raise UnwrapRefused(f"key {version} of tenant {tenant}: the new wrapping is not there")
        for wrapped in found:
            # Never a newer one, so that two who wrap with different KEKs leave the newest.
            if keyring.kek_version(wrapped) < keyring.active:
                await store.drop_wrapping(tenant, version, wrapped)
        return True

    async def get(self, tenant: str, version: DekVersion) -> bytes:
        """The key itself. KeyMissing; UnwrapRefused when it is not ours or was altered."""
        cached = self._fresh(tenant)
        if cached is not None and version in cached.keys:
            return cached.keys[version]
        changes = self._changes
        key = self._keyring.unwrap(tenant, version, await self._store.read(tenant, version))
        if self._changes == changes:
            self._entry(tenant).keys[version] = key
        return key

    async def active(self, tenant: str) -> DekVersion:
        """The version that seals new data: the newest. KeyMissing when there is none."""
        cached = self._fresh(tenant)
        if cached is not None and cached.active is not None:
            return cached.active
        changes = self._changes
        versions = await self._store.versions(tenant)
        if not versions:
            raise KeyMissing(f"tenant {tenant} has no key yet")
        if self._changes == changes:
            self._entry(tenant).active = versions[-1]
        return versions[-1]

    async def versions(self, tenant: str) -> tuple[DekVersion, ...]:
        """Every version that exists, ascending; asked of the store each time."""
        return await self._store.versions(tenant)

    async def delete(self, tenant: str, note: bytes = b"") -> None:
        """
        Destroy all of the tenant's keys, for ever. Repeat it when it fails: it goes on.

        *note* stays in their place, clear; the first one counts.
        """
        try:
            await self._store.erase(tenant, note)
        finally:
            self.forget(tenant)

    def forget(self, tenant: str) -> None:
        """Drop what is cached of a tenant."""
        # Reads that began before this moment must not put back what they found.
        self._changes += 1
        self._cache.pop(tenant, None)

    def _fresh(self, tenant: str) -> _Cached | None:
        cached = self._cache.get(tenant)
        if cached is None:
            return None
        if self._monotonic_s() >= cached.until_s:
            del self._cache[tenant]
            return None
        self._cache.move_to_end(tenant)
        return cached

    def _entry(self, tenant: str) -> _Cached:
        cached = self._fresh(tenant)
        if cached is None:
            cached = _Cached(self._monotonic_s() + self._cache_age_s)
            self._cache[tenant] = cached
            if len(self._cache) > self._cached_tenants_max:
                self._cache.popitem(last=False)
        return cached
