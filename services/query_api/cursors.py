"""
Where the next page begins.

A cursor holds the keys of the last row that was given, so a page is found through the index
(`key < last`) and rows that arrive meanwhile neither shift nor repeat a page. It is signed together
with the question, so that it cannot be bent or used with another filter or another twin.

    base64url( HMAC-SHA256(secret, question | keys)[:16] | keys as JSON )
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any

import msgspec

from services.query_api.problems import INVALID_CURSOR, HttpProblem

CURSOR_CHARS_MAX = 256
_MAC_BYTES = 16


class Cursors:
    """Writes and reads cursors; any process that has the same secret can read them."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, question: str, keys: tuple[int | str, ...]) -> str:
        """The cursor for what comes after the row with *keys*."""
        body = msgspec.json.encode(keys)
        return base64.urlsafe_b64encode(self._mac(question, body) + body).rstrip(b"=").decode()

    def read(self, question: str, cursor: str, *types: type) -> tuple[Any, ...]:
        """The keys in a cursor, of *types*; raises HttpProblem if it is not ours."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise _refused() from None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(question, body)):
            raise _refused()
        return msgspec.json.decode(body, type=tuple[types])  # type: ignore[valid-type]

    def _mac(self, question: str, body: bytes) -> bytes:
        message = question.encode() + b"\0" + body
        return hmac.digest(self._secret, message, "sha256")[:_MAC_BYTES]


def _refused() -> HttpProblem:
    return HttpProblem(
        INVALID_CURSOR,
        "The cursor was made for other parameters, by another deployment, or not by us at all.",
    )
