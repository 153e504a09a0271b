"""
Testing a vendor's key over HTTP: whoever may put a secret may see whether its vendor takes it.

The value goes to the call and to nobody else. The call is made by the deployment, which the log
says, once this door has found out that whoever asks may put secrets.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

import msgspec
from aiohttp import web

from contracts.message import NAME_PATTERN
from services import logs
from services.client.connection import NotConnected
from services.client.errors import CannotVerify, NoGrant, Refused
from services.http_door import body
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    CANNOT_VERIFY,
    COMMAND_RUNNING,
    MALFORMED_COMMAND,
    OVERLOADED,
    HttpProblem,
)
from services.vendors.key_trial import KeyTested

AT_ONCE_MAX: Final = 8
_PUTS: Final = ("secret", "put")
_IS_NAME: Final = re.compile(NAME_PATTERN)


class Tester(Protocol):
    """Tests the key *name* of a twin; raises CannotVerify, NoGrant, NotConnected or Refused."""

    async def test(self, tenant: str, name: str) -> KeyTested: ...


TEST: Final = Endpoint(
    "POST",
    "/v1/tenants/{tenant}/secrets/{secret}/test",
    "testSecret",
    "Make a tiny metered call with a vendor's key, and say whether the vendor takes it.",
    KeyTested,
    problems=(
        MALFORMED_COMMAND,
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        COMMAND_RUNNING,
        OVERLOADED,
        CANNOT_VERIFY,
    ),
    about=_PUTS,
)


def handlers(tester: Tester | None) -> dict[Endpoint, Handler]:
    """Who answers it on one server; None: it makes no calls."""
    running: set[tuple[str, str]] = set()

    async def handle(request: web.Request) -> web.StreamResponse:
        tenant, name = request.match_info["tenant"], request.match_info["secret"]
        caller: Caller = request[CALLER]
        if not caller.may(tenant, *_PUTS):
            raise HttpProblem(CALLER_NOT_ALLOWED, "Testing keys takes the role of an owner here.")
        if not _IS_NAME.fullmatch(name):
            raise body.malformed("secret", "must be the name of a secret", "Send one of the vault.")
        if (tenant, name) in running:
            raise HttpProblem(COMMAND_RUNNING, "The same key is being tested.")
        if len(running) >= AT_ONCE_MAX:
            raise HttpProblem(OVERLOADED, "Other keys are being tested.")
        running.add((tenant, name))
        try:
            found = await _tested(tester, tenant, name)
        finally:
            running.discard((tenant, name))
        who = caller.principal(tenant, *_PUTS)
        logs.get().info("key_tested", tenant=tenant, name=name, outcome=found.outcome, by=who)
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    return {TEST: handle}


async def _tested(tester: Tester | None, tenant: str, name: str) -> KeyTested:
    if tester is None:
        raise HttpProblem(CANNOT_VERIFY, "This server makes no vendor calls.")
    try:
        return await tester.test(tenant, name)
    except CannotVerify as unknown:
        raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None
    except (NoGrant, NotConnected, Refused) as problem:
        logs.get().warning("key_not_tested", tenant=tenant, reason=type(problem).__name__)
        raise HttpProblem(CANNOT_VERIFY, "The gate could not be asked.") from None
