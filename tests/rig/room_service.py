"""
The part of a LiveKit server that is asked over HTTP: Twirp, in its two encodings.

Protobuf is what LiveKit's own client speaks, JSON what our adapter does.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from google.protobuf import json_format
from livekit.protocol import models, room

PROTOBUF = "application/protobuf"


async def answer(server: Any, method: str, request: web.Request) -> web.Response:
    """Do what is asked of *server*, a `MediaServer`."""
    if method not in METHODS:
        return error(404, "bad_route", "no handler for this method")
    wanted, do = METHODS[method]
    body, is_json = await request.read(), request.content_type != PROTOBUF
    asked = json_format.Parse(body or b"{}", wanted()) if is_json else wanted.FromString(body)
    found = await do(server, asked)
    if found is None:
        return error(404, "not_found", "requested room does not exist")
    if is_json:
        text = json_format.MessageToJson(found, preserving_proto_field_name=True)
        return web.Response(text=text, content_type="application/json")
    return web.Response(body=found.SerializeToString(), content_type=PROTOBUF)


async def _create_room(server: Any, asked: Any) -> Any:
    return server.room(asked.name).info


async def _list_rooms(server: Any, asked: Any) -> Any:
    wanted = set(asked.names)
    rooms = [one.info for one in server.rooms.values() if not wanted or one.info.name in wanted]
    return room.ListRoomsResponse(rooms=rooms)


async def _delete_room(server: Any, asked: Any) -> Any:
    return room.DeleteRoomResponse() if await server.delete_room(asked.room) else None


async def _list_participants(server: Any, asked: Any) -> Any:
    found = server.rooms.get(asked.room)
    if found is None:
        return None
    there = [one.info() for one in found.participants.values()]
    return room.ListParticipantsResponse(participants=there)


async def _remove_participant(server: Any, asked: Any) -> Any:
    found = server.rooms.get(asked.room)
    participant = found.named(asked.identity) if found else None
    if participant is None:
        return None
    await server.dismiss(participant, models.DisconnectReason.PARTICIPANT_REMOVED)
    return room.RemoveParticipantResponse()


async def _update_room_metadata(server: Any, asked: Any) -> Any:
    found = server.rooms.get(asked.room)
    if found is None:
        return None
    found.info.metadata = asked.metadata
    return found.info


def error(status: int, code: str, message: str) -> web.Response:
    """Answer as Twirp does."""
    return web.json_response({"code": code, "msg": message}, status=status)


METHODS = {
    "CreateRoom": (room.CreateRoomRequest, _create_room),
    "ListRooms": (room.ListRoomsRequest, _list_rooms),
    "DeleteRoom": (room.DeleteRoomRequest, _delete_room),
    "ListParticipants": (room.ListParticipantsRequest, _list_participants),
    "RemoveParticipant": (room.RoomParticipantIdentity, _remove_participant),
    "UpdateRoomMetadata": (room.UpdateRoomMetadataRequest, _update_room_metadata),
}
