"""
Where wrapped tenant keys are kept: what every store promises, and a store in memory.

A tenant's keys are numbered from 1 without gaps. A version is the same key for ever; all of a
tenant's keys are erased together, and that is final: no key of it can be added again.

A version may be stored in several wrappings, one for each KEK that wrapped it. Each of them opens,
so the newer ones can be added and the older ones dropped one by one, and the last is never dropped.
"""

from __future__ import annotations

import re
from typing import Final, Protocol, TypeAlias

DekVersion: TypeAlias = int
DEK_VERSIONS_MAX: Final = 10_000
_TENANT: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")


class KeyMissing(LookupError):
    """The tenant has no key of that version."""


class KeyErased(LookupError):
    """The tenant's keys were destroyed. What they sealed cannot be opened by anybody again."""


class WrappedKeyStore(Protocol):
    """
    A durable home for wrapped keys. Every method raises KeyErased after an erasure but erase().

    Answers are those of the authority, never of a copy that may lag behind.
    """

    async def add(self, tenant: str, version: DekVersion, wrapped: str) -> bool:
        """Store the tenant's next key. False, and nothing stored, when it is not the next one."""

    async def read(self, tenant: str, version: DekVersion) -> str:
        """The wrapped key, or KeyMissing."""

    async def versions(self, tenant: str) -> tuple[DekVersion, ...]:
        """The versions that exist, ascending."""

    async def wrappings(self, tenant: str, version: DekVersion) -> list[str]:
        """Every wrapping of a version, oldest first; KeyMissing when there is none."""

    async def add_wrapping(
        self, tenant: str, version: DekVersion, kek_version: int, wrapped: str
    ) -> None:
        """Store one more wrapping of a version; nothing happens if there is one of that KEK."""

    async def drop_wrapping(self, tenant: str, version: DekVersion, wrapped: str) -> None:
        """Destroy a wrapping of a version, unless it is the only one. Again is harmless."""

    async def erase(self, tenant: str, note: bytes = b"") -> None:
        """
        Destroy every stored byte of the tenant's keys. Again is harmless.

        What stays for ever is a mark in their place, with the *note* of whoever was first.
        """


class MemoryKeyStore:
    """A store that lasts as long as the process: for tests and simulation."""

    def __init__(self) -> None:
        # For each version its wrappings by KEK; 0 stands for that of add().
        self._tenants: dict[str, list[dict[int, str]]] = {}
        self._erased: dict[str, bytes] = {}

    async def add(self, tenant: str, version: DekVersion, wrapped: str) -> bool:
        keys = self._keys(tenant)
        if version != len(keys) + 1:
            return False
        self._tenants[tenant] = [*keys, {0: wrapped}]
        return True

    async def read(self, tenant: str, version: DekVersion) -> str:
        return (await self.wrappings(tenant, version))[0]

    async def wrappings(self, tenant: str, version: DekVersion) -> list[str]:
        return list(self._version(tenant, version).values())

    async def add_wrapping(
        self, tenant: str, version: DekVersion, kek_version: int, wrapped: str
    ) -> None:
        self._version(tenant, version).setdefault(kek_version, wrapped)

    async def drop_wrapping(self, tenant: str, version: DekVersion, wrapped: str) -> None:
        found = self._version(tenant, version)
        for kek_version, other in list(found.items()):
            if other == wrapped and len(found) > 1:
                del found[kek_version]

    async def versions(self, tenant: str) -> tuple[DekVersion, ...]:
        return tuple(range(1, len(self._keys(tenant)) + 1))

    async def erase(self, tenant: str, note: bytes = b"") -> None:
        self._erased.setdefault(checked(tenant), note)
        self._tenants.pop(tenant, None)

    def _version(self, tenant: str, version: DekVersion) -> dict[int, str]:
        keys = self._keys(tenant)
        if not 1 <= version <= len(keys):
            raise KeyMissing(f"tenant {tenant} has no key {version}")
        return keys[version - 1]

    def _keys(self, tenant: str) -> list[dict[int, str]]:
        if checked(tenant) in self._erased:
            raise KeyErased(f"the keys of tenant {tenant} were erased")
        return self._tenants.get(tenant, [])


def checked(tenant: str) -> str:
    """*tenant*, if it is one subject token and nothing else; ValueError otherwise."""
    if _TENANT.fullmatch(tenant) is None:
        raise ValueError("not a tenant id")
    return tenant
