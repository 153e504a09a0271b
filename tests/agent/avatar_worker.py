"""What an avatar's vendor runs: it joins our room, hears the twin and shows a face saying it."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

from livekit import rtc
from livekit.agents.voice.avatar import (
    AvatarOptions,
    AvatarRunner,
    DataStreamAudioReceiver,
    VideoGenerator,
)

SIZE, FPS, RATE = 64, 5, 24_000
SILENCE_S = 0.2
LOOK_S = 0.02
LEAVES_WITHIN_S = 5.0


class Plain(VideoGenerator):
    """A grey square that says what it hears."""

    def __init__(self):
        self._heard = asyncio.Queue()

    async def push_audio(self, frame):
        await self._heard.put(frame)

    def clear_buffer(self):
        while not self._heard.empty():
            self._heard.get_nowait()

    def __aiter__(self):
        return self._frames()

    async def _frames(self):
        square = rtc.VideoFrame(SIZE, SIZE, rtc.VideoBufferType.RGBA, bytes(SIZE * SIZE * 4))
        while True:
            yield square
            # The end of what is said is among what is heard: a pause is none.
            with contextlib.suppress(TimeoutError):
                yield await asyncio.wait_for(self._heard.get(), SILENCE_S)


class AvatarWorker:
    """Joins the room of each conversation that the sandbox's Tavus is asked for, and leaves it."""

    def __init__(self, tavus):
        self._tavus = tavus
        self.rooms = {}
        self.left = []

    async def run(self):
        while True:
            for name in [one for one in self._tavus.active if one not in self.rooms]:
                self.rooms[name] = None
                self.rooms[name] = await self._join(self._tavus.active[name])
            for name in [one for one in self.rooms if one not in self._tavus.active]:
                await self._leave(name)
            await asyncio.sleep(LOOK_S)

    async def _join(self, conversation):
        where = conversation.wanted.properties
        room = rtc.Room()
        await room.connect(where.livekit_ws_url, where.livekit_room_token)
        runner = AvatarRunner(
            room,
            audio_recv=DataStreamAudioReceiver(room),
            video_gen=Plain(),
            options=AvatarOptions(SIZE, SIZE, FPS, RATE, 1),
            _lazy_publish=True,
        )
        await runner.start()
        return room, runner

    async def _leave(self, name):
        found = self.rooms.pop(name)
        self.left.append(name)
        if found is not None:
            room, runner = found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVES_WITHIN_S):
                    await runner.aclose()
            await room.disconnect()

    async def leave_all(self):
        for name in tuple(self.rooms):
            await self._leave(name)


@asynccontextmanager
async def avatar_worker(tavus):
    """Run one."""
    worker = AvatarWorker(tavus)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await worker.leave_all()
