"""A visitor in a LiveKit room, with the real SDK, and the twin that they talk with."""

import array
import asyncio
import time
from contextlib import asynccontextmanager

from livekit import api, rtc

from contracts.agent_job import DISCLOSE, SHOWN, STATE_TOPIC
from services.agent.stage import RoomStage
from services.agent.twin_session import TwinSession
from services.distribution.media_key import MediaKey
from services.sandbox.voice import say
from services.secret import Secret
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.outbound import Outbound
from tests.rig.media_server import MediaServer

ROOM = "room-1"
LOUD = 500
SPOKEN_HZ = 48_000
# Nobody speaks in the moment in which they switch their microphone on.
QUIET_MS = 300
JOINS_WITHIN_S = 20.0


class Visitor:
    """Who talks with the twin: what they read, heard and saw, and when they were put out."""

    def __init__(self):
        self.room = rtc.Room()
        self.read = []
        self.states = []
        self.disclosed = []
        self.seen = set()
        self.heard = asyncio.Event()
        self.out = asyncio.Event()
        self.out_at_s = 0.0
        self.peak = 0
        self._tasks = set()
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("disconnected", self._put_out)
        self.room.register_text_stream_handler("lk.transcription", self._reading(self.read))
        self.room.register_text_stream_handler(STATE_TOPIC, self._reading(self.states))

    async def join(self, server, identity="ana", token=None):
        await self.room.connect(server.url, token or server.token(identity, ROOM))

        @self.room.local_participant.register_rpc_method(DISCLOSE)
        async def disclose(call):
            self.disclosed.append(call.payload)
            return SHOWN

    async def write(self, text):
        await self.room.local_participant.send_text(text, topic="lk.chat")

    async def publish(self, source=rtc.TrackSource.SOURCE_MICROPHONE):
        """Switch a microphone on; what goes into it is heard as fast as it is spoken."""
        microphone = rtc.AudioSource(SPOKEN_HZ, 1)
        track = rtc.LocalAudioTrack.create_audio_track("sound", microphone)
        options = rtc.TrackPublishOptions(source=source)
        await self.room.local_participant.publish_track(track, options)
        return microphone

    async def speak(self, microphone, text, *, then_ms=800):
        """Say *text* in the sandbox's voice, and be silent for *then_ms*."""
        before, after = (bytes(SPOKEN_HZ * 2 * ms // 1_000) for ms in (QUIET_MS, then_ms))
        pcm = before + say(text, "v-9", SPOKEN_HZ) + after
        step = SPOKEN_HZ // 100 * 2
        for at in range(0, len(pcm) - step + 1, step):
            frame = rtc.AudioFrame(pcm[at : at + step], SPOKEN_HZ, 1, step // 2)
            await microphone.capture_frame(frame)

    async def leave(self):
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.disconnect()

    def has_read(self, words):
        return any(words in text for text in self.read)

    def _start(self, work):
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reading(self, into):
        async def read(reader):
            at = len(into)
            into.append("")
            async for piece in reader:
                into[at] += piece

        return lambda reader, _identity: self._start(read(reader))

    def _subscribed(self, track, _publication, participant):
        self.seen.add((participant.identity, track.kind))
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._start(self._listen(track))

    async def _listen(self, track):
        stream = rtc.AudioStream(track)
        try:
            async for event in stream:
                samples = array.array("h", bytes(event.frame.data))
                self.peak = max(self.peak, *map(abs, samples), 0)
                if self.peak > LOUD:
                    self.heard.set()
        finally:
            await stream.aclose()

    def _put_out(self, _reason):
        self.out_at_s = time.monotonic()
        self.out.set()


class Visit:
    """A visitor and a twin in one room."""

    def __init__(self, twin, server, visitor, held, stage):
        self.twin = twin
        self.server = server
        self.visitor = visitor
        self.held = held
        self.stage = stage


@asynccontextmanager
async def visit(twin, **fields):
    """Have a visitor and the twin meet in a room."""
    visitor, room = Visitor(), rtc.Room()
    async with MediaServer() as server:
        http = server.url.replace("ws", "http")
        async with (
            api.LiveKitAPI(http, server.key, server.secret) as service,
            Outbound(http) as outbound,
        ):
            rooms = LiveKitAdapter("livekit", outbound)

            async def delete_room():
                await service.room.delete_room(api.DeleteRoomRequest(room=ROOM))

            await visitor.join(server)
            # As the worker does: what is brought to the twin is what it asks for.
            token = server.token("twin", ROOM, kind="agent")
            await room.connect(server.url, token, rtc.RoomOptions(auto_subscribe=False))
            stage = RoomStage(room, delete_room)
            await stage.visitor()
            media = MediaKey(server.url, server.key, Secret(server.secret))
            pair = Secret(f"{server.key}:{server.secret}")
            assert (await twin.gate.put_secret("livekit", pair)).status == 200
            wanted = {"modality": "voice", "voice": "v-1"} | fields
            held = TwinSession(
                twin.gate,
                twin.parts,
                twin.job(**wanted),
                stage,
                room=room,
                media=media,
                rooms=rooms,
            )
            try:
                await held.open()
                yield Visit(twin, server, visitor, held, stage)
            finally:
                await held.aclose("user_exit")
                await visitor.leave()
    assert server.failures == []
