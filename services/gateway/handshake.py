"""
The handshake: who wants to talk with which twin, from which page.

    a stream's handshake -> a credential -> who it is -> a twin of theirs -> their right
    -> the page that they may come from -> the disclosure that is due

Whether a twin is any business of theirs is known before anything is asked about it, and said in the
same words for twins that exist and for those that do not. A cookie is no credential here: a browser
sends it whoever made it connect.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
from aiohttp import web

from contracts.stream import BEARER, SUBPROTOCOL, Shown
from contracts.views import DeploymentShown
from domain.refusals import DEPLOYMENT_DISABLED, DEPLOYMENT_EXPIRED
from services.gateway.deployments import Deployments
from services.gateway.guest import Guest
from services.gateway.problems import PAGE_NOT_ALLOWED, SUBPROTOCOL_MISSING, of_refusal
from services.http_door.authentication import Presented
from services.http_door.caller import Caller
from services.query_api.parameters import IS_TENANT
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    KEY_MISSING,
    KEY_REFUSED,
    TENANT_UNKNOWN,
    HttpProblem,
)

# Whoever may authorise calls may hold conversations: that is what they are made of.
_CALLS: Final = ("budget", "authorize")


class Authentication(Protocol):
    """See services.http_door.authentication."""

    def bearer(self, text: str) -> Presented: ...
    async def caller(self, presented: Presented) -> Caller: ...


class Knock(msgspec.Struct, frozen=True):
    """A handshake as it came. *in_protocols*: the credential stood where only a browser puts it."""

    tenant: str
    origin: str
    credential: str
    in_protocols: bool


def read(request: web.BaseRequest, tenant: str) -> Knock:
    """Read a handshake; raises HttpProblem (400, 401). Costs next to nothing."""
    headers = request.headers
    offered = headers.getall("Sec-WebSocket-Protocol", [])
    names = [name.strip() for name in offered[0].split(",")] if len(offered) == 1 else []
    is_upgrade = headers.get("Upgrade", "").lower() == "websocket"
    if not is_upgrade or SUBPROTOCOL not in names:
        raise HttpProblem(SUBPROTOCOL_MISSING, f"It does not offer `{SUBPROTOCOL}`, once.")
    in_protocols = [name.removeprefix(BEARER) for name in names if name.startswith(BEARER)]
    in_headers = headers.getall("Authorization", [])
    if len(in_protocols) + len(in_headers) > 1:
        raise HttpProblem(KEY_REFUSED, "The request shows two credentials.")
    if in_protocols:
        return Knock(tenant, _origin(request), in_protocols[0], in_protocols=True)
    scheme, _, text = (in_headers[0] if in_headers else "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        detail = f"Offer `{BEARER}<credential>` as a subprotocol, or send `Authorization: Bearer`."
        raise HttpProblem(KEY_MISSING, detail)
    return Knock(tenant, _origin(request), text.strip(), in_protocols=False)


def _origin(request: web.BaseRequest) -> str:
    origins = request.headers.getall("Origin", [])
    if len(origins) > 1:
        raise HttpProblem(PAGE_NOT_ALLOWED, "The request comes from two origins.")
    return origins[0] if origins else ""


class Admission:
    """Lets guests in. *clock_us*: microseconds since 1970."""

    def __init__(self, authentication: Authentication, deployments: Deployments) -> None:
        self._authentication = authentication
        self._deployments = deployments

    async def admit(self, knock: Knock, now_us: int) -> Guest:
        """Say who this is; raises HttpProblem (401, 403, 404, 503)."""
        caller = await self._authentication.caller(self._authentication.bearer(knock.credential))
        _check_tenant(caller, knock.tenant)
        if caller.kind == "visitor":
            return await self._visitor(caller, knock, now_us)
        if knock.origin:
            raise HttpProblem(PAGE_NOT_ALLOWED, "Keys and tokens of services belong on no page.")
        if not caller.may(knock.tenant, *_CALLS):
            raise HttpProblem(CALLER_NOT_ALLOWED, "Holding conversations is not for you here.")
        principal = caller.principal(knock.tenant, *_CALLS)
        return Guest(caller=caller, tenant=knock.tenant, principal=principal)

    async def _visitor(self, caller: Caller, knock: Knock, now_us: int) -> Guest:
        # Byte for byte: both are what a browser says, and the gate has compared the same.
        if knock.origin != caller.origin:
            raise HttpProblem(PAGE_NOT_ALLOWED, "The token was made for another page.")
        found = await self._deployments.find(knock.tenant, caller.deployment)
        _check_deployment(found, caller, now_us)
        assert found is not None, "checked"
        return Guest(
            caller=caller,
            tenant=knock.tenant,
            principal=f"visitor_{caller.id}",
            deployment=found.deployment,
            ceiling=caller.ceiling,
            disclosure=Shown(
                version=found.disclosure_version, text=found.disclosure, language=found.language
            ),
        )


def _check_tenant(caller: Caller, tenant: str) -> None:
    is_name = IS_TENANT.fullmatch(tenant) is not None
    if not caller.reaches(tenant):
        raise HttpProblem(CALLER_UNKNOWN, CALLER_UNKNOWN.title)
    if not is_name:
        raise HttpProblem(TENANT_UNKNOWN, "No twin of this name has a log here.")


def _check_deployment(found: DeploymentShown | None, caller: Caller, now_us: int) -> None:
    """As the gate does for each call of a visitor: the token may be older than the list."""
    if found is None:
        raise HttpProblem(PAGE_NOT_ALLOWED, "The token's deployment is not there.")
    if not found.enabled:
        raise of_refusal(DEPLOYMENT_DISABLED)
    expires_at_us = found.terms.expires_at_us
    if expires_at_us is not None and now_us >= expires_at_us:
        raise of_refusal(DEPLOYMENT_EXPIRED)
    if not is_open_to(found, caller.origin):
        raise HttpProblem(PAGE_NOT_ALLOWED, "The page is not on the deployment's list any more.")


def is_open_to(found: DeploymentShown, origin: str) -> bool:
    """Whether a page may show this deployment; an app may have no origin and no list."""
    return origin in found.terms.origins or (not origin and not found.terms.origins)
