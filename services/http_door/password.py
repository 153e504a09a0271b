"""
Choosing a password: by whoever has signed in and shows the one they had.

Only the door makes the hash that is kept, so nobody can have a weak one kept, and who finds an open
session cannot turn it into an account of theirs. Who has forgotten their password chooses another
one with a one-time link: `new_password` of /v1/sign-in/link.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from aiohttp import web

from services import logs
from services.http_door import body
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.opening import asked
from services.http_door.sign_in import FORM, SignIn, SignInParts
from services.identity.directory import AccountRecord
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CANNOT_VERIFY,
    CROSS_SITE_REFUSED,
    IDENTITY_UNAVAILABLE,
    OVERLOADED,
    SIGN_IN_REFUSED,
    SIGN_IN_SLOWED,
    HttpProblem,
)


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password that somebody chooses; *current* is needed by whoever has one."""

    password: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=1_024, description="12 to 128 characters"),
    ]
    current: Annotated[
        str, msgspec.Meta(max_length=1_024, description="the password until now, if there is one")
    ] = ""

    def __repr__(self) -> str:
        return "NewPassword([hidden])"


CHOOSE: Final = Endpoint(
    "POST",
    "/v1/me/password",
    "choosePassword",
    "Choose a password; every other session of yours ends.",
    None,
    NewPassword,
    problems=(
        *FORM,
        CALLER_NOT_ALLOWED,
        CROSS_SITE_REFUSED,
        SIGN_IN_REFUSED,
        SIGN_IN_SLOWED,
        OVERLOADED,
        IDENTITY_UNAVAILABLE,
        CANNOT_VERIFY,
    ),
)


class Choosing:
    """Has passwords changed by those who know them."""

    def __init__(self, parts: SignInParts, signing_in: SignIn) -> None:
        self._parts = parts
        self._signing_in = signing_in

    def handlers(self) -> dict[Endpoint, Handler]:
        """Who answers."""
        return {CHOOSE: self._choose}

    async def _choose(self, request: web.Request) -> web.StreamResponse:
        caller: Caller = request[CALLER]
        if not caller.session_hash or caller.by_token:
            raise HttpProblem(CALLER_NOT_ALLOWED, "A password is chosen in a session of its own.")
        said = body.checked(await body.read(request), NewPassword)
        account = await asked(self._parts.directory.account(caller.id))
        if account is None:
            raise HttpProblem(SIGN_IN_REFUSED, "The session's account is not there.")
        if account.password_hash:
            await self._compare(request, account, said.current)
        new_hash = await self._signing_in.hashed(said.password, field="password")
        await self._signing_in.chosen(account.person, new_hash, caller.session_hash)
        logs.get().info("password_chosen", person=account.person)
        return web.Response(status=204)

    async def _compare(self, request: web.Request, account: AccountRecord, current: str) -> None:
        if not current:
            remedy = "Send the password that you have now; or take a one-time link."
            raise body.malformed("current", "is needed, because you have a password", remedy)
        await self._signing_in.compare(request, account, current, field="current")
