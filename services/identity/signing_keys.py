"""
The keys that sign tokens, and how they are exchanged without refusing anybody.

A JSON file that only its owner can read. One key is active and signs; the others are only
published, so that tokens of before an exchange are believed until they end, and so that a
prepared key is known everywhere before the first token is signed with it:

    vito tokens rotate --prepare    publish a new key            (then hand the public file round)
    vito tokens rotate              the prepared key, or a new one, signs from now on

Beside it lies the JWK Set of all of them, which is public. Who only verifies gets that one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.failure import Failure
from services.identity import jwks, private_file

SETTING: Final = "VITO_TOKEN_KEYS_FILE"
FILE_NAME: Final = "token_keys.json"
JWKS_NAME: Final = "token_jwks.json"
KEYS_MAX: Final = 8
SEED_BYTES: Final = 32
# A retired key is published for as long as a token of its can be believed, and then some.
OVERLAP_S: Final = 3_600


class TooManyKeys(Failure):
    """Keys are exchanged faster than tokens end."""


class StoredKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key in the file; *retired_at_s* is 0 while it signs or may sign."""

    seed: str
    created_at_s: int
    retired_at_s: int = 0

    def __repr__(self) -> str:
        return f"StoredKey(created_at_s={self.created_at_s}, retired_at_s={self.retired_at_s})"


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds: keys by kid, and which of them signs."""

    active: str
    keys: dict[str, StoredKey]


class SigningKeys:
    """Keys by kid, one of them active. Shows kids, never keys."""

    __slots__ = ("_keys", "active")

    def __init__(self, active: str, keys: Mapping[str, Ed25519PrivateKey]) -> None:
        if active not in keys:
            raise ValueError("the active key is one of the keys")
        self.active = active
        self._keys = dict(keys)

    @classmethod
    def of(cls, file: KeyFile) -> Self:
        """Load the keys of a file; ValueError if one is not what its kid says."""
        keys = {kid: _load(stored.seed) for kid, stored in file.keys.items()}
        if any(jwks.kid_of(key.public_key()) != kid for kid, key in keys.items()):
            raise ValueError("a kid is the thumbprint of its key")
        return cls(file.active, keys)

    def __repr__(self) -> str:
        return f"SigningKeys(active={self.active}, kids={sorted(self._keys)})"

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the kid and the key that signs."""
        return self.active, self._keys[self.active]

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """Return the public half of a key, None if there is no such key."""
        key = self._keys.get(kid)
        return None if key is None else key.public_key()

    def document(self) -> dict[str, Any]:
        """Return the JWK Set: public keys only."""
        return jwks.document({kid: key.public_key() for kid, key in self._keys.items()})


def new_files(now_s: int) -> tuple[bytes, bytes]:
    """Make a first key: what stands in the file, and in the public one beside it."""
    file = _with_new_key(None, now_s)[0]
    return _encode(file), _encode_public(SigningKeys.of(file))


def open_keys(path: Path, *, development: bool, now_s: int) -> SigningKeys:
    """
    Read the keys; in development the file is made at the first start. Raises FileUnusable.

    The public file beside it is written if it is missing.
    """
    if development and not path.exists():
        private_file.create(path, new_files(now_s)[0])
    keys = SigningKeys.of(_read(path))
    if development and not jwks_path(path).exists():
        _publish(path, keys)
    return keys


