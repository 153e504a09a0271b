"""
Tokens: an API key or a session is exchanged for a token that lives fifteen minutes at most.

A token is for what should not hold the key itself: it ends by itself, speaks to one kind of door,
and may have fewer scopes. It never has more than what it was made from, and ends with it: the doors
look the key or the session up each time, and the bus disconnects what is revoked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Protocol

import msgspec
from aiohttp import web

from contracts.access import Scope
from contracts.message import TENANT_PATTERN, whole
from services.failure import Failure
from services.http_door import body
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.identity.tokens import LIFE_MAX_S, Claims, Door
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    CROSS_SITE_REFUSED,
    IDENTITY_UNAVAILABLE,
    KEY_REFUSED,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    HttpProblem,
)

LIFE_MIN_S: Final = 60
_US: Final = 1_000_000


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a token is to be good for; at most what it is made from."""

    tenant: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=whole(TENANT_PATTERN),
                description="the twin it speaks to; of a key its own, left out by a platform admin",
            ),
        ]
        | None
    ) = None
    scopes: (
        Annotated[
            list[Scope],
            msgspec.Meta(
                min_length=1, max_length=5, description="of a key: some of its own; left out: all"
            ),
        ]
        | None
    ) = None
    door: Annotated[
        Door, msgspec.Meta(description="`api`: HTTP and WebSocket. `bus`: a NATS connection")
    ] = "api"
    ttl_s: Annotated[
        int, msgspec.Meta(ge=LIFE_MIN_S, le=LIFE_MAX_S, description="for how many seconds at most")
    ] = LIFE_MAX_S


class IssuedToken(msgspec.Struct, frozen=True):
    """
    A token and what it says. Send it as `Authorization: Bearer`, or as the bus's `auth_token`.

    It ends at *expires_at_us*, or at once with what it was made from.
    """

    token: str
    principal: str
    tenant: str
    scopes: list[Scope]
    door: Door
    expires_at_us: int


class TokenIssuer(Protocol):
    """See `services.identity.tokens.TokenIssuer`; raises Failure when no key is at hand."""

    def issue(self, claims: Claims, door: Door, *, life_s: int) -> str: ...


TOKEN: Final = Endpoint(
    "POST",
    "/v1/token",
    "issueToken",
    "Exchange an API key or a session for a short-lived token.",
    IssuedToken,
    NewToken,
    {"scopes": ["read"], "door": "api", "ttl_s": 300},
    problems=(
        MALFORMED_COMMAND,
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        CROSS_SITE_REFUSED,
        BODY_TOO_LARGE,
        MEDIA_TYPE_REFUSED,
        KEY_REFUSED,
        IDENTITY_UNAVAILABLE,
    ),
)


def handlers(tokens: TokenIssuer, clock: Callable[[], int]) -> dict[Endpoint, Handler]:
    """Who issues them on one server. *clock*: microseconds since 1970."""

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = request[CALLER]
        wanted = body.checked(await body.read(request), NewToken)
        claims = _claims(caller, wanted)
        now_s = clock() // _US
        life_s = _life_s(caller, wanted, now_s)
        try:
            text = tokens.issue(claims, wanted.door, life_s=life_s)
        except Failure as failure:
            raise HttpProblem(IDENTITY_UNAVAILABLE, "Tokens cannot be signed now.") from failure
        scopes = sorted(claims.scopes)
        expires_at_us = (now_s + life_s) * _US
        return web.Response(
            body=msgspec.json.encode(
                IssuedToken(
                    text, claims.principal, claims.tenant, scopes, wanted.door, expires_at_us
                )
            ),
            content_type="application/json",
        )

    return {TOKEN: handle}


def _claims(caller: Caller, wanted: NewToken) -> Claims:
    """Say what the token will; raises HttpProblem for what the caller has not themselves."""
    if caller.by_token or caller.kind not in {"key", "person"}:
        raise HttpProblem(CALLER_NOT_ALLOWED, "A token is made from an API key or from a session.")
    if wanted.tenant is not None and not _belongs(caller, wanted.tenant):
        # The same words as for any other question about a twin that is none of theirs.
        raise HttpProblem(CALLER_UNKNOWN, CALLER_UNKNOWN.title)
    return _of_key(caller, wanted) if caller.kind == "key" else _of_person(caller, wanted)


def _belongs(caller: Caller, tenant: str) -> bool:
    return tenant == caller.tenant if caller.kind == "key" else tenant in caller.roles


def _of_key(caller: Caller, wanted: NewToken) -> Claims:
    scopes = caller.scopes if wanted.scopes is None else frozenset(wanted.scopes)
    if more := sorted(scopes - caller.scopes):
        raise HttpProblem(CALLER_NOT_ALLOWED, f"The key has not the scopes {', '.join(more)}.")
    return Claims(principal=f"key_{caller.id}", tenant=caller.tenant, scopes=scopes)


def _of_person(caller: Caller, wanted: NewToken) -> Claims:
    if wanted.scopes is not None:
        raise body.malformed(
            "scopes", "are a key's: a person's token can what their role can", "Leave it out."
        )
    if wanted.tenant is not None:
        principal = f"person_{caller.id}"
    elif not caller.is_admin:
        raise body.malformed("tenant", "must name a twin", "Send one of those that /v1/me lists.")
    elif wanted.door == "bus":
        raise body.malformed(
            "door", "must be `api` without a tenant", "Platform admins speak HTTP only."
        )
    else:
        principal = f"admin_{caller.id}"
    return Claims(
        principal=principal, tenant=wanted.tenant or "", session=caller.session_hash.hex()
    )


def _life_s(caller: Caller, wanted: NewToken, now_s: int) -> int:
    if caller.expires_at_us is None:
        return wanted.ttl_s
    left_s = caller.expires_at_us // _US - now_s
    if left_s < 1:
        raise HttpProblem(KEY_REFUSED, "What the token would be made from ends in this second.")
    return min(wanted.ttl_s, left_s)
