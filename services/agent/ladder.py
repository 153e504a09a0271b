"""
The ladder of one conversation: video, voice, text, asleep. Each step has one notice.

The components say what the gate refused. What is being said is let finish; then the twin says, or
writes, that it goes on otherwise. When there may be room again, the higher rung is tried with the
next sentence, and only its grant is told. When not even text is granted the twin says that it
sleeps, and the conversation ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from livekit.agents import AgentSession

from contracts.agent_job import RoomState
from contracts.replies import Decision, Receipt
from contracts.session import CloseReason, Notice, Rung
from services import logs
from services.agent.face import Face
from services.agent.stage import Stage
from services.agent.talk import Talk
from services.live.endings import ASLEEP, OVER, SPENT
from services.live.lease import Lease
from services.live.words import Phrase, say

# What is being said is waited for so long before a step, or the end.
FINISHING_S: Final = 20.0
TOPPED_UP: Final = "topped_up"
# A sentence that comes too early, or that could not be verified, says nothing about the rung.
PASSING: Final = frozenset((HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE))


class Ladder:
    """
    A `Watcher`. *over* is called when the conversation has to end, with the reason to close the
    lease for, or None when the gate has ended it already.
    """

    def __init__(
        self,
        stage: Stage,
        lease: Lease,
        *,
        wanted: Rung,
        over: Callable[[CloseReason | None], None],
    ) -> None:
        self.rung: Rung = "text" if wanted == "text" else "voice"
        self.cost_nanos = 0
        self._wanted = wanted
        self._stage = stage
        self._lease = lease
        self._over = over
        self._tasks: set[asyncio.Task[None]] = set()
        self._stepping = asyncio.Lock()
        self._is_trying = False
        self._is_ending = False
        self._session: AgentSession[None] | None = None
        self._talk: Talk | None = None
        self._face: Face | None = None

    def attach(self, session: AgentSession[None], talk: Talk, face: Face | None) -> None:
        """Say what is stepped: the library's session, and its face if it has one."""
        self._session, self._talk, self._face = session, talk, face

    async def begin(self) -> None:
        """Go up to the rung that is wanted; without a face the twin goes on by voice."""
        if self._face is not None and self._wanted == "video":
            await self._show_face(is_first=True)

    async def aclose(self) -> None:
        """Take no step any more."""
        self._is_ending = True
        for task in tuple(self._tasks):
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*self._others(), return_exceptions=True)

    # -- what the components say ------------------------------------------------------

    async def decided(self, decision: Decision) -> None:
        """See Watcher. Who waits for a slot sees the twin think; there is nothing to say."""
        if decision.delay_us:
            logs.get().info("throttled", delay_us=decision.delay_us)

    def booked(self, receipt: Receipt | None) -> None:
        """See Watcher."""
        if receipt is not None:
            self.cost_nanos += receipt.cost_nanos

    def model_refused(self, decision: Decision) -> str:
        """See Watcher."""
        language = self._of_talk().language
        if decision.code in OVER:
            self._over(None)
            return ""
        if decision.code in ASLEEP or decision.code in SPENT:
            is_asleep = decision.code in ASLEEP
            # What would be spoken now would be refused as well.
            self._of_talk().is_silent = True
            self._finish("twin_asleep" if is_asleep else "cost_limit")
            return say("asleep" if is_asleep else "spent", language)
        return say("vendor", language)

    def voice_refused(self, decision: Decision) -> None:
        """See Watcher."""
        if decision.status in PASSING or self._of_talk().is_silent or self._is_ending:
            return
        if decision.code in OVER:
            self._over(None)
            return
        self._of_talk().is_silent = True
        if self._is_trying:
            self._is_trying = False
            self._start(self._mute())
        else:
            self._start(self._step("text", decision.code, "by_text"))

    def voice_granted(self) -> None:
        """See Watcher."""
        if self._is_trying:
            self._is_trying = False
            phrase: Phrase = "restored" if self._wanted == "voice" else "by_voice"
            self._start(self._step("voice", TOPPED_UP, phrase))

    def ear_refused(self, decision: Decision) -> None:
        """See Watcher. A twin that may not listen any more still reads."""
        if self._is_ending:
            return
        if decision.code in OVER:
            self._over(None)
        elif decision.status in PASSING:
            self.unheard()
        elif self.rung != "text":
            self._of_talk().is_silent = True
            self._start(self._step("text", decision.code, "by_text"))

    def visitor_insists(self) -> None:
        """See Watcher. Nobody talks over a visitor."""
        speech = self._of_session().current_speech
        if speech is not None and not self._is_ending:
            speech.interrupt()

    def unheard(self) -> None:
        """See Watcher."""
        if not self._is_ending:
            words = say("unheard", self._of_talk().language)
            self._of_session().say(words, add_to_chat_ctx=False)

    def room_refused(self, code: str) -> None:
        """The room is not paid for any longer: nothing can go on anywhere."""
        if self._is_ending:
            return
        if code in OVER:
            self._over(None)
        elif code in ASLEEP or code in SPENT:
            is_asleep = code in ASLEEP
            self._of_talk().is_silent = True
            words = say("asleep" if is_asleep else "spent", self._of_talk().language)
            self._of_session().say(words, add_to_chat_ctx=False)
            self._finish("twin_asleep" if is_asleep else "cost_limit")
        else:
            self._over("error")

    def face_lost(self, why: str) -> None:
        """Go on by voice: the avatar's next slice was refused, or its vendor has ended it."""
        if self.rung == "video" and not self._is_ending:
            self._start(self._lose_face(why))

    def room_made(self) -> None:
        """Try the rungs above: credits, a policy or a new month may have made room."""
        if self._is_ending:
            return
        if self.rung == "text" and self._wanted != "text" and not self._is_trying:
            self._is_trying = True
            self._of_talk().is_silent = False
            self._of_session().output.set_audio_enabled(True)
        if self._wanted == "video" and self.rung != "video" and self._face is not None:
            self._start(self._show_face(is_first=False))

    # -- steps ------------------------------------------------------------------------

    async def _step(self, rung: Rung, why: str, phrase: Phrase) -> None:
        """Go to *rung* once what is being said has ended, and say so once."""
        async with self._stepping:
            await self.finished_speaking()
            session = self._of_session()
            if rung == self.rung == "text":
                # Its voice and its ear were refused in the same moment: one step, one notice.
                return
            self.rung = rung
            if rung == "text":
                session.output.set_audio_enabled(False)
            if self._of_talk().products.ear is not None:
                session.input.set_audio_enabled(rung != "text")
            notice: Notice = "written" if rung == "text" else "spoken"
            session.say(say(phrase, self._of_talk().language), add_to_chat_ctx=False)
            await self._lease.step(rung, why, notice)
            await self._stage.show(RoomState(modality=rung, code=why))

    async def _lose_face(self, why: str) -> None:
        async with self._stepping:
            # What it was saying ended with it, and nobody is left to say when it was said.
            speech = self._of_session().current_speech
            if speech is not None:
                speech.interrupt(force=True)
            await self.finished_speaking()
            assert self._face is not None, "it was lost"
            self._face.speak_by_itself()
        await self._step("voice", why, "by_voice")

    async def _mute(self) -> None:
        await self.finished_speaking()
        self._of_session().output.set_audio_enabled(False)

    async def _show_face(self, *, is_first: bool) -> None:
        """Have the avatar join; when it may not, or does not, the twin goes on as it was."""
        face = self._face
        assert face is not None, "asked for with a face only"
        async with self._stepping:
            if self.rung == "video" or self._is_ending:
                return
            why = await face.show()
            if why == "":
                await self.finished_speaking()
                face.speak_through_it()
                self.rung = "video"
            if self.rung != "video" and not is_first:
                return
        if self.rung == "video" and is_first:
            await self._stage.show(RoomState(modality="video", code="begun"))
        elif self.rung == "video":
            await self._step("video", TOPPED_UP, "restored")
        else:
            await self._step("voice", why, "by_voice")

    def _finish(self, reason: CloseReason) -> None:
        if not self._is_ending:
            self._is_ending = True
            self._start(self._end(reason))

    async def _end(self, reason: CloseReason) -> None:
        await self.finished_speaking()
        self._over(reason)

    async def finished_speaking(self) -> None:
        """Wait until nothing is being said; after `FINISHING_S` it is broken off."""
        session = self._of_session()
        try:
            async with asyncio.timeout(FINISHING_S):
                # One that is done may still be the current one, and is not waited for: that
                # would not let anybody else make it another.
                while (speech := session.current_speech) is not None and not speech.done():
                    await speech.wait_for_playout()
        except TimeoutError:
            if speech is not None:
                speech.interrupt(force=True)

    # -- tasks ------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="ladder")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logs.get().error("step_failed", reason=f"{problem!r}"[:300])

    def _others(self) -> list[asyncio.Task[None]]:
        return [task for task in self._tasks if task is not asyncio.current_task()]

    def _of_session(self) -> AgentSession[None]:
        assert self._session is not None, "attached before anything is said"
        return self._session

    def _of_talk(self) -> Talk:
        assert self._talk is not None, "attached before anything is said"
        return self._talk
