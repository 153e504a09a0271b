"""
Tavus's webhooks: where it is asked to send them, and what is read of one.

Tavus signs nothing. So each twin's address ends in a token that only this deployment can make: an
HMAC-SHA256 (RFC 2104) of the twin's name under the deployment's secret. Who knows it may say that a
conversation of that twin has ended, which has it looked at, and nothing more.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import msgspec

from services.secret import Secret

PATH: Final = "/v1/webhooks/tavus/{tenant}/{token}"
SHUTDOWN: Final = "system.shutdown"
_CONTEXT: Final = b"vito webhook tavus\n"


class TavusEvent(msgspec.Struct, frozen=True):
    """What is read of an event; more may come."""

    event_type: str
    conversation_id: str = ""


def token_of(secret: Secret, tenant: str) -> str:
    """Make the token at the end of a twin's address: 43 characters of a URL."""
    mac = hmac.new(secret.reveal().encode(), _CONTEXT + tenant.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")


def is_token(text: str, secret: Secret, tenant: str) -> bool:
    """Whether *text* is the token of that twin, in a time that does not depend on how far."""
    return hmac.compare_digest(text.encode("utf-8", "replace"), token_of(secret, tenant).encode())


class Callback(msgspec.Struct, frozen=True):
    """Where Tavus is to send its events: *site* is the API as the internet reaches it."""

    site: str
    secret: Secret

    def url(self, tenant: str) -> str:
        """Return the address for a twin's conversations; it is a secret between Tavus and us."""
        return self.site + PATH.format(tenant=tenant, token=token_of(self.secret, tenant))