def rotate(path: Path, *, now_s: int, prepare: bool = False) -> tuple[str, list[str]]:
    """
    Exchange the signing key; return the kid that signs now and those that are no longer published.

    With *prepare* a new key is published, and the old one goes on signing. Raises FileUnusable and
    TooManyKeys.
    """
    before = _read(path) if path.exists() else None
    file = before
    prepared = None if file is None else _prepared(file)
    if file is None or prepared is None:
        file, prepared = _with_new_key(file, now_s)
    if not prepare:
        file = _activated(file, prepared, now_s)
    file = _without_old(file, now_s)
    if len(file.keys) > KEYS_MAX:
        raise TooManyKeys(
            f"{path} holds {KEYS_MAX} keys whose tokens may still be in use.",
            f"wait: a key is dropped {OVERLAP_S // 60} minutes after it was retired.",
        )
    keys = SigningKeys.of(file)
    # Published first: nobody may meet a token whose key is not there yet.
    _publish(path, keys)
    path.parent.mkdir(parents=True, exist_ok=True)
    private_file.replace(path, _encode(file))
    return keys.active, sorted(set(before.keys if before else ()) - set(file.keys))


def jwks_path(path: Path) -> Path:
    """Where the public halves of the keys in *path* lie."""
    return path.with_name(JWKS_NAME)


def _publish(path: Path, keys: SigningKeys) -> None:
    private_file.replace(jwks_path(path), _encode_public(keys), private_file.FOR_ALL)


def _read(path: Path) -> KeyFile:
    content = private_file.read(path, SETTING)
    try:
        file = msgspec.json.decode(content, type=KeyFile)
        SigningKeys.of(file)
    except (msgspec.DecodeError, ValueError):
        # The cause is left out: a decoder may quote what it read.
        raise private_file.unusable(
            path, SETTING, "does not hold signing keys", "make it with `vito tokens rotate`."
        ) from None
    return file


def _with_new_key(file: KeyFile | None, now_s: int) -> tuple[KeyFile, str]:
    key = Ed25519PrivateKey.generate()
    kid = jwks.kid_of(key.public_key())
    stored = StoredKey(base64.b64encode(key.private_bytes_raw()).decode(), now_s)
    if file is None:
        return KeyFile(kid, {kid: stored}), kid
    return msgspec.structs.replace(file, keys={**file.keys, kid: stored}), kid


def _prepared(file: KeyFile) -> str | None:
    waiting = (kid for kid, key in file.keys.items() if kid != file.active and not key.retired_at_s)
    return next(waiting, None)


def _activated(file: KeyFile, kid: str, now_s: int) -> KeyFile:
    if kid == file.active:
        return file
    retired = msgspec.structs.replace(file.keys[file.active], retired_at_s=now_s)
    return KeyFile(kid, {**file.keys, file.active: retired})


def _without_old(file: KeyFile, now_s: int) -> KeyFile:
    kept = {
        kid: key
        for kid, key in file.keys.items()
        if not key.retired_at_s or now_s < key.retired_at_s + OVERLAP_S
    }
    return KeyFile(file.active, kept)


def _encode(file: KeyFile) -> bytes:
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def _encode_public(keys: SigningKeys) -> bytes:
    return msgspec.json.format(msgspec.json.encode(keys.document()), indent=2) + b"\n"


def _load(seed: str) -> Ed25519PrivateKey:
    try:
        raw = base64.b64decode(seed, validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if len(raw) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes")
    return Ed25519PrivateKey.from_private_bytes(raw)


class SigningKeyFile:
    """
    The keys of a file for a process that runs on while they are exchanged.

    Read again each minute, so an exchanged key signs nothing after that: well within the time
    that it stays published. *clock*: monotonic seconds.
    """

    def __init__(self, path: Path, keys: SigningKeys, *, clock: Callable[[], float]) -> None:
        self._path = path
        self._keys = keys
        self._clock = clock
        self._read_at_s = clock()

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the kid and the key that signs."""
        return self._current().signer()

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """Return the public half of a key, None if there is no such key."""
        return self._current().find(kid)

    def document(self) -> dict[str, Any]:
        """Return the JWK Set: public keys only."""
        return self._current().document()

    def _current(self) -> SigningKeys:
        if self._clock() - self._read_at_s >= jwks.READ_AGAIN_S:
            self._keys = SigningKeys.of(_read(self._path))
            self._read_at_s = self._clock()
        return self._keys
