"""
Passwords: argon2id, so that whoever steals the hashes has to guess slowly.

The parameters are those that OWASP recommends (Password Storage Cheat Sheet, argon2id: 19 MiB of
memory, 2 iterations, 1 lane). When they grow, a password is hashed anew at its next use.

Hashing takes some 20 ms and all of a core, so it runs in a thread, and only so many at once.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from services.failure import Failure

MEMORY_KIB: Final = 19_456
ITERATIONS: Final = 2
LANES: Final = 1
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
# NIST SP 800-63B: at least 8; a passphrase needs room. More only feeds the hash.
CHARS_MIN: Final = 12
CHARS_MAX: Final = 128
# Each takes its memory and a core.
AT_ONCE_MAX: Final = 4


class PasswordUnusable(Failure):
    """A password that may not be chosen. Says which rule it breaks, and not the password."""


class Verified(NamedTuple):
    """Whether a password is right; *rehashed* is its new hash when the old one is too weak."""

    is_right: bool
    rehashed: str | None = None


class Passwords:
    """Hashes and verifies passwords. One for each process; the parameters are for tests."""

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        iterations: int = ITERATIONS,
        at_once: int = AT_ONCE_MAX,
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=iterations,
            memory_cost=memory_kib,
            parallelism=LANES,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=Type.ID,
        )
        self._slots = asyncio.Semaphore(at_once)
        self._decoy = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return the hash to keep; raises PasswordUnusable."""
        check(password)
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, kept: str) -> Verified:
        """
        Say whether *password* is the one whose hash is *kept*.

        An empty hash (no such account, or one without a password) is wrong, and takes as long.
        """
        if len(password) > CHARS_MAX:
            password, kept = "", ""
        async with self._slots:
            return await asyncio.to_thread(self._verify, password, kept)

    def _verify(self, password: str, kept: str) -> Verified:
        try:
            self._hasher.verify(kept or self._decoy, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return Verified(is_right=False)
        if not kept:
            return Verified(is_right=False)
        if self._is_weaker(kept):
            return Verified(is_right=True, rehashed=self._hasher.hash(password))
        return Verified(is_right=True)

    def _is_weaker(self, kept: str) -> bool:
        # The library's own check is about any difference: a stronger hash of a colleague's
        # machine, or of before a mistake in the parameters, would be made weaker.
        if not self._hasher.check_needs_rehash(kept):
            return False
        found, now = extract_parameters(kept), self._hasher
        return (
            found.type is not Type.ID
            or found.memory_cost < now.memory_cost
            or found.time_cost < now.time_cost
            or found.salt_len < now.salt_len
            or found.hash_len < now.hash_len
        )


def check(password: str) -> None:
    """Refuse a password that nobody should choose; raises PasswordUnusable."""
    if not CHARS_MIN <= len(password) <= CHARS_MAX:
        raise PasswordUnusable(
            f"A password has {CHARS_MIN} to {CHARS_MAX} characters.",
            "take a longer one, such as four words of a random page.",
        )
    if not password.isprintable():
        raise PasswordUnusable(
            "A password is made of letters that can be seen, and of spaces.",
            "type it without tabs, line ends and control characters.",
        )
