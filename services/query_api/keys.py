"""
The deployment's own key, which opens everything, and where it is safe to listen.

People and services have identities of their own, see `services/http_door/authentication.py`. This
key is for whoever runs the deployment: set-up, watching, emergencies.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

from services.failure import Failure

# 160 random bits are 27 characters of base64url; fewer could be guessed.
KEY_CHARS_MIN = 27
KEY_CHARS_MAX = 512


class UnsafeSettings(Failure):
    """The server refuses to start: it would be open to people who may not ask."""


class BearerKey:
    """
    A key of the deployment's own. Kept as a digest, compared in constant time.

    *setting* is the variable that it comes from.
    """

    def __init__(self, key: str, *, setting: str = "VITO_API_KEY") -> None:
        if not KEY_CHARS_MIN <= len(key) <= KEY_CHARS_MAX or not key.isascii():
            raise UnsafeSettings(
                f"{setting} must have {KEY_CHARS_MIN} to {KEY_CHARS_MAX} ASCII characters.",
                f"set {setting} to at least 160 random bits.",
            )
        self._digest = _digest(key)
        self.cursor_secret = hmac.digest(key.encode(), b"vito-cursor/1", "sha256")

    def __repr__(self) -> str:
        return "BearerKey([hidden])"

    def is_key(self, text: str) -> bool:
        """Whether this is the key; takes the same time for every text of a length."""
        # Digests have one length, so that the comparison does not tell the key's.
        return hmac.compare_digest(_digest(text), self._digest)


def check_address(host: str, *, remote_allowed: bool, setting: str = "VITO_API") -> None:
    """
    Refuse an address that others can reach, unless that was asked for.

    *setting* is what the names of the variables begin with.
    """
    if remote_allowed or _is_loopback(host):
        return
    raise UnsafeSettings(
        f"Refusing to listen on {host}: keys would cross the network in the clear.",
        f"set {setting}_HOST=127.0.0.1, or {setting}_ALLOW_REMOTE=true behind a proxy with TLS.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
