"""
The public halves of signing keys, as others read them: a JWK Set (RFC 7517, RFC 8037).

Ed25519 and nothing else: a key of another kind in a set of ours is a mistake, not an option.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.failure import Failure

ALGORITHM: Final = "EdDSA"
FILE_BYTES_MAX: Final = 65_536
KEYS_MAX: Final = 16
# A withdrawn key is believed for at most so long by a process that runs.
READ_AGAIN_S: Final = 60.0
# How often texts with invented key ids can make us read the file.
UNKNOWN_AGAIN_S: Final = 1.0
_KID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class JwksUnusable(Failure):
    """The set of public keys cannot be used."""


class _Jwk(msgspec.Struct, frozen=True):
    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"


class _Jwks(msgspec.Struct, frozen=True):
    keys: list[_Jwk]


def document(keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """Return the JWK Set of public keys by kid, to be served as `application/jwk-set+json`."""
    shown = [_Jwk("OKP", "Ed25519", _x(key), kid) for kid, key in keys.items()]
    found: dict[str, Any] = msgspec.to_builtins(_Jwks(shown))
    return found


def read(content: bytes) -> dict[str, Ed25519PublicKey]:
    """Read a set of ours; raises ValueError for anything else."""
    try:
        found = msgspec.json.decode(content, type=_Jwks).keys
        keys = {key.kid: Ed25519PublicKey.from_public_bytes(_bytes(key.x)) for key in found}
    except (msgspec.DecodeError, binascii.Error) as problem:
        raise ValueError(str(problem)) from None
    if len(keys) != len(found) or not 0 < len(keys) <= KEYS_MAX:
        raise ValueError(f"1 to {KEYS_MAX} keys, each with a kid of its own")
    if not all(_KID.fullmatch(kid) for kid in keys):
        raise ValueError("a kid is 1 to 64 of A-Z a-z 0-9 _ -")
    return keys


def kid_of(key: Ed25519PublicKey) -> str:
    """Name a key: the beginning of its thumbprint (RFC 7638)."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{_x(key)}"}}'
    return _base64url(hashlib.sha256(members.encode()).digest())[:16]


class JwksFile:
    """
    Public keys from a file that is replaced while we run.

    It is read again when a text names a key that it did not hold, and once a minute, so that new
    keys are known and withdrawn ones forgotten without a restart. *clock*: monotonic seconds.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._keys = self._read()
        self._read_at_s = clock()

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """Return the key of this name, None if there is none; raises JwksUnusable."""
        age_s = self._clock() - self._read_at_s
        if age_s >= (UNKNOWN_AGAIN_S if kid not in self._keys else READ_AGAIN_S):
            self._keys = self._read()
            self._read_at_s = self._clock()
        return self._keys.get(kid)

    def _read(self) -> dict[str, Ed25519PublicKey]:
        try:
            with self._path.open("rb") as file:
                return read(file.read(FILE_BYTES_MAX))
        except (OSError, ValueError) as problem:
            raise JwksUnusable(
                f"VITO_TOKEN_JWKS_FILE={self._path} does not hold public keys: {problem}.",
                "make it with `vito tokens rotate`, or correct the path.",
            ) from None


def _x(key: Ed25519PublicKey) -> str:
    return _base64url(key.public_bytes_raw())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
