"""
LiveKit's server API as its reference describes it: rooms over Twirp, in JSON or Protobuf.

    POST /twirp/livekit.RoomService/<method>   CreateRoom, ListRooms, DeleteRoom, ListParticipants,
                                               GetParticipant, RemoveParticipant
    Authorization: Bearer <JWT signed with the API secret, with the grants that the method needs>

There is no media here. Who connects is told with their token: POST /_sandbox/livekit/join
{"token"} and …/leave {"room", "identity"}. A token makes its room, as the real server does. Billed
is each connection, rounded up to whole minutes. A room ends when nobody came for `empty_timeout`
(300 s), or when the last one has been gone for `departure_timeout` (20 s).
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

import jwt
import msgspec
from aiohttp import web

from contracts.usage import Usage
from services.sandbox import livekit_wire
from services.sandbox.exchange import Exchange
from services.sandbox.ledger import Call
from services.sandbox.vendor import Frame, SandboxVendor, answer, read_object

API_SECRET: Final = "sandbox-livekit-secret-of-32-bytes-or-more"  # noqa: S105 - of the sandbox
EMPTY_TIMEOUT_S: Final = 300
DEPARTURE_TIMEOUT_S: Final = 20
ROOMS_MAX: Final = 20_000
SERVICE: Final = "/twirp/livekit.RoomService/"
_S: Final = 1_000_000
_MINUTE_US: Final = 60 * _S
_CODES: Final = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    429: "resource_exhausted",
    503: "unavailable",
}
# What a token must grant for each method; a name in it is the room that it is for.
_NEEDED: Final[dict[str, str]] = {
    "CreateRoom": "roomCreate",
    "DeleteRoom": "roomCreate",
    "ListRooms": "roomList",
    "ListParticipants": "roomAdmin",
    "GetParticipant": "roomAdmin",
    "RemoveParticipant": "roomAdmin",
    "UpdateRoomMetadata": "roomAdmin",
}


class Participant(msgspec.Struct):
    """One connection. *call* is its line in the ledger."""

    sid: str
    identity: str
    joined_us: int
    call: Call


class Room(msgspec.Struct):
    """One room, and who is in it by identity."""

    sid: str
    name: str
    created_us: int
    empty_timeout_s: int = EMPTY_TIMEOUT_S
    departure_timeout_s: int = DEPARTURE_TIMEOUT_S
    max_participants: int = 0
    participants: dict[str, Participant] = {}
    empty_since_us: int = 0
    has_been_joined: bool = False
    metadata: str = ""

    def ends_us(self) -> int | None:
        """When it ends if nobody comes; None while somebody is there."""
        if self.participants:
            return None
        wait_s = self.departure_timeout_s if self.has_been_joined else self.empty_timeout_s
        return self.empty_since_us + wait_s * _S


class LiveKit(SandboxVendor):
    """The vendor. See the module."""

    name: ClassVar[str] = "livekit"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.rooms: dict[str, Room] = {}

    @property
    def usable_key(self) -> str:
        return f"{super().usable_key}:{API_SECRET}"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        handlers = {
            "CreateRoom": self._create,
            "ListRooms": self._list,
            "DeleteRoom": self._delete,
            "ListParticipants": self._list_participants,
            "GetParticipant": self._get_participant,
            "RemoveParticipant": self._remove_participant,
            "UpdateRoomMetadata": self._update_metadata,
        }
        return [
            web.post(f"{SERVICE}{method}", self.counted(method, self._twirp(method, handler)))
            for method, handler in handlers.items()
        ]

    def control_routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.post("/join", self._at_join), web.post("/leave", self._at_leave)]

    def shown_key(self, request: web.Request) -> str:
        return str(self._claims(_token(request)).get("iss", ""))

    def accepts(self, request: web.Request) -> bool:
        return bool(self._claims(_token(request)))

    def error(self, status: int, detail: str = "") -> web.Response:
        code = _CODES.get(status, "internal")
        return answer({"code": code, "msg": detail or code}, status)

    def due(self) -> None:
        for room in list(self.rooms.values()):
            ends_us = room.ends_us()
            if ends_us is not None and ends_us <= self.now_us:
                del self.rooms[room.name]

    def reckon(self) -> None:
        for room in self.rooms.values():
            for participant in room.participants.values():
                self._bill(participant)

    # -- media, as far as it is told ------------------------------------------------------

    def join(self, token: str) -> Participant | None:
        """Somebody connects with a token; None if it does not let them in."""
        self.due()
        claims = self._claims(token)
        grants = claims.get("video", {})
        name, identity = grants.get("room", ""), str(claims.get("sub", ""))
        if not (grants.get("roomJoin") and name and identity):
            return None
        room = self.rooms.get(name) or self._open(name)
        if room is None or (0 < room.max_participants <= len(room.participants)):
            return None
        # The same identity again takes the place of the first.
        self._out(room, identity)
        call = self.frame.ledger.open(self.name, "participant.connect", self.now_us)
        participant = Participant(f"PA_{uuid.uuid4().hex[:12]}", identity, self.now_us, call)
        call.ref, call.is_billed = room.name, True
        self.frame.ledger.close(call, 200)
        room.participants[identity] = participant
        room.has_been_joined = True
        return participant

    def leave(self, name: str, identity: str) -> bool:
        """Somebody goes; False if they were not there."""
        self.due()
        room = self.rooms.get(name)
        return room is not None and self._out(room, identity)

    def webhook(self, event: Mapping[str, Any]) -> tuple[bytes, str]:
        """An event as LiveKit sends it: its body, and the Authorization that signs it."""
        body = msgspec.json.encode(event)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        now_s = self.now_us // _S
        claims = {"iss": super().usable_key, "nbf": now_s, "exp": now_s + 300, "sha256": digest}
        return body, jwt.encode(claims, API_SECRET, algorithm="HS256")

    async def _at_join(self, request: web.Request) -> web.Response:
        body = await read_object(request) or {}
        found = self.join(str(body.get("token", "")))
        return answer({"joined": found is not None, "sid": found.sid if found else ""})

    async def _at_leave(self, request: web.Request) -> web.Response:
        body = await read_object(request) or {}
        return answer({"left": self.leave(str(body.get("room")), str(body.get("identity")))})

    # -- the room service -------------------------------------------------------------------

    def _twirp(self, method: str, handler: Any) -> Any:
        """Check what the token grants, and read and write either encoding."""

        async def handle(exchange: Exchange) -> web.StreamResponse:
            body = livekit_wire.read(method, exchange.request, await exchange.request.read())
            if body is None:
                return self.error(400, "the body cannot be read")
            grants = self._claims(_token(exchange.request)).get("video", {})
            if not grants.get(_NEEDED[method]):
                return self.error(403, f"permissions denied: {_NEEDED[method]}")
            if _NEEDED[method] == "roomAdmin" and grants.get("room") != body.get("room"):
                return self.error(403, "permissions denied: the token is for another room")
            found = handler(exchange, body)
            if isinstance(found, web.Response):
                return found
            return livekit_wire.written(method, exchange.request, found)

        return handle

    def _create(self, exchange: Exchange, body: dict[str, Any]) -> Any:
        name = str(body.get("name", ""))
        if not name:
            return self.error(400, "room name cannot be empty")
        # The same name is the same room.
        room = self.rooms.get(name) or self._open(name)
        if room is None:
            return self.error(429, "too many rooms")
        exchange.call.ref = name
        room.empty_timeout_s = int(body.get("empty_timeout") or EMPTY_TIMEOUT_S)
        room.departure_timeout_s = int(body.get("departure_timeout") or DEPARTURE_TIMEOUT_S)
        room.max_participants = int(body.get("max_participants") or 0)
        return _shown(room)

    def _list(self, _exchange: Exchange, body: dict[str, Any]) -> Any:
        names = body.get("names") or []
        return {
            "rooms": [_shown(one) for one in self.rooms.values() if not names or one.name in names]
        }

    def _delete(self, exchange: Exchange, body: dict[str, Any]) -> Any:
        room = self.rooms.pop(str(body.get("room")), None)
        if room is None:
            return self._no_room()
        exchange.call.ref = room.name
        for identity in list(room.participants):
            self._out(room, identity)
        return {}

    def _list_participants(self, _exchange: Exchange, body: dict[str, Any]) -> Any:
        room = self.rooms.get(str(body.get("room")))
        if room is None:
            return self._no_room()
        return {"participants": [_participant(one) for one in room.participants.values()]}

    def _get_participant(self, _exchange: Exchange, body: dict[str, Any]) -> Any:
        room = self.rooms.get(str(body.get("room")))
        found = room.participants.get(str(body.get("identity"))) if room else None
        return (
            self.error(404, "participant does not exist") if found is None else _participant(found)
        )

    def _remove_participant(self, _exchange: Exchange, body: dict[str, Any]) -> Any:
        room = self.rooms.get(str(body.get("room")))
        if room is None or not self._out(room, str(body.get("identity"))):
            return self.error(404, "participant does not exist")
        return {}

    def _update_metadata(self, _exchange: Exchange, body: dict[str, Any]) -> Any:
        room = self.rooms.get(str(body.get("room")))
        if room is None:
            return self._no_room()
        room.metadata = str(body.get("metadata", ""))
        return _shown(room)

    def _no_room(self) -> web.Response:
        return self.error(404, "requested room does not exist")

    def _open(self, name: str) -> Room | None:
        if len(self.rooms) >= ROOMS_MAX:
            return None
        room = Room(f"RM_{uuid.uuid4().hex[:12]}", name, self.now_us, empty_since_us=self.now_us)
        self.rooms[name] = room
        return room

    def _out(self, room: Room, identity: str) -> bool:
        participant = room.participants.pop(identity, None)
        if participant is None:
            return False
        self._bill(participant)
        room.empty_since_us = self.now_us
        return True

    def _bill(self, participant: Participant) -> None:
        stayed_us = self.now_us - participant.joined_us
        participant.call.usage = Usage(stream_ms=-(-stayed_us // _MINUTE_US) * 60_000)

    def _claims(self, token: str) -> dict[str, Any]:
        """What a token says that one of our keys has signed and that is valid now; else nothing."""
        for pair in self.frame.keys.of(self.name):
            key, _, secret = pair.partition(":")
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    secret or API_SECRET,
                    algorithms=["HS256"],
                    issuer=key,
                    options={"verify_exp": False, "verify_nbf": False, "require": ["exp"]},
                )
            except jwt.PyJWTError:
                continue
            now_s = self.now_us // _S
            return claims if claims.get("nbf", 0) <= now_s < claims["exp"] else {}
        return {}


def _token(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _shown(room: Room) -> dict[str, Any]:
    # 64 bit numbers are texts in the JSON of Protobuf.
    return {
        "sid": room.sid,
        "name": room.name,
        "metadata": room.metadata,
        "empty_timeout": room.empty_timeout_s,
        "departure_timeout": room.departure_timeout_s,
        "max_participants": room.max_participants,
        "creation_time": str(room.created_us // _S),
        "creation_time_ms": str(room.created_us // 1_000),
        "num_participants": len(room.participants),
    }


def _participant(participant: Participant) -> dict[str, Any]:
    return {
        "sid": participant.sid,
        "identity": participant.identity,
        "state": "ACTIVE",
        "joined_at": str(participant.joined_us // _S),
        "joined_at_ms": str(participant.joined_us // 1_000),
    }
