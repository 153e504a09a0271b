"""
nkeys, as nats-server spells them: a prefix that says what a key is for, the key, a checksum.

The library signs and knows accounts; keys that seal (`X…`) and keys of servers it does not know.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import Final

import nkeys
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

ACCOUNT: Final = nkeys.PREFIX_BYTE_ACCOUNT
SERVER: Final = nkeys.PREFIX_BYTE_SERVER
USER: Final = nkeys.PREFIX_BYTE_USER
CURVE: Final = 23 << 3
KEY_BYTES: Final = 32
_SEED: Final = nkeys.PREFIX_BYTE_SEED
_CHECKSUM_BYTES: Final = 2


def public(prefix: int, key: bytes) -> str:
    """Spell a public key."""
    return _spell(bytes([prefix]), key)


def read_public(prefix: int, text: str) -> bytes:
    """Read a public key that is for *prefix*; raises ValueError."""
    content = _read(text)
    if len(content) != 1 + KEY_BYTES or content[0] != prefix:
        raise ValueError("not a public key of that kind")
    return content[1:]


def new_seed(prefix: int) -> str:
    """Make a new private key."""
    return _spell(bytes([_SEED | prefix >> 5, (prefix & 31) << 3]), os.urandom(KEY_BYTES))


def read_seed(prefix: int, text: str) -> bytes:
    """Read a private key that is for *prefix*; raises ValueError, which does not contain it."""
    content = _read(text)
    if (
        len(content) != 2 + KEY_BYTES
        or content[0] & 0b1111_1000 != _SEED
        or (content[0] & 0b111) << 5 | content[1] >> 3 != prefix
    ):
        raise ValueError("not a seed of that kind")
    return content[2:]


def is_signed(server: str, content: bytes, signature: bytes) -> bool:
    """Whether a server (by its public key) signed *content*."""
    try:
        VerifyKey(read_public(SERVER, server)).verify(content, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def base64url(content: bytes) -> bytes:
    """Spell bytes as the parts of a JWT are."""
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def from_base64url(text: bytes) -> bytes:
    """Read a part of a JWT; raises ValueError."""
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None


def _spell(head: bytes, key: bytes) -> str:
    content = head + key
    checksum = nkeys.crc16(content).to_bytes(_CHECKSUM_BYTES, "little")
    return base64.b32encode(content + checksum).rstrip(b"=").decode()


def _read(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise ValueError("not base32") from None
    content, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    if nkeys.crc16(content).to_bytes(_CHECKSUM_BYTES, "little") != checksum:
        raise ValueError("the checksum is wrong")
    return content
