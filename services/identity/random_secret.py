"""
Random secrets as people and machines carry them: letters and digits, kept by us only as a hash.

Sessions, invitations and sign-in links are such a secret; an API key contains one.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from typing import Final

SECRET_BYTES: Final = 32
# 62^43 is just above 2^256.
SECRET_CHARS: Final = 43
_DIGITS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase


def generate() -> tuple[str, bytes]:
    """Return a new secret of 256 random bits and its hash, which is all that may be kept."""
    text = base62(int.from_bytes(secrets.token_bytes(SECRET_BYTES)), SECRET_CHARS)
    return text, digest(text)


def digest(text: str) -> bytes:
    """
    Hash a secret: SHA-256, 32 bytes.

    Fast on purpose: a secret of 256 random bits cannot be guessed, so nothing has to be slow.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def base62(number: int, width: int) -> str:
    """Spell a number with exactly *width* digits and letters; it must fit."""
    spelled: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        spelled.append(_DIGITS[digit])
    assert number == 0, "the number does not fit"
    return "".join(reversed(spelled))
