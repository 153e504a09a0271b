"""The stand-in for the media server is good enough for the real SDK."""

import array
import asyncio
import math

import pytest
from livekit import api, rtc

from tests.rig.media_server import MediaServer

WAIT_S = 20.0
RATE = 48_000


@pytest.fixture
async def server():
    async with MediaServer() as server:
        yield server
    assert server.failures == []


async def joined(server: MediaServer, identity: str, room: str = "room-1") -> rtc.Room:
    room_of_sdk = rtc.Room()
    await asyncio.wait_for(room_of_sdk.connect(server.url, server.token(identity, room)), WAIT_S)
    return room_of_sdk


async def test_two_hear_each_other_and_learn_who_leaves(server):
    """Media, who is there, and who is not any more."""
    ana, ben = await joined(server, "ana"), rtc.Room()
    heard, left = asyncio.Event(), asyncio.Event()
    peaks: list[int] = []

    async def listen(track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track):
            peaks.append(max(abs(x) for x in array.array("h", bytes(event.frame.data))))
            if peaks[-1] > 1_000:
                heard.set()
                return

    listening: list[asyncio.Task] = []
    ben.on(
        "track_subscribed", lambda track, *_: listening.append(asyncio.create_task(listen(track)))
    )
    ben.on("participant_disconnected", lambda _: left.set())
    await ben.connect(server.url, server.token("ben", "room-1"))
    assert [one.identity for one in ben.remote_participants.values()] == ["ana"]

    playing = asyncio.create_task(play_a_tone(ana))
    await asyncio.wait_for(heard.wait(), WAIT_S)
    playing.cancel()
    await ana.disconnect()
    await asyncio.wait_for(left.wait(), WAIT_S)
    await ben.disconnect()
    await asyncio.gather(*listening, playing, return_exceptions=True)


async def play_a_tone(room: rtc.Room) -> None:
    source = rtc.AudioSource(RATE, 1)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    await room.local_participant.publish_track(track)
    at = 0
    while True:
        tone = [int(12_000 * math.sin(2 * math.pi * 440 * (at + i) / RATE)) for i in range(480)]
        at += len(tone)
        await source.capture_frame(rtc.AudioFrame(array.array("h", tone).tobytes(), RATE, 1, 480))


async def test_a_room_is_hung_up_by_its_service(server):
    """Which is what a kill is."""
    ana = await joined(server, "ana")
    gone = asyncio.Event()
    ana.on("disconnected", lambda _: gone.set())
    async with api.LiveKitAPI(
        server.url.replace("ws", "http"), server.key, server.secret
    ) as service:
        rooms = await service.room.list_rooms(api.ListRoomsRequest())
        assert [room.name for room in rooms.rooms] == ["room-1"]
        await service.room.delete_room(api.DeleteRoomRequest(room="room-1"))
        await asyncio.wait_for(gone.wait(), WAIT_S)
        with pytest.raises(api.TwirpError, match="does not exist"):
            await service.room.delete_room(api.DeleteRoomRequest(room="room-1"))


async def test_a_forged_token_is_refused(server):
    """Nobody gets in by naming a room."""
    forged = MediaServer(secret="another" * 6).token("mallory", "room-1")
    with pytest.raises(rtc.ConnectError):
        await rtc.Room().connect(server.url, forged, rtc.RoomOptions(connect_timeout=5.0))
    assert server.rooms == {}
