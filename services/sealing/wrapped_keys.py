"""
Where wrapped tenant keys are kept: what every store promises, and a store in memory.

A tenant's keys are numbered from 1 without gaps. A version is written once and never replaced;
all of a tenant's keys are erased together, and that is final: no key of it can be added again.
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

    async def erase(self, tenant: str) -> None:
        """Destroy every stored byte of the tenant's keys. Again is harmless."""


class MemoryKeyStore:
    """A store that lasts as long as the process: for tests and simulation."""

    def __init__(self) -> None:
        self._tenants: dict[str, list[str]] = {}
        self._erased: set[str] = set()

    async def add(self, tenant: str, version: DekVersion, wrapped: str) -> bool:
        keys = self._keys(tenant)
        if version != len(keys) + 1:
            return False
        self._tenants[tenant] = [*keys, wrapped]
        return True

    async def read(self, tenant: str, version: DekVersion) -> str:
        keys = self._keys(tenant)
        if not 1 <= version <= len(keys):
            raise KeyMissing(f"tenant {tenant} has no key {version}")
        return keys[version - 1]

    async def versions(self, tenant: str) -> tuple[DekVersion, ...]:
        return tuple(range(1, len(self._keys(tenant)) + 1))

    async def erase(self, tenant: str) -> None:
        self._erased.add(checked(tenant))
        self._tenants.pop(tenant, None)

    def _keys(self, tenant: str) -> list[str]:
        if checked(tenant) in self._erased:
            raise KeyErased(f"the keys of tenant {tenant} were erased")
        return self._tenants.get(tenant, [])


def checked(tenant: str) -> str:
    """*tenant*, if it is one subject token and nothing else; ValueError otherwise."""
    if _TENANT.fullmatch(tenant) is None:
        raise ValueError("not a tenant id")
    return tenant
