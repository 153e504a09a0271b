"""Me: what somebody is told about themselves, and how others check what we have signed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from aiohttp import web
from pydantic import BaseModel, Field

from contracts.access import Role, Scope
from services.failure import Failure
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.query_api.problems import IDENTITY_UNAVAILABLE, HttpProblem

_US: Final = 1_000_000


class Me(BaseModel):
    """Who asks, as this deployment knows them."""

    principal: str = Field(description="as the log names them", examples=["person_andres"])
    kind: Literal["operator", "person", "key", "visitor"]
    email: str | None = Field(default=None, description="of a person: where they sign in")
    is_admin: bool = Field(default=False, description="a platform super admin")
    roles: dict[str, Role] = Field(default={}, description="of a person: the role in each twin")
    tenant: str | None = Field(default=None, description="of a key or visitor: the only twin")
    scopes: list[Scope] = Field(default=[], description="of a key")
    expires_at: datetime | None = Field(default=None, description="null: not by time")
    csrf_token: str | None = Field(
        default=None,
        description="of a session: send it as `Vito-Csrf-Token` with whatever changes something",
    )


ME: Final = Endpoint("GET", "/v1/me", "readMe", "Who asks, and what they belong to.", Me)
JWKS: Final = Endpoint(
    "GET",
    "/.well-known/jwks.json",
    "readJwks",
    "The public keys of our tokens (RFC 7517).",
    None,
    problems=(IDENTITY_UNAVAILABLE,),
    content_type="application/jwk-set+json",
    open=True,
)


def describe(caller: Caller) -> Me:
    """Tell a caller who they are."""
    expires = caller.expires_at_us
    return Me(
        principal=f"{caller.kind}_{caller.id}".rstrip("_"),
        kind=caller.kind,
        email=caller.email or None,
        is_admin=caller.is_admin,
        roles=dict(caller.roles),
        tenant=caller.tenant or None,
        scopes=sorted(caller.scopes),
        expires_at=None if expires is None else datetime.fromtimestamp(expires // _US, UTC),
        csrf_token=caller.csrf_token or None,
    )


def handlers(jwks: Callable[[], dict[str, Any]]) -> dict[Endpoint, Handler]:
    """Who answers both."""

    async def me(request: web.Request) -> web.StreamResponse:
        answer = describe(request[CALLER])
        return web.json_response(body=answer.model_dump_json().encode())

    async def keys(_request: web.Request) -> web.StreamResponse:
        # Not for ever: a new key must be known before the first token is signed with it.
        try:
            known = jwks()
        except Failure as failure:
            raise HttpProblem(IDENTITY_UNAVAILABLE, "The keys cannot be read.") from failure
        return web.Response(
            body=msgspec.json.encode(known),
            content_type=JWKS.content_type,
            headers={"Cache-Control": "public, max-age=60"},
        )

    return {ME: me, JWKS: keys}
