"""
LiveKit's tokens: JSON Web Tokens that an API key signs, for its API, for a room, for a webhook.

The twin's secret is `<API key>:<API secret>`. LiveKit's own package makes the same tokens and pulls
in a media stack with it; here they are the few claims that its documentation lists.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import jwt
import msgspec

from services.secret import Secret

ALGORITHM: Final = "HS256"
# A request is on its way for seconds.
API_TTL_S: Final = 60
JOIN_TTL_S: Final = 120
SKEW_S: Final = 10
SECRET_BYTES_MIN: Final = 32


class KeyUnusable(Exception):
    """The twin's secret is no pair of LiveKit's."""


class WebhookRefused(Exception):
    """Not from LiveKit, or not what it sent."""


class ApiKey:
    """An API key and its secret. No struct: those are shown field by field."""

    def __init__(self, pair: Secret) -> None:
        key, colon, secret = pair.reveal().partition(":")
        if not (key and colon and len(secret) >= SECRET_BYTES_MIN):
            raise KeyUnusable(
                "the secret of LiveKit is `<API key>:<API secret>`, the API secret with at least "
                f"{SECRET_BYTES_MIN} characters"
            )
        self.key = key
        self._secret = secret

    def token(self, claims: Mapping[str, Any], *, now_s: int, ttl_s: int) -> Secret:
        """Sign *claims*; the token can be used for *ttl_s* seconds from now."""
        whole = {**claims, "iss": self.key, "nbf": now_s - SKEW_S, "exp": now_s + ttl_s}
        return Secret(jwt.encode(whole, self._secret, algorithm=ALGORITHM))

    def for_api(self, *, now_s: int, **grants: object) -> Secret:
        """A token for one request to the API, with the grants that it needs."""
        return self.token({"video": grants}, now_s=now_s, ttl_s=API_TTL_S)

    def for_joining(
        self,
        room: str,
        identity: str,
        *,
        now_s: int,
        kind: str = "standard",
        attributes: Mapping[str, str] | None = None,
        is_hidden: bool = False,
    ) -> Secret:
        """A token that lets *identity* into *room* for the next two minutes, and nothing else."""
        video = {
            "room": room,
            "roomJoin": True,
            "canPublish": True,
            "canSubscribe": True,
            "canPublishData": True,
            "hidden": is_hidden,
        }
        claims = {
            "sub": identity,
            "name": identity,
            "kind": kind,
            "video": video,
            "attributes": dict(attributes or {}),
        }
        return self.token(claims, now_s=now_s, ttl_s=JOIN_TTL_S)

    def claims_of(self, token: str, *, now_s: int) -> dict[str, Any]:
        """Read a token that this key has signed; raises WebhookRefused."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=self.key,
                # By our own clock, below; the library would ask the machine's.
                options={
                    "require": ["exp", "iss"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError as problem:
            raise WebhookRefused(f"the token is not valid: {type(problem).__name__}") from problem
        ends_s, begins_s = claims["exp"], claims.get("nbf", 0)
        if not (isinstance(ends_s, int | float) and isinstance(begins_s, int | float)):
            raise WebhookRefused("the token has no time")
        if not begins_s - SKEW_S <= now_s < ends_s + SKEW_S:
            raise WebhookRefused("the token has expired, or is not valid yet")
        return claims


class Participant(msgspec.Struct, frozen=True, rename="camel"):
    """Who a webhook is about."""

    identity: str = ""
    sid: str = ""


class Room(msgspec.Struct, frozen=True, rename="camel"):
    """Where it happened."""

    name: str = ""
    sid: str = ""


class Webhook(msgspec.Struct, frozen=True, rename="camel"):
    """One event that LiveKit told. *created_at* is in Unix seconds, as a text or a number."""

    event: str
    id: str = ""
    created_at: int | str = 0
    room: Room = Room()
    participant: Participant = Participant()


def webhook(key: ApiKey, body: bytes, authorization: str, *, now_s: int) -> Webhook:
    """
    Read an event, once it is known that LiveKit signed exactly these bytes.

    Raises:
        WebhookRefused: another key, an old token, another body, or no event.
    """
    claims = key.claims_of(authorization.removeprefix("Bearer "), now_s=now_s)
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    if not hmac.compare_digest(str(claims.get("sha256", "")).encode(), digest.encode()):
        raise WebhookRefused("the body is not the one that was signed")
    try:
        return msgspec.json.decode(body, type=Webhook)
    except msgspec.MsgspecError as problem:
        raise WebhookRefused(f"the body is no event: {problem}") from problem
