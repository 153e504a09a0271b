"""
A visitor's token for a page, asked for by the browser that shows the page.

Here the Origin header is the browser's own word, and the gate compares it with the deployment's
list. A program can write what it likes into it; so each address gets so many visitors a minute, and
the deployment's own `mints_per_minute` stands behind that. Who wants to know their visitors first
lets their own server mint (services/http_door/visitors.py) and passes the token on.

CORS: only a page on the deployment's list may read an answer. It is a simple request, without a
body and without a header of its own, so no browser asks beforehand. A page that is not on the list
gets the same answer for every twin and deployment, whether they exist or not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from contracts.access import OPERATOR
from contracts.commands import AnyCommand
from contracts.replies import Receipt
from domain import rate
from services.client.errors import CannotVerify
from services.distribution.minting import Ticket, TokenIssuer, mint
from services.failure import Failure
from services.gateway.deployments import Deployments
from services.gateway.handshake import is_open_to
from services.gateway.limits import Limits
from services.gateway.problems import PAGE_NOT_ALLOWED, VISITORS_TOO_FAST
from services.http_door.address import address_of
from services.http_door.commands import refused
from services.http_door.gate_line import Gate
from services.http_door.visitors import VisitorTicket
from services.query_api.parameters import IS_ID, IS_TENANT
from services.query_api.problems import (
    BODY_NOT_ACCEPTED,
    CANNOT_VERIFY,
    IDENTITY_UNAVAILABLE,
    HttpProblem,
)
from services.variables import Network

PATH: Final = "/v1/twins/{tenant}/deployments/{deployment}/visitors"
ADDRESSES_MAX: Final = 10_000
_MINUTE_US: Final = 60_000_000


class Pace:
    """How fast each address may ask. *clock_us*: microseconds. The quietest is forgotten first."""

    def __init__(self, limits: Limits, clock_us: Callable[[], int]) -> None:
        interval_us = _MINUTE_US // limits.visitors_per_minute
        self._bucket = rate.Bucket(interval_us, (limits.visitors_burst - 1) * interval_us, 0)
        self._clock_us = clock_us
        self._states: OrderedDict[str, rate.State] = OrderedDict()

    def check(self, address: str) -> None:
        """Count one; raises HttpProblem (429)."""
        state = self._states.setdefault(address, rate.State())
        self._states.move_to_end(address)
        while len(self._states) > ADDRESSES_MAX:
            self._states.popitem(last=False)
        slot = rate.check(state, self._bucket, self._clock_us())
        if not slot.fits:
            raise HttpProblem(VISITORS_TOO_FAST, "Too many visitors at once from this address.")
        state.tat_us = slot.tat_us


class _Asker:
    """See minting.Gate: one twin's gate, in the name of the deployment of ViTo."""

    def __init__(self, gate: Gate, tenant: str) -> None:
        self.tenant = tenant
        self._gate = gate

    async def tell(self, command: AnyCommand) -> Receipt:
        """Send a command; raises CannotVerify."""
        return msgspec.convert(await self._gate.command(self.tenant, command, OPERATOR), Receipt)


class Visitors:
    """Lets the visitors of pages in."""

    def __init__(
        self,
        gate: Gate,
        tokens: TokenIssuer,
        deployments: Deployments,
        pace: Pace,
        proxies: Sequence[Network],
    ) -> None:
        self._gate = gate
        self._tokens = tokens
        self._deployments = deployments
        self._pace = pace
        self._proxies = proxies

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a browser; raises HttpProblem."""
        self._pace.check(address_of(request, self._proxies))
        if request.can_read_body:
            raise HttpProblem(BODY_NOT_ACCEPTED, "The request came with a body.")
        origins = request.headers.getall("Origin", [])
        tenant, deployment = request.match_info["tenant"], request.match_info["deployment"]
        if len(origins) != 1 or not IS_TENANT.fullmatch(tenant) or not IS_ID.fullmatch(deployment):
            raise _not_here()
        ticket = await self._ticket(tenant, deployment, origins[0])
        visit = msgspec.to_builtins(ticket.visit)
        del visit["tenant"]
        return web.Response(
            body=msgspec.json.encode(VisitorTicket(token=ticket.token, **visit)),
            content_type="application/json",
            headers=_readable_by(origins[0]),
        )

    async def _ticket(self, tenant: str, deployment: str, origin: str) -> Ticket:
        try:
            asker = _Asker(self._gate, tenant)
            found = await mint(asker, self._tokens, deployment=deployment, origin=origin)
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None
        except Failure as failure:
            problem = HttpProblem(
                IDENTITY_UNAVAILABLE,
                "Tokens cannot be signed now.",
                # The gate has admitted the page, so it is on the list.
                headers=_readable_by(origin),
            )
            raise problem from failure
        if isinstance(found, Ticket):
            return found
        raise await self._refusal(tenant, deployment, origin, found)

    async def _refusal(
        self, tenant: str, deployment: str, origin: str, receipt: Receipt
    ) -> HttpProblem:
        known = await self._deployments.find(tenant, deployment)
        if known is None or not is_open_to(known, origin):
            return _not_here()
        kind = refused(msgspec.to_builtins(receipt)).kind
        # Neither facts nor money: this is read by anybody who opens the page.
        return HttpProblem(kind, kind.title, headers=_readable_by(origin))


def _not_here() -> HttpProblem:
    return HttpProblem(PAGE_NOT_ALLOWED, PAGE_NOT_ALLOWED.title, headers={"Vary": "Origin"})


def _readable_by(origin: str) -> dict[str, str]:
    """Let exactly this page read the answer; without its cookies, which nothing here looks at."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cache-Control": "no-store",
        "Vary": "Origin",
    }
