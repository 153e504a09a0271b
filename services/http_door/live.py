"""Live views over HTTP: what the gate itself has now, newer than any table."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from contracts.views import VIEWS
from domain.rights import QUESTION
from services.client.errors import CannotVerify
from services.http_door.caller import CALLER
from services.http_door.commands import refused
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.gate_line import Gate, Reply
from services.query_api import parameters
from services.query_api.parameters import Query
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    GATE_UNAVAILABLE,
    INVALID_PARAMETER,
    TENANT_UNKNOWN,
    HttpProblem,
)


def endpoint_of(noun: str) -> Endpoint:
    """Describe the path of a view."""
    view = VIEWS[noun]  # type: ignore[index]
    return Endpoint(
        "GET",
        f"/v1/tenants/{{tenant}}/live/{noun.replace('_', '-')}",
        f"live_{noun}",
        f"{' '.join((view.__doc__ or '').split()).split('. ')[0].rstrip('.')}.",
        view,
        problems=(
            CALLER_UNKNOWN,
            CALLER_NOT_ALLOWED,
            TENANT_UNKNOWN,
            GATE_UNAVAILABLE,
            INVALID_PARAMETER,
        ),
        about=(noun, QUESTION),
    )


ENDPOINTS: Final[dict[str, Endpoint]] = {noun: endpoint_of(noun) for noun in VIEWS}


def handlers(gate: Gate) -> dict[Endpoint, Handler]:
    """Who answers each view on one server."""
    return {endpoint: _handler(gate, noun) for noun, endpoint in ENDPOINTS.items()}


def _handler(gate: Gate, noun: str) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        parameters.parse(Query, request.query)
        tenant = request.match_info["tenant"]
        principal = request[CALLER].principal(tenant, noun, "show")
        try:
            reply = await gate.show(tenant, noun, principal)
        except CannotVerify as unknown:
            raise HttpProblem(GATE_UNAVAILABLE, f"No answer: {unknown.reason}.") from None
        return _respond(reply)

    return handle


def _respond(reply: Reply) -> web.Response:
    if "command_id" in reply:
        # No view has one: this is why there is none.
        raise refused(reply)
    if reply["position"] == 0:
        raise HttpProblem(TENANT_UNKNOWN, "No twin of this name has a log here.")
    response = web.Response(body=msgspec.json.encode(reply), content_type="application/json")
    response.headers["Vito-Position"] = str(reply["position"])
    return response
