"""
The versions of one tenant's data key that its writer works with.

The newest seals commits and secrets. Boxes in the vault stay sealed with the version that sealed
them: the log holds the same boxes for ever, so sealing them again would take nothing away from who
has the old key. (What such a person knows is mended at the provider, and by `secret.rotate`.)
Version 1 is kept for as long as the tenant lives: it makes the fingerprints of commands that bring
a secret, which must stay the same however often the key is rotated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domain.secret import Held
from services.sealing.box import digest
from services.sealing.secret_box import open_secret, seal_secret

FIRST: Final = 1
_FINGERPRINT: Final = b"fingerprint"


class DataKeys:
    """Keys by version, *version* being the newest. Shows versions, never keys."""

    __slots__ = ("_keys", "_tenant", "version")

    def __init__(self, tenant: str, version: int, keys: Mapping[int, bytes]) -> None:
        self._tenant = tenant
        self._keys = dict(keys)
        self.version = version

    def __repr__(self) -> str:
        return f"DataKeys({self._tenant}, versions={sorted(self._keys)})"

    @property
    def newest(self) -> bytes:
        """The key that seals what is new."""
        return self._keys[self.version]

    def add(self, version: int, key: bytes) -> None:
        """Seal with this version from now on, if it is newer than the others."""
        self._keys[version] = key
        self.version = max(self.version, version)

    def seal(self, name: str, version: int, value: str) -> bytes:
        """Seal a secret with the newest key."""
        return seal_secret(self.newest, self.version, self._tenant, name, version, value)

    def open(self, name: str, held: Held) -> str:
        """Open a secret; raises BoxRejected, and KeyError for a version that was never loaded."""
        key = self._keys[held.key_version]
        return open_secret(key, held.key_version, self._tenant, name, held.version, held.box)

    def fingerprint(self, payload: bytes) -> bytes:
        """Digest a payload that holds a secret: nobody can try values against it."""
        return digest(self._keys[FIRST], _FINGERPRINT, payload)
