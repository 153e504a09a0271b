"""
API keys: `vito_<environment>_<key id>_<secret><checksum>`.

    environment   lower-case letters and digits, such as `dev` or `live`: a key of the one is
                  refused by the other before anything is looked up
    key id        16 of a-z 0-9; names the key in the log and on pages, and is no secret
    secret        43 of 0-9 A-Z a-z: 256 random bits
    checksum      CRC-32 of all that comes before it, 6 of 0-9 A-Z a-z

Scanners for leaked secrets recognise the prefix and can verify the checksum; so can we, and refuse
a mistyped key without asking the database. What is kept of a key is the hash that `parse` returns.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib
from typing import Final, NamedTuple

from services.failure import Failure
from services.identity.random_secret import SECRET_CHARS, base62, digest, generate

PREFIX: Final = "vito"
ID_CHARS: Final = 16
CHECKSUM_CHARS: Final = 6
KEY_CHARS_MAX: Final = 128
# Finds keys in files and logs; `parse` decides whether one is real.
KEY_PATTERN: Final = (
    rf"{PREFIX}_([a-z0-9]{{1,16}})_([a-z0-9]{{12,32}})_"
    rf"([0-9A-Za-z]{{{SECRET_CHARS}}})([0-9A-Za-z]{{{CHECKSUM_CHARS}}})"
)
_ENVIRONMENT: Final = re.compile(r"[a-z0-9]{1,16}")
_KEY: Final = re.compile(KEY_PATTERN)
_ID_LETTERS: Final = string.ascii_lowercase + string.digits
_REMEDY: Final = "copy the whole key as it was shown, or ask an Owner of the twin for a new one."


def environment_of(deployment: str) -> str:
    """Return the environment that a deployment's keys name: its own name, as far as it fits."""
    return re.sub("[^a-z0-9]", "", deployment)[:16] or "vito"


class KeyUnusable(Failure):
    """A text that is no key, or a key that was mistyped or is meant for another environment."""


class NewKey(NamedTuple):
    """A key that was made now. *text* is shown once and never kept."""

    text: str
    key_id: str
    secret_hash: bytes


class ParsedKey(NamedTuple):
    """A key that is spelled right; whether there is such a key, the directory knows."""

    key_id: str
    secret_hash: bytes
    environment: str


def generate_key(environment: str) -> NewKey:
    """Make a key for *environment*; ValueError if that is not 1 to 16 of a-z 0-9."""
    if not _ENVIRONMENT.fullmatch(environment):
        raise ValueError(f"{environment!r}: an environment is 1 to 16 of a-z 0-9")
    key_id = new_id()
    body = f"{PREFIX}_{environment}_{key_id}_{generate()[0]}"
    return NewKey(body + _checksum(body), key_id, digest(body))


def new_id() -> str:
    """Return an id that nobody else has, for a key, a person or an invitation: 82 random bits."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(ID_CHARS))


def parse(text: str, environment: str | None = None) -> ParsedKey:
    """
    Take a key apart. Raises KeyUnusable, whose message never contains the key.

    With *environment* a key of another one is refused.
    """
    match = _KEY.fullmatch(text) if len(text) <= KEY_CHARS_MAX else None
    if match is None:
        raise KeyUnusable(
            "This is not an API key: it must look like vito_<environment>_<id>_<secret>.", _REMEDY
        )
    body = text[:-CHECKSUM_CHARS]
    if not hmac.compare_digest(_checksum(body), match[4]):
        raise KeyUnusable("The API key was mistyped or cut: its checksum is wrong.", _REMEDY)
    if environment is not None and match[1] != environment:
        raise KeyUnusable(
            f"The API key is for the environment {match[1]}, and this one is {environment}.",
            "use a key that was issued here.",
        )
    # Over id and secret, so that nobody can claim another key's secret for an id of their own.
    return ParsedKey(match[2], digest(body), match[1])


def is_same(one: bytes, other: bytes) -> bool:
    """Compare two hashes in constant time."""
    return hmac.compare_digest(one, other)


def _checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode()), CHECKSUM_CHARS)
