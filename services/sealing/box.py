"""
The box: a message sealed for one purpose and one context.

    box = suite(1) || mid(32) || commitment(32) || AES-256-GCM(k, nonce 0, plaintext)
    k || commitment = HKDF-SHA512(ikm=key, salt=mid, info=framed("vito/box/v1", purpose))
    associated data = framed(suite, mid, commitment, purpose, *context)

*mid* is 32 random bytes, so each k seals exactly one message and the constant nonce is safe. The
commitment binds the box to one key: AES-GCM alone lets an attacker build a ciphertext that opens
under two keys. Every part is framed by its length, so ("a", "bc") never passes for ("ab", "c").

What a box does not hide: its length. What it does not stop: replay of a whole box in the same
context; the caller's context must therefore name the place (tenant, index, version).

HKDF is the library's: two `hmac.digest` one-shots cost the same (6.7 us against 6.5 us), and the
library's is the reviewed one. To seal or to open 300 bytes takes 11 us, 50 kB 27 us.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUITE: Final = b"\x01"
KEY_BYTES: Final = 32
PLAINTEXT_BYTES_MAX: Final = 64 * 1024 * 1024
_MID_BYTES: Final = 32
_COMMITMENT_END: Final = len(SUITE) + _MID_BYTES + 32
_TAG_BYTES: Final = 16
OVERHEAD_BYTES: Final = _COMMITMENT_END + _TAG_BYTES
_NONCE: Final = bytes(12)
_HASH: Final = SHA512()


class BoxRejected(Exception):
    """A box does not open. The reason tells which check failed, nothing about key or content."""


def seal(key: bytes, purpose: bytes, context: tuple[bytes, ...], plaintext: bytes) -> bytes:
    """
    Seal *plaintext* so that it opens only with the same key, purpose and context.

    The box is OVERHEAD_BYTES (81) longer than the plaintext. ValueError: the key is not 32 bytes,
    or the plaintext is longer than PLAINTEXT_BYTES_MAX.
    """
    return _seal(os.urandom(_MID_BYTES), key, purpose, context, plaintext)


def open_box(key: bytes, purpose: bytes, context: tuple[bytes, ...], box: bytes) -> bytes:
    """
    Give back the plaintext of *box*, exactly as it was sealed, or raise BoxRejected.

    A rejection that names the key means: another key, another purpose or an altered head. One
    that names the content means: the key is right, the content or its context is not.
    """
    if not OVERHEAD_BYTES <= len(box) <= OVERHEAD_BYTES + PLAINTEXT_BYTES_MAX:
        raise BoxRejected("not the length of a box")
    if box[:1] != SUITE:
        raise BoxRejected("unknown suite")
    mid, commitment = box[1 : 1 + _MID_BYTES], box[1 + _MID_BYTES : _COMMITMENT_END]
    message_key, expected = _derive(key, purpose, mid)
    if not hmac.compare_digest(commitment, expected):
        raise BoxRejected("sealed with another key or for another purpose")
    try:
        return AESGCM(message_key).decrypt(
            _NONCE, box[_COMMITMENT_END:], _framed((SUITE, mid, commitment, purpose, *context))
        )
    except InvalidTag:
        raise BoxRejected("content altered, or sealed in another context") from None


def digest(key: bytes, purpose: bytes, data: bytes) -> bytes:
    """
    16 bytes that stand for *data*, and that nobody without the key can compare with a guess.

    A plain hash of a password or a short key would give it away to who tries them all.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    info = _framed((b"vito/digest/v1", purpose))
    derived = HKDF(_HASH, KEY_BYTES, salt=None, info=info).derive(key)
    return blake2b(data, key=derived, digest_size=16).digest()


def _seal(
    mid: bytes, key: bytes, purpose: bytes, context: tuple[bytes, ...], plaintext: bytes
) -> bytes:
    # Separate from seal() so that tests can pin the bytes; a mid must never be used twice.
    if len(plaintext) > PLAINTEXT_BYTES_MAX:
        raise ValueError(f"at most {PLAINTEXT_BYTES_MAX} bytes fit in a box")
    message_key, commitment = _derive(key, purpose, mid)
    head = _framed((SUITE, mid, commitment, purpose, *context))
    return SUITE + mid + commitment + AESGCM(message_key).encrypt(_NONCE, plaintext, head)


def _derive(key: bytes, purpose: bytes, mid: bytes) -> tuple[bytes, bytes]:
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes")
    info = _framed((b"vito/box/v1", purpose))
    material = HKDF(_HASH, 2 * KEY_BYTES, salt=mid, info=info).derive(key)
    return material[:KEY_BYTES], material[KEY_BYTES:]


def _framed(parts: Iterable[bytes]) -> bytes:
    """Parts with their lengths: two different lists never give the same bytes."""
    return b"".join([len(part).to_bytes(4) + part for part in parts])
