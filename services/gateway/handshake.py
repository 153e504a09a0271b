"""
The handshake: who wants to talk with which twin, from which page.

    a stream's handshake -> a credential -> who it is -> a twin of theirs -> their right
    -> the page that they may come from -> the disclosure that is due

Whether a twin is any business of theirs is known before anything is asked about it, and said in the
same words for twins that exist and for those that do not. A cookie is no credential here: a browser
sends it whoever made it connect. Who was known and turned away is written down, as at the other
doors.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
from aiohttp import web

from contracts.stream import BEARER, SUBPROTOCOL, Shown
from contracts.views import DeploymentShown
from services.gateway.deployments import Deployments
from services.gateway.guest import Guest
from services.gateway.problems import (
    DEPLOYMENT_DISABLED,
    DEPLOYMENT_EXPIRED,
    PAGE_NOT_ALLOWED,
    SUBPROTOCOL_MISSING,
)
from services.http_door.authentication import Presented
from services.http_door.caller import Caller
from services.http_door.doorman import DENIALS, Doorman
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    KEY_MISSING,
    KEY_REFUSED,
    HttpProblem,
    KnownCallerRefused,
)

# Whoever may authorise calls may hold conversations: that is what they are made of.
_CALLS: Final = ("budget", "authorize")
# What a handshake wants, in the words of the record of denials.
OPENING: Final = ("stream", "open")
TURNED_AWAY: Final = (*DENIALS, PAGE_NOT_ALLOWED, DEPLOYMENT_DISABLED, DEPLOYMENT_EXPIRED)


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

    def __init__(
        self, authentication: Authentication, deployments: Deployments, doorman: Doorman
    ) -> None:
        self._authentication = authentication
        self._deployments = deployments
        self._doorman = doorman

    async def admit(self, knock: Knock, now_us: int) -> Guest:
        """Say who this is; raises HttpProblem (401, 403, 404, 503)."""
        try:
            caller = await self._caller(knock)
        except KnownCallerRefused as problem:
            self._doorman.note_over(knock.tenant, OPENING, problem)
            raise
        try:
            return await self._guest(caller, knock, now_us)
        except HttpProblem as problem:
            self._doorman.note(caller, knock.tenant, OPENING, problem)
            raise

    async def _caller(self, knock: Knock) -> Caller:
        return await self._authentication.caller(self._authentication.bearer(knock.credential))

    async def _guest(self, caller: Caller, knock: Knock, now_us: int) -> Guest:
        self._doorman.check_tenant(caller, knock.tenant, is_open_to_all=False)
        if caller.kind == "visitor":
            return await self._visitor(caller, knock, now_us)
        if knock.origin:
            raise HttpProblem(PAGE_NOT_ALLOWED, "Keys and tokens of services belong on no page.")
        if not caller.may(knock.tenant, *_CALLS):
            # People talk as visitors do: whoever may edit lets themselves in at a deployment.
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


def _check_deployment(found: DeploymentShown | None, caller: Caller, now_us: int) -> None:
    """As the gate does for each call of a visitor: the token may be older than the list."""
    if found is None:
        raise HttpProblem(PAGE_NOT_ALLOWED, "The token's deployment is not there.")
    if not found.enabled:
        raise HttpProblem(DEPLOYMENT_DISABLED, DEPLOYMENT_DISABLED.title)
    expires_at_us = found.terms.expires_at_us
    if expires_at_us is not None and now_us >= expires_at_us:
        raise HttpProblem(DEPLOYMENT_EXPIRED, DEPLOYMENT_EXPIRED.title)
    if not is_open_to(found, caller.origin):
        raise HttpProblem(PAGE_NOT_ALLOWED, "The page is not on the deployment's list any more.")


def is_open_to(found: DeploymentShown, origin: str) -> bool:
    """Whether a page may show this deployment; an app may have no origin and no list."""
    return origin in found.terms.origins or (not origin and not found.terms.origins)
