"""A tenant's secret, sealed with its data key for one name and version, and opened again there."""

from __future__ import annotations

from typing import Final

from services.sealing.box import open_box, seal

PURPOSE: Final = b"secret"


def seal_secret(
    key: bytes, key_version: int, tenant: str, name: str, version: int, value: str
) -> bytes:
    """Seal a value; *key_version* says which version of the tenant's data key *key* is."""
    return seal(key, PURPOSE, _context(key_version, tenant, name, version), value.encode())


def open_secret(
    key: bytes, key_version: int, tenant: str, name: str, version: int, box: bytes
) -> str:
    """Give the value back; raises BoxRejected for a box of any other place."""
    return open_box(key, PURPOSE, _context(key_version, tenant, name, version), box).decode()


def _context(key_version: int, tenant: str, name: str, version: int) -> tuple[bytes, ...]:
    return tenant.encode(), name.encode(), str(version).encode(), str(key_version).encode()
