"""
A person's own sessions: where they are signed in, and how they end that from elsewhere.

A session goes by its hash, from which nobody comes to the cookie. Only a session ends sessions:
what a token or an issuer vouches for is no sign-in of ours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web
from pydantic import BaseModel, Field

from services import logs
from services.http_door import body
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.http_door.opening import CannotVerify, asked
from services.http_door.sign_in import FORM, SignIn, SignInParts
from services.identity.directory import OpenSession
from services.query_api.problems import (
    CALLER_NOT_ALLOWED,
    CANNOT_VERIFY,
    CROSS_SITE_REFUSED,
    IDENTITY_UNAVAILABLE,
    HttpProblem,
)

_US: Final = 1_000_000
_IS_HASH: Final = re.compile("[0-9a-f]{64}")
_REMEDY: Final = "Send one of those that /v1/me/sessions lists, or none to end all others."


class MySession(BaseModel):
    """Where somebody is signed in."""

    session_id: str = Field(description="names it; opens nothing")
    is_this: bool = Field(description="whether it is the one that asks")
    user_agent: str = Field(description="what the browser said of itself; may be empty")
    began_at: datetime
    last_used_at: datetime | None = Field(description="to the minute; null: not known yet")
    expires_at: datetime


class MySessions(BaseModel):
    """Every open session of whoever asks, the newest first; at most ten, and none of a key."""

    items: list[MySession]


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which session ends; without one every other than the one that asks."""

    session_id: Annotated[
        str | None, msgspec.Meta(description="one of those that /v1/me/sessions lists")
    ] = None


LIST: Final = Endpoint(
    "GET",
    "/v1/me/sessions",
    "listMySessions",
    "Where you are signed in.",
    MySessions,
    problems=(IDENTITY_UNAVAILABLE,),
)
END: Final = Endpoint(
    "POST",
    "/v1/me/sessions/sign-out",
    "endMySessions",
    "Sign out elsewhere: end one session of yours, or all others.",
    None,
    Ending,
    problems=(*FORM, CALLER_NOT_ALLOWED, CROSS_SITE_REFUSED, IDENTITY_UNAVAILABLE, CANNOT_VERIFY),
)


class MySessionsDoor:
    """Shows people their sessions, and ends them."""

    def __init__(self, parts: SignInParts, signing_in: SignIn) -> None:
        self._parts = parts
        self._signing_in = signing_in

    def handlers(self) -> dict[Endpoint, Handler]:
        """Who answers."""
        return {LIST: self._list, END: self._end}

    async def _list(self, request: web.Request) -> web.StreamResponse:
        caller: Caller = request[CALLER]
        found: list[OpenSession] = []
        if caller.kind == "person":
            now_us = self._parts.clock()
            found = await asked(self._parts.directory.open_sessions(caller.id, now_us))
        answer = MySessions(
            items=[
                MySession(
                    session_id=one.session_hash.hex(),
                    is_this=one.session_hash == caller.session_hash,
                    user_agent=one.user_agent,
                    began_at=one.opened_at,
                    last_used_at=one.last_used_at,
                    expires_at=datetime.fromtimestamp(one.expires_at_us // _US, UTC),
                )
                for one in found
            ]
        )
        return web.json_response(body=answer.model_dump_json().encode())

    async def _end(self, request: web.Request) -> web.StreamResponse:
        caller: Caller = request[CALLER]
        if not caller.session_hash or caller.by_token:
            raise HttpProblem(CALLER_NOT_ALLOWED, "Sessions are ended in a session of its own.")
        said = body.checked(await body.read(request), Ending)
        found = await asked(self._parts.directory.open_sessions(caller.id, self._parts.clock()))
        known = [one.session_hash for one in found]
        if said.session_id is None:
            ending = [one for one in known if one != caller.session_hash]
        else:
            ending = [_named(said.session_id, known)]
        for session_hash in ending:
            await self._close(caller.id, session_hash)
        logs.get().info("sessions_ended", person=caller.id, sessions=len(ending))
        return web.Response(status=204)

    async def _close(self, person: str, session_hash: bytes) -> None:
        try:
            await self._parts.accounts.close_session(person, session_hash)
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, str(unknown)) from None
        await self._signing_in.opening.shown(session_hash, is_open=False)


def _named(session_id: str, known: list[bytes]) -> bytes:
    if not _IS_HASH.fullmatch(session_id) or bytes.fromhex(session_id) not in known:
        raise body.malformed("session_id", "names no open session of yours", _REMEDY)
    return bytes.fromhex(session_id)
