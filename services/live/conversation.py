"""
One conversation: what `services.gateway.conversation` asks for, on a twin that is governed.

    video -> voice -> text -> asleep

Turns are answered one by one. The rung that each is answered on is the ladder's business; when not
even text is granted the twin says that it sleeps, and the session ends. Whatever the gate ends
(killed, suspended, lease) ends the conversation at once, its media first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Final

from contracts.deployment import Ceiling
from contracts.replies import Decision
from contracts.session import CloseReason, Rung
from contracts.stream import Notice, TextPiece, TurnEnded, TurnStarted, Understood, VideoLine
from contracts.stream import Outcome as TurnOutcome
from domain.refusals import NOT_PRICED
from services import logs
from services.client.errors import CannotVerify
from services.gateway.conversation import Opening, Reason
from services.live.briefing import NotBriefed, system_message
from services.live.endings import ASLEEP, OVER, SPENT
from services.live.face import Face, Looks
from services.live.hearing import Ear, Listening
from services.live.knowing import Citing
from services.live.ladder import Ladder
from services.live.lease import Lease, LeaseRefused
from services.live.memory import Memory
from services.live.outbox import Outbox
from services.live.problems import ended, not_briefed, of_gate, unverified
from services.live.throttling import announce
from services.live.turn import Stopped, Talk, Turn
from services.live.twin import LiveTwin
from services.live.voice import Sound, Voice
from services.live.words import Phrase, language_of, say
from services.query_api.problems import HttpProblem
from services.vendors.chat.model import ChatMessage

_CLOSED_FOR: Final[dict[Reason, CloseReason]] = {"error": "error", "stopping": "error"}


class LiveConversation:
    """See the module. One turn is asked at a time; `interrupt` and `close` may come at any time."""

    def __init__(
        self,
        twin: LiveTwin,
        opening: Opening,
        modality: Rung,
        *,
        sound: Sound | None,
        looks: Looks | None,
    ) -> None:
        self.lease = Lease(twin.gate, opening.session_id, lease_ms=twin.lease_ms, ended=self.ended)
        self._twin = twin
        self._opening = opening
        self._language = language_of(opening.language or twin.language)
        self._sound = sound
        self._memory = Memory()
        self._citing = Citing(twin.gate, opening.session_id)
        self._outbox = Outbox()
        self._listening = Listening(
            twin.gate,
            twin.vendors,
            _ear(twin, opening.language or twin.language),
            opening.session_id,
            self._outbox.put,
        )
        self._revision = twin.revision
        self._turn_id = ""
        self._running: asyncio.Task[TurnOutcome] | None = None
        self._over: HttpProblem | None = None
        self._is_closed = False
        # What goes on beside the turns: steps, and the end of the media.
        self._tasks: set[asyncio.Task[None]] = set()
        self._ladder = Ladder(
            self.lease,
            wanted=modality,
            sound=sound,
            language=self._language,
            room=twin.room,
            speak=self._speak,
            emit=self._outbox.put,
        )
        if looks is not None and modality == "video":
            self._ladder.face = Face(
                twin.gate,
                looks,
                opening.session_id,
                hand_on=self._hand_on,
                lost=self._face_lost,
            )

    @property
    def session_id(self) -> str:
        """The session that this is."""
        return self._opening.session_id

    @property
    def modality(self) -> Ceiling:
        """The rung that it is on."""
        return self._ladder.rung

    @property
    def listens(self) -> bool:
        """Whether it understands speech, where it is shown."""
        return self._listening.has_ear and self._opening.ceiling != "text"

    def begin(self) -> None:
        """Show the face, if one is wanted and nothing has to be disclosed before."""
        if self._opening.disclosure is None:
            self._start(self._ladder.show_face())

    async def disclosed(self, version: int) -> None:
        """See Conversation."""
        try:
            await self.lease.disclosed(version)
        except LeaseRefused as refused:
            raise of_gate(refused.receipt) from None
        except CannotVerify as unknown:
            raise unverified(unknown) from None
        self._start(self._ladder.show_face())

    async def say(self, turn: str, text: str) -> None:
        """See Conversation."""
        self._check_open()
        await self._take(turn, self._turn(turn, text))

    async def hear(self, speech: int, pcm: bytes) -> None:
        """See Conversation."""
        self._listening.take(speech, pcm)

    async def answer(self, turn: str, speech: int) -> None:
        """See Conversation."""
        self._check_open()
        await self._take(turn, self._spoken(turn, speech))

    def _check_open(self) -> None:
        if self._over is not None:
            raise self._over

    async def _take(self, turn: str, work: Coroutine[Any, Any, TurnOutcome]) -> None:
        self._turn_id = turn
        self._running = running = asyncio.create_task(work, name="turn")
        try:
            await asyncio.wait((running,))
        finally:
            running.cancel()
        if not running.cancelled():
            outcome = running.result()
        elif self._over is not None:
            raise self._over
        else:
            outcome = "interrupted"
            await self._outbox.hush()
        cost_nanos = await self._cost_nanos()
        await self._outbox.put(TurnEnded(turn=turn, outcome=outcome, cost_nanos=cost_nanos))
        if self._over is not None:
            await self._outbox.end(self._over, at_once=False)

    async def interrupt(self) -> None:
        """See Conversation."""
        self._listening.interrupted()
        if self._running is not None:
            self._running.cancel()

    def events(self) -> AsyncIterator[Any]:
        """See Conversation."""
        return self._outbox.read()

    async def close(self, reason: Reason) -> None:
        """See Conversation."""
        self._is_closed = True
        await self._outbox.end(None, at_once=True)
        await self._stop_media("COST_LIMIT" if self._over is not None else "USER_EXIT")
        # Before its session ends: afterwards nothing of it can be written down.
        await self._citing.close()
        try:
            await self.lease.close(
                _CLOSED_FOR.get(reason, "user_exit"), is_over=self._over is not None
            )
        finally:
            await self._twin.leave(self)

    def ended(self, reason: str) -> None:
        """Stop everything: the gate has ended the session."""
        if self._over is None and not self._is_closed:
            self._over = ended(reason)
            logs.get().info("session_over", tenant=self._twin.gate.tenant, reason=reason)
            self._start(self._stopped_by_gate(self._over))

    def bundle_came(self) -> None:
        """Say at once by what the next answer goes; one that is being given is finished before."""
        if self._running is not None and not self._running.done():
            self._running.add_done_callback(lambda _turn: self.bundle_came())
        elif self._over is None and not self._is_closed:
            self._start(self._record_bundle())

    # -- a turn -------------------------------------------------------------------

    async def _turn(self, turn: str, text: str) -> TurnOutcome:
        await self._ladder.climb(self._twin.room)
        # A step that is being taken is taken first.
        await self._ladder.show_face()
        messages = [*self._briefed(), *self._memory.messages(), ChatMessage("user", text)]
        await self._record_bundle()
        try:
            answering = await self._answer(turn, text, messages)
        except Stopped as stopped:
            return await self._stopped(stopped.decision)
        except CannotVerify as unknown:
            raise unverified(unknown) from None
        if answering.silenced is not None and answering.silenced.code in OVER:
            self.ended(_why(answering.silenced))
        else:
            await self._ladder.spoken(answering.silenced, has_spoken=answering.has_spoken)
        return "failed" if answering.failed else "done"

    async def _answer(self, turn: str, text: str, messages: list[ChatMessage]) -> Turn:
        """Answer, with another of the twin's products when its price book has just changed."""
        for is_last in (False, True):
            answering = Turn(turn, self._talk(), self._outbox.put)
            try:
                await answering.answer(text, messages)
                break
            except Stopped as stopped:
                if is_last or not await self._repriced(stopped.decision):
                    raise
            finally:
                self._memory.keep(text, answering.text)
                if answering.passages and answering.text:
                    self._citing.note(turn, answering.passages)
        silenced = answering.silenced
        is_new = answering.decision is not None and await self._repriced(answering.decision)
        if is_new and silenced is not None and silenced.code == NOT_PRICED.code:
            # The product of before; the next turn is spoken with another.
            answering.silenced = None
        return answering

    async def _repriced(self, decision: Decision) -> bool:
        """Whether the price book has changed; then its products are what comes next."""
        if not await self._twin.decided(decision):
            return False
        if (sound := self._twin.sound()) is not None:
            self._sound = sound
            self._ladder.sounds_like(sound)
        return True

    async def _spoken(self, turn: str, speech: int) -> TurnOutcome:
        try:
            text = await self._listening.understand(turn, speech)
        except Stopped as stopped:
            return await self._stopped(stopped.decision)
        await self._outbox.put(Understood(turn=turn, text=text, final=True))
        if text:
            return await self._turn(turn, text)
        unheard = say("unheard", self._language)
        await self._outbox.put(TurnStarted(turn=turn))
        await self._outbox.put(TextPiece(turn=turn, text=unheard))
        if self._ladder.sound() is not None:
            await self._speak(unheard)
        return "done"

    def _briefed(self) -> list[ChatMessage]:
        try:
            brief = system_message(self._twin.bundle, self._opening.values)
        except NotBriefed as problem:
            raise not_briefed(problem) from None
        return [ChatMessage("system", brief)]

    def _talk(self) -> Talk:
        twin = self._twin
        return Talk(
            gate=twin.gate,
            vendors=twin.vendors,
            session_id=self.session_id,
            products=twin.products,
            tools=twin.tools,
            topics=twin.bundle.topics.topics,
            language=self._language,
            sound=self._ladder.sound(),
            face=self._ladder.face if self._ladder.rung == "video" else None,
            knowledge=twin.bundle.knowledge,
        )

    async def _record_bundle(self) -> None:
        if self._revision != self._twin.revision:
            self._revision = self._twin.revision
            await self.lease.goes_by(self._revision)

    async def _stopped(self, decision: Decision) -> TurnOutcome:
        """The model was refused: that ends the turn, and perhaps the conversation."""
        problem = of_gate(decision)
        if decision.code in OVER:
            self.ended(_why(decision))
        if decision.code not in ASLEEP and decision.code not in SPENT:
            raise problem
        is_asleep = decision.code in ASLEEP
        phrase: Phrase = "asleep" if is_asleep else "spent"
        told = say(phrase, self._language)
        await self._outbox.put(Notice(code=decision.code, message=told, modality="text"))
        if self._over is None:
            # Before the gate is told, whose word of the end comes back to us.
            self._over = problem
            await self.lease.close("twin_asleep" if is_asleep else "cost_limit", is_over=False)
        return "refused"

    async def _cost_nanos(self) -> int | None:
        """Return what the session has cost so far, for services; visitors are not told."""
        if self._opening.ceiling is not None:
            return None
        try:
            found = await self._twin.gate.find_sessions([self.session_id])
        except CannotVerify:
            return None
        return found.sessions[0].committed_nanos if found.sessions[0].status == "open" else None

    # -- media --------------------------------------------------------------------

    async def _speak(self, sentence: str) -> bool:
        """Say a sentence beside the turns; whether it was heard."""
        if self._sound is None:
            return False
        twin, turn = self._twin, self._turn_id

        async def decided(decision: Decision) -> None:
            await announce(self._outbox.put, turn, decision)

        speaking = Voice(
            twin.gate,
            twin.vendors,
            self._sound,
            self.session_id,
            hear=self._outbox.put,
            decided=decided,
        )
        async with speaking as voice:
            await voice.say(sentence)
        return voice.has_spoken

    async def _hand_on(self, message: Mapping[str, Any]) -> None:
        await self._outbox.put(VideoLine(turn=self._turn_id, message=dict(message)))

    def _face_lost(self, why: str) -> None:
        if self._over is None and not self._is_closed:
            self._start(self._ladder.face_lost(why))

    async def _stopped_by_gate(self, problem: HttpProblem) -> None:
        await self._outbox.end(problem, at_once=True)
        await self._stop_media("COST_LIMIT")

    async def _stop_media(self, reason: Any) -> None:
        """End what runs, and wait until its books are on their way."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._ladder.face is not None:
            await self._ladder.face.hide(reason)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="beside")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logs.get().error("conversation_failed", reason=f"{problem!r}"[:300])


def _why(decision: Decision) -> str:
    return str(decision.facts.get("reason", decision.code))


def _ear(twin: LiveTwin, language: str) -> Ear | None:
    products = twin.products
    if products.ear is None:
        return None
    return Ear(hearing=products.ear, sku=products.ear_sku, language=language)
