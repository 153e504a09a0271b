"""
The ladder of one conversation: video, voice, text. Each step has one notice, and is recorded.

    show_face    begin the video, when it is wanted; when it may not begin it goes on by voice
    face_lost    the video is over: the next slice was refused, or the vendor has ended it
    voice_lost   a sentence may not be spoken: it goes on in writing
    climb        credits, a policy or a new month may have made room: the rungs above are tried

A notice is spoken as long as there is a voice, and written in any case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from contracts.replies import Decision
from contracts.session import Rung
from contracts.stream import Notice, Video
from services.live.face import Face
from services.live.lease import Lease
from services.live.voice import Sound
from services.live.words import Language, Phrase, say

TOPPED_UP: Final = "topped_up"
# Speaks one sentence; says whether it was heard.
Speak = Callable[[str], Awaitable[bool]]
Emit = Callable[[Notice | Video], Awaitable[None]]


class Ladder:
    """
    See the module. *room* counts what may have made room, as the twin counts it.

    One step at a time: what belongs to a turn waits for a step that is being taken.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        wanted: Rung,
        sound: Sound | None,
        language: Language,
        room: int,
        speak: Speak,
        emit: Emit,
    ) -> None:
        self.rung = wanted
        self.face: Face | None = None
        self._lease = lease
        self._wanted = wanted
        self._sound = sound
        self._language = language
        self._room = room
        self._speak = speak
        self._emit = emit
        self._stepping = asyncio.Lock()
        self._is_trying_voice = False

    def sound(self) -> Sound | None:
        """How the next turn is spoken: nothing while it is written, or a face says it."""
        if self.rung == "video" and self.face is not None and self.face.is_shown:
            return None
        is_spoken = self.rung != "text" or self._is_trying_voice
        return self._sound if is_spoken else None

    def sounds_like(self, sound: Sound) -> None:
        """From the next turn on it is spoken with this."""
        self._sound = sound

    async def show_face(self) -> None:
        """Begin the video that is wanted."""
        async with self._stepping:
            if self.rung == "video" and self.face is not None and not self.face.is_shown:
                why = await self._shown()
                if why:
                    await self._down(why)

    async def face_lost(self, why: str) -> None:
        """Go on by voice, or in writing."""
        async with self._stepping:
            if self.rung == "video":
                await self._down(why)

    async def climb(self, room: int) -> None:
        """Try the rungs above, if there was room made since the last time."""
        async with self._stepping:
            has_room, self._room = room > self._room, max(room, self._room)
            if not has_room or self.rung == self._wanted:
                return
            if self._wanted == "video" and self.face is not None and not await self._shown():
                await self._step("video", TOPPED_UP, "restored")
            elif self.rung == "text":
                # The gate says with the first sentence whether it may be spoken.
                self._is_trying_voice = self._sound is not None

    async def spoken(self, silenced: Decision | None, *, has_spoken: bool) -> None:
        """A turn has ended that was to be spoken."""
        async with self._stepping:
            is_trying, self._is_trying_voice = self._is_trying_voice, False
            if is_trying:
                if has_spoken and silenced is None:
                    phrase: Phrase = "restored" if self._wanted == "voice" else "by_voice"
                    await self._step("voice", TOPPED_UP, phrase)
            elif silenced is not None and self.rung != "text":
                await self._step("text", silenced.code, "by_text")

    async def _shown(self) -> str:
        """Have the face shown, and say where; returns why not."""
        assert self.face is not None, "there is a face"
        why = await self.face.show()
        if not why:
            await self._emit(Video(url=self.face.address))
        return why

    async def _down(self, why: str) -> None:
        await self._emit(Video(url=""))
        if self._sound is not None and await self._speak(say("by_voice", self._language)):
            await self._step("voice", why, "by_voice", is_spoken=True)
        else:
            await self._step("text", why, "by_text")

    async def _step(
        self, rung: Rung, why: str, phrase: Phrase, *, is_spoken: bool | None = None
    ) -> None:
        self.rung = rung
        text = say(phrase, self._language)
        if is_spoken is None:
            is_spoken = rung == "voice" and await self._speak(text)
        await self._emit(Notice(code=why, message=text, modality=rung))
        await self._lease.step(rung, why, "spoken" if is_spoken else "written")
