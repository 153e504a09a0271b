"""Comparing passwords with argon2id hashes, slowly on purpose; see services/identity."""

from __future__ import annotations

import secrets

import argon2


class PasswordCheck:
    """See sign_in.Passwords. Safe to use from several threads."""

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher()
        # Of the same cost as a real one, so that who has no account waits as long.
        self.unknown = self._hasher.hash(secrets.token_hex(32))

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether a hash is of this password."""
        try:
            return self._hasher.verify(password_hash, password.encode("utf-8", "surrogatepass"))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
