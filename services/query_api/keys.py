"""
Who may ask.

One bearer key opens everything until people and services have identities of their own; so long,
the server listens on loopback unless it is told otherwise in so many words.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

from services.failure import Failure
from services.query_api.problems import KEY_MISSING, KEY_REFUSED, HttpProblem

# 160 random bits are 27 characters of base64url; fewer could be guessed.
KEY_CHARS_MIN = 27
KEY_CHARS_MAX = 512


class UnsafeSettings(Failure):
    """The server refuses to start: it would be open to people who may not ask."""


class BearerKey:
    """The key that opens the API. Kept as a digest, compared in constant time."""

    def __init__(self, key: str) -> None:
        if not KEY_CHARS_MIN <= len(key) <= KEY_CHARS_MAX or not key.isascii():
            raise UnsafeSettings(
                f"The API key must have {KEY_CHARS_MIN} to {KEY_CHARS_MAX} ASCII characters.",
                "set VITO_API_KEY to at least 160 random bits.",
            )
        self._digest = _digest(key)
        self.cursor_secret = hmac.digest(key.encode(), b"vito-cursor/1", "sha256")

    def __repr__(self) -> str:
        return "BearerKey([hidden])"

    def check(self, authorization: str | None) -> None:
        """Let a request with this Authorization header pass; raises HttpProblem (401)."""
        if not authorization:
            raise HttpProblem(KEY_MISSING, "The request has no Authorization header.")
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise HttpProblem(KEY_MISSING, "The Authorization header is not of the scheme Bearer.")
        # Digests have one length, so that the comparison does not tell the key's.
        if not hmac.compare_digest(_digest(key.strip()), self._digest):
            raise HttpProblem(KEY_REFUSED, "The key in the Authorization header is not valid.")


def check_address(host: str, *, remote_allowed: bool) -> None:
    """Refuse an address that others can reach, unless that was asked for."""
    if remote_allowed or _is_loopback(host):
        return
    raise UnsafeSettings(
        f"Refusing to listen on {host}: one key opens all twins, so only this machine may ask.",
        "set VITO_API_HOST=127.0.0.1, or VITO_API_ALLOW_REMOTE=true behind a proxy with TLS.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
