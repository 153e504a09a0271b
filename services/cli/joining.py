"""Accepting an invitation over the HTTP API, as somebody does who has nothing but its code."""

from __future__ import annotations

from typing import Final

import aiohttp
import msgspec

from contracts.access import Role
from services.failure import Failure

PATH: Final = "/v1/invitations/accept"
ANSWER_S: Final = 15.0
_DONE: Final = 200


class NotJoined(Failure):
    """The invitation was not accepted, or nobody answered."""


class Joined(msgspec.Struct, frozen=True):
    """See services.http_door.invitations.Joined."""

    tenant: str
    person: str
    email: str
    role: Role


class _Problem(msgspec.Struct, frozen=True):
    detail: str
    remedy: str


async def accept(api_url: str, code: str, password: str) -> Joined:
    """Accept an invitation; raises NotJoined. Safe to repeat."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(
                f"{api_url}{PATH}",
                json={"code": code, "password": password},
                allow_redirects=False,
            ) as answer,
        ):
            status, content = answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as problem:
        raise NotJoined(
            f"The API at {api_url} does not answer ({type(problem).__name__}).",
            "name the right one with --api, and send the same again.",
        ) from None
    try:
        if status == _DONE:
            return msgspec.json.decode(content, type=Joined)
        said = msgspec.json.decode(content, type=_Problem)
    except msgspec.DecodeError:
        raise NotJoined(
            f"{api_url} answers like no API of ours (status {status}).",
            "name the right one with --api.",
        ) from None
    raise NotJoined(said.detail, said.remedy)
