"""
The keyring: the deployment's keys (KEK), which wrap every tenant's key and nothing else.

The file is JSON, readable by its owner only:  {"active": 2, "keys": {"1": "<base64>", "2": "…"}}.
The active version wraps; the others still unwrap, so a key is rotated by adding a version and
making it active. Whoever has this file and the wrapped keys can read everything: keep it out of
NATS, Postgres and their backups. Losing it loses every sealed byte.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from services.sealing.box import KEY_BYTES, BoxRejected, open_box, seal

SETTING: Final = "VITO_KEK_FILE"
FILE_BYTES_MAX: Final = 65_536
_PURPOSE: Final = b"dek"
_FORM: Final = '{"active": 1, "keys": {"1": "<base64 of 32 bytes>"}}'
_WRAPPED: Final = re.compile(r"dek:v1:([1-9][0-9]{0,8})\.([1-9][0-9]{0,8}):([A-Za-z0-9_-]{1,256})")


class KeyringRefused(Exception):
    """The keyring file cannot be used. Names the setting, the rule and the remedy."""


class UnwrapRefused(Exception):
    """A wrapped key does not unwrap: altered, of another tenant or place, or of another KEK."""


class _KeyringFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    active: int
    keys: dict[int, bytes]

    def __repr__(self) -> str:
        return "_KeyringFile(…)"


class Keyring:
    """Versions of the deployment's KEK, one of them active. Shows versions, never keys."""

    __slots__ = ("_deployment", "_keys", "active")

    def __init__(self, deployment: str, active: int, keys: dict[int, bytes]) -> None:
        if active not in keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError(f"keys have {KEY_BYTES} bytes and one of them is active")
        if min(keys) < 1:
            raise ValueError("versions count from 1")
        self._deployment = deployment.encode()
        self._keys = dict(keys)
        self.active = active

    def __repr__(self) -> str:
        return f"Keyring(active={self.active}, versions={sorted(self._keys)})"

    def wrap(self, tenant: str, dek_version: int, dek: bytes) -> str:
        """A tenant's key as `dek:v1:<kek version>.<dek version>:<base64url>`, good here only."""
        if len(dek) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        context = self._context(tenant, dek_version, self.active)
        box = seal(self._keys[self.active], _PURPOSE, context, dek)
        return f"dek:v1:{self.active}.{dek_version}:{_base64url(box)}"

    @staticmethod
    def kek_version(wrapped: str) -> int:
        """Which KEK wrapped a key, as it says itself; UnwrapRefused when it is none."""
        match = _WRAPPED.fullmatch(wrapped)
        if match is None:
            raise UnwrapRefused("not a wrapped key")
        return int(match[1])

    def unwrap(self, tenant: str, dek_version: int, wrapped: str) -> bytes:
        """The key that wrap() took, or UnwrapRefused when anything of it or its place differs."""
        place = f"key {dek_version} of tenant {tenant}"
        match = _WRAPPED.fullmatch(wrapped)
        if match is None or int(match[2]) != dek_version:
            raise UnwrapRefused(f"{place}: not a wrapped key of that version")
        kek = self._keys.get(int(match[1]))
        if kek is None:
            raise UnwrapRefused(
                f"{place}: {SETTING} has no KEK version {match[1]}, which wrapped it"
            )
        try:
            context = self._context(tenant, dek_version, int(match[1]))
            return open_box(kek, _PURPOSE, context, _from_base64url(match[3]))
        except (BoxRejected, binascii.Error) as rejected:
            raise UnwrapRefused(f"{place}, KEK version {match[1]}: {rejected}") from None

    def _context(self, tenant: str, dek_version: int, kek_version: int) -> tuple[bytes, ...]:
        versions = (str(dek_version).encode(), str(kek_version).encode())
        return (self._deployment, tenant.encode(), *versions)


def open_keyring(
    kek_file: Path | None, *, development: bool, data_directory: Path, deployment: str
) -> Keyring:
    """
    The keyring of this deployment, read from *kek_file*.

    In development only, the file defaults to `kek.json` in *data_directory* and is created on
    first start. *deployment* is bound into every wrapped key. Raises KeyringRefused.
    """
    if kek_file is None:
        if not development:
            raise _refusal(None, "is not set", "name the file with the deployment's keys")
        kek_file = data_directory / "kek.json"
    if development and not kek_file.exists():
        _create(kek_file)
    try:
        file = msgspec.json.decode(_read(kek_file), type=_KeyringFile)
        return Keyring(deployment, file.active, file.keys)
    except (msgspec.DecodeError, ValueError):
        # The cause is left out on purpose: a decoder may quote what it read.
        raise _refusal(kek_file, "does not hold a keyring", f"its form is {_FORM}") from None


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise _refusal(path, reason, "create it or correct the path") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(path, "is not a file", "name a regular file")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            reason = f"is open to others (mode {stat.S_IMODE(status.st_mode):04o})"
            raise _refusal(path, reason, f"chmod 600 {path}")
        return os.read(descriptor, FILE_BYTES_MAX)
    finally:
        os.close(descriptor)


def _create(path: Path) -> None:
    """Write a new keyring whole or not at all; of two racing starters both use the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".kek-") as file:  # mode 0600
        file.write(msgspec.json.encode({"active": 1, "keys": {"1": key}}))
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)
        except FileExistsError:
            return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _refusal(path: Path | None, reason: str, remedy: str) -> KeyringRefused:
    rule = "The key that wraps every tenant's key lives in a file that only its owner can read."
    return KeyringRefused(
        f"{SETTING}{f'={path}' if path else ''} {reason}. {rule} Remedy: {remedy}."
    )


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # Unused low bits of the last character would let one key have several spellings.
    if _base64url(data) != text:
        raise binascii.Error("not canonical base64url")
    return data
