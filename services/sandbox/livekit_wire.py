"""
Twirp's two encodings: JSON, and Protobuf for clients that speak it, such as LiveKit's own.

Protobuf takes the package `livekit-protocol` (in the extra `livekit`); JSON takes nothing.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

import msgspec
from aiohttp import web

from services.sandbox.vendor import answer

PROTOBUF: Final = "application/protobuf"
_ROOM: Final = "livekit.protocol.room"
_MODELS: Final = "livekit.protocol.models"
_ANSWERS: Final[dict[str, tuple[str, str]]] = {
    "CreateRoom": (_MODELS, "Room"),
    "ListRooms": (_ROOM, "ListRoomsResponse"),
    "DeleteRoom": (_ROOM, "DeleteRoomResponse"),
    "ListParticipants": (_ROOM, "ListParticipantsResponse"),
    "GetParticipant": (_MODELS, "ParticipantInfo"),
    "RemoveParticipant": (_ROOM, "RemoveParticipantResponse"),
    "UpdateRoomMetadata": (_MODELS, "Room"),
}
_REQUESTS: Final[dict[str, str]] = {
    "GetParticipant": "RoomParticipantIdentity",
    "RemoveParticipant": "RoomParticipantIdentity",
}


def read(method: str, request: web.Request, body: bytes) -> dict[str, Any] | None:
    """The request's fields by their Protobuf names; None when they cannot be read."""
    if request.content_type != PROTOBUF:
        try:
            return msgspec.json.decode(body or b"{}", type=dict[str, Any])
        except msgspec.MsgspecError:
            return None
    json_format = _module("google.protobuf.json_format")
    message = getattr(_module(_ROOM), _REQUESTS.get(method, f"{method}Request"))()
    try:
        message.ParseFromString(body)
    except _module("google.protobuf.message").DecodeError:
        return None
    fields: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return fields


def written(method: str, request: web.Request, fields: dict[str, Any]) -> web.Response:
    """The answer in the encoding of the question."""
    if request.content_type != PROTOBUF:
        return answer(fields)
    module, name = _ANSWERS[method]
    message = getattr(_module(module), name)()
    _module("google.protobuf.json_format").ParseDict(fields, message, ignore_unknown_fields=True)
    return web.Response(body=message.SerializeToString(), content_type=PROTOBUF)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        raise web.HTTPUnsupportedMediaType(
            text="Protobuf takes the extra: pip install 'vito-twin[livekit]'"
        ) from problem
