"""
Rooms over HTTP: whoever may talk with a twin is invited into a LiveKit room, and its agent too.

    a visitor     with their token, from the page that it was made for: the session is the visitor
    a service     with a key that may authorise calls, and no Origin: a new session each time

The answer is a token that lets one person into one room within two minutes. Nothing is opened or
spent before they join: the agent that is called then opens the session in their name, so the gate
holds it to what they may do at that moment, and shows the disclosure before anything is said.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from aiohttp import web

from contracts.agent_job import AgentJob
from contracts.deployment import DeploymentId
from contracts.message import check_lines
from contracts.session import Rung
from domain.deployment import RUNGS
from services.distribution.invitation import TTL_S, invitation
from services.distribution.media_key import MediaKey
from services.http_door import body
from services.http_door.caller import CALLER, Caller
from services.http_door.endpoint import Endpoint, Handler
from services.query_api.problems import (
    BODY_TOO_LARGE,
    CALLER_NOT_ALLOWED,
    CALLER_UNKNOWN,
    MALFORMED_COMMAND,
    MEDIA_TYPE_REFUSED,
    ORIGIN_NOT_ALLOWED,
    ROOMS_NOT_CONFIGURED,
    HttpProblem,
)
from services.vendors.face.livekit_token import KeyUnusable

# Whoever may authorise calls may hold conversations: that is what they are made of.
_CALLS: Final = ("budget", "authorize")
_LADDER: Final[tuple[Rung, ...]] = ("video", "voice", "text")
_ID_BYTES: Final = 16
_US: Final = 1_000_000


class NewRoom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How to talk. *modality* is the highest rung that is wanted; a visitor's ceiling is not passed.

    *deployment* is for services: where the conversation is shown. A visitor's is their token's.
    """

    modality: Rung = "voice"
    language: Annotated[str, msgspec.Meta(max_length=35, description="BCP 47 tag")] = ""
    deployment: DeploymentId | None = None

    def __post_init__(self) -> None:
        check_lines(language=self.language)


class RoomInvitation(msgspec.Struct, frozen=True):
    """Connect to *url* with *token*, as *identity*, before *expires_at_us*."""

    url: str
    token: str
    room: str
    identity: str
    session_id: str
    modality: Rung
    expires_at_us: int


ROOM: Final = Endpoint(
    "POST",
    "/v1/tenants/{tenant}/rooms",
    "inviteIntoRoom",
    "Be invited into a LiveKit room, where the twin's agent comes to talk.",
    RoomInvitation,
    NewRoom,
    {"modality": "voice", "language": "es-MX"},
    problems=(
        MALFORMED_COMMAND,
        CALLER_UNKNOWN,
        CALLER_NOT_ALLOWED,
        ORIGIN_NOT_ALLOWED,
        BODY_TOO_LARGE,
        MEDIA_TYPE_REFUSED,
        ROOMS_NOT_CONFIGURED,
    ),
    about=_CALLS,
)


class Rooms(msgspec.Struct, frozen=True):
    """Where rooms are, and under which name the agents of this *deployment* wait."""

    media: MediaKey
    deployment: str


def handlers(rooms: Rooms | None, clock_us: Callable[[], int]) -> dict[Endpoint, Handler]:
    """Who answers it on one server."""

    async def handle(request: web.Request) -> web.StreamResponse:
        tenant, caller = request.match_info["tenant"], request[CALLER]
        asked = body.checked(await body.read(request), NewRoom)
        job = _job(caller, tenant, request.headers.getall("Origin", []), asked)
        if rooms is None:
            raise HttpProblem(ROOMS_NOT_CONFIGURED, "Nothing says where rooms are.")
        return _respond(_invited(rooms, job, clock_us()))

    return {ROOM: handle}


def _job(caller: Caller, tenant: str, origins: list[str], asked: NewRoom) -> AgentJob:
    """Say what the agent is told; raises HttpProblem (403)."""
    is_visitor = caller.kind == "visitor"
    # Byte for byte: both are what a browser says, and the gate has compared the same.
    if origins != ([caller.origin] if caller.origin else []):
        raise HttpProblem(ORIGIN_NOT_ALLOWED, ORIGIN_NOT_ALLOWED.title)
    if not is_visitor and not caller.may(tenant, *_CALLS):
        raise HttpProblem(CALLER_NOT_ALLOWED, "Holding conversations is not for you here.")
    principal = caller.principal(tenant, *_CALLS)
    return AgentJob(
        tenant=tenant,
        session_id=caller.id if is_visitor else secrets.token_hex(_ID_BYTES),
        modality=_highest(asked.modality, caller),
        deployment=caller.deployment if is_visitor else asked.deployment,
        language=asked.language,
        on_behalf="" if caller.kind == "operator" else principal,
    )


def _highest(wanted: Rung, caller: Caller) -> Rung:
    """The rung that is wanted, or the highest that a visitor may have."""
    ceiling = RUNGS[wanted] if caller.ceiling is None else RUNGS[caller.ceiling]
    return next(rung for rung in _LADDER if RUNGS[rung] >= max(RUNGS[wanted], ceiling))


def _invited(rooms: Rooms, job: AgentJob, now_us: int) -> RoomInvitation:
    # The same session again is the same room: who asks twice is not in two.
    room, identity = f"{job.tenant}-{job.session_id}", f"guest-{job.session_id}"
    try:
        token = invitation(
            rooms.media,
            job,
            room=room,
            identity=identity,
            deployment=rooms.deployment,
            clock_s=lambda: now_us / _US,
        )
    except KeyUnusable as problem:
        raise HttpProblem(ROOMS_NOT_CONFIGURED, str(problem)) from None
    return RoomInvitation(
        url=rooms.media.url,
        token=token.reveal(),
        room=room,
        identity=identity,
        session_id=job.session_id,
        modality=job.modality,
        expires_at_us=now_us + TTL_S * _US,
    )


def _respond(answer: RoomInvitation) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(answer),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
