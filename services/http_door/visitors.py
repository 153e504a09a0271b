"""
Minting over HTTP: whoever shows a twin lets a visitor in, and passes on the token.

It is asked by the page's own server, with a key of the scope `mint`, and not by the visitor's
browser: so *origin* is what that server has read from the browser's Origin header. Each request is
a new visitor. One whose answer was lost is nobody, and is forgotten when its time is over; so
there is no Idempotency-Key.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from contracts.commands import AnyCommand
from contracts.deployment import VISIT_S_MAX, Ceiling, MintVisitor, SentOrigin
from contracts.message import check_lines
from contracts.replies import Receipt
from domain.refusable import refusals_of
from services.client.errors import CannotVerify
from services.distribution.minting import Ticket, TokenIssuer, mint
from services.failure import Failure
from services.http_door import body
from services.http_door.caller import CALLER
from services.http_door.commands import CommandProblem, for_ears_of, refused
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.gate_line import Gate
from services.query_api.parameters import IS_ID
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    CANNOT_VERIFY,
    DEPLOYMENT_UNKNOWN,
    IDENTITY_UNAVAILABLE,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    HttpProblem,
)

_OF_VISITORS: Final = ("deployment", "mint")


class NewVisitor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a visitor comes from, and for how long at most."""

    origin: SentOrigin = ""
    ttl_s: Annotated[
        int, msgspec.Meta(ge=60, le=VISIT_S_MAX, description="for how many seconds at most")
    ] = VISIT_S_MAX

    def __post_init__(self) -> None:
        check_lines(origin=self.origin)


class VisitorTicket(msgspec.Struct, frozen=True):
    """
    A visitor's token, and what the gate has admitted.

    Show version *disclosure_version* of the deployment's disclosure before anything else.
    """

    token: str
    deployment: str
    visitor_id: str
    origin: str
    ceiling: Ceiling
    expires_at_us: int
    disclosure_version: int


MINT: Final = Endpoint(
    "POST",
    "/v1/tenants/{tenant}/deployments/{deployment}/visitors",
    "mintVisitor",
    "Let a visitor in, and get the token that its browser shows.",
    VisitorTicket,
    NewVisitor,
    {"origin": "https://tvazteca.example"},
    problems=(
        MALFORMED_COMMAND,
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        DEPLOYMENT_UNKNOWN,
        BODY_TOO_LARGE,
        MEDIA_TYPE_REFUSED,
        CANNOT_VERIFY,
        IDENTITY_UNAVAILABLE,
    ),
    problem_model=CommandProblem,
    refusals=refusals_of(MintVisitor),
    about=_OF_VISITORS,
)


class _Asker:
    """See minting.Gate: one twin's gate in the name of who asks."""

    def __init__(self, gate: Gate, tenant: str, principal: str) -> None:
        self.tenant = tenant
        self._gate = gate
        self._principal = principal

    async def tell(self, command: AnyCommand) -> Receipt:
        """Send a command; raises CannotVerify and MalformedCommand."""
        reply = await self._gate.command(self.tenant, command, self._principal)
        return msgspec.convert(reply, Receipt)


def handlers(gate: Gate, visits: TokenIssuer) -> dict[Endpoint, Handler]:
    """Who answers it on one server."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = body.checked(await body.read(request), NewVisitor)
        tenant, deployment = request.match_info["tenant"], request.match_info["deployment"]
        if not IS_ID.fullmatch(deployment):
            raise HttpProblem(DEPLOYMENT_UNKNOWN, "The twin has no deployment of this id.")
        caller = request[CALLER]
        asker = _Asker(gate, tenant, caller.principal(tenant, *_OF_VISITORS))
        try:
            ticket = await mint(
                asker, visits, deployment=deployment, origin=asked.origin, ttl_s=asked.ttl_s
            )
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None
        except Failure as failure:
            raise HttpProblem(IDENTITY_UNAVAILABLE, "Tokens cannot be signed now.") from failure
        if not isinstance(ticket, Ticket):
            raise refused(for_ears_of(caller, tenant, msgspec.to_builtins(ticket)))
        return _respond(ticket)

    return {MINT: handle}


def _respond(ticket: Ticket) -> web.Response:
    visit = msgspec.to_builtins(ticket.visit)
    del visit["tenant"]
    answer = VisitorTicket(token=ticket.token, **visit)
    return web.Response(
        body=msgspec.json.encode(answer),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
