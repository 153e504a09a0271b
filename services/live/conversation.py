"""
One conversation: what `services.gateway.conversation` asks for, on a twin that is governed.

    video -> voice -> text -> asleep

A voice that the gate takes away is followed by one notice, and by text; room that a top-up makes is
tried with the next turn. When not even text is granted the twin says that it sleeps, and the session
ends. Whatever the gate ends (killed, suspended, lease) ends the conversation at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from contracts.deployment import Ceiling
from contracts.replies import Decision, Receipt
from contracts.session import CloseReason, Rung
from contracts.stream import ConversationEvent, Notice, TurnEnded
from contracts.stream import Outcome as TurnOutcome
from services.client.errors import CannotVerify
from services.gateway.conversation import Opening, Reason
from services.http_door.commands import refused as problem_of
from services.live.briefing import NotBriefed, system_message
from services.live.lease import Lease, LeaseRefused
from services.live.memory import Memory
from services.live.problems import ENDED, NOT_BRIEFED, SPEECH_UNKNOWN
from services.live.turn import Stopped, Talk, Turn
from services.live.twin import LiveTwin
from services.live.words import Phrase, language_of, say
from services.query_api.problems import CANNOT_VERIFY, HttpProblem
from services.vendors.chat import ChatMessage

EVENTS_WAITING_MAX: Final = 256
# The gate's codes after which there is nothing cheaper left to try.
ASLEEP: Final = frozenset(
    ("monthly_hard_limit_reached", "quota_exhausted", "soft_cap_reached", "twin_asleep")
)
SPENT: Final = frozenset(("session_limit_reached",))
OVER: Final = frozenset(("session_closed", "session_unknown", "session_not_open"))
_CLOSED_FOR: Final[dict[Reason, CloseReason]] = {"error": "error", "stopping": "error"}


class LiveConversation:
    """See the module. One turn is asked at a time; `interrupt` and `close` may come at any time."""

    def __init__(self, twin: LiveTwin, opening: Opening, lease: Lease, modality: Rung) -> None:
        self._twin = twin
        self._opening = opening
        self._lease = lease
        self._wanted = modality
        self._rung = modality
        self._room = twin.room
        self._memory = Memory()
        self._events: asyncio.Queue[ConversationEvent | None] = asyncio.Queue(EVENTS_WAITING_MAX)
        self._running: asyncio.Task[TurnOutcome] | None = None
        self._over: HttpProblem | None = None
        self._finished = asyncio.Event()
        self._cost_nanos = 0
        self._language = language_of(opening.language or twin.language)

    @property
    def modality(self) -> Ceiling:
        """What was granted."""
        return self._rung

    async def disclosed(self, version: int) -> None:
        """See Conversation."""
        try:
            await self._lease.disclosed(version)
        except LeaseRefused as refused:
            raise problem_of(msgspec.to_builtins(refused.receipt)) from None
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None

    async def say(self, turn: str, text: str) -> None:
        """See Conversation."""
        if self._over is not None:
            raise self._over
        self._running = asyncio.create_task(self._turn(turn, text))
        try:
            outcome = await self._running
        except asyncio.CancelledError:
            if not self._running.cancelled() or self._over is not None:
                raise
            outcome = "interrupted"
        finally:
            self._running.cancel()
            self._running = None
        await self._emit(TurnEnded(turn=turn, outcome=outcome, cost_nanos=self._cost_nanos))

    async def hear(self, speech: int, pcm: bytes) -> None:
        """See Conversation. Nothing here understands speech yet, so nothing of it is kept."""

    async def answer(self, turn: str, speech: int) -> None:
        """See Conversation."""
        raise HttpProblem(SPEECH_UNKNOWN, "What was spoken was not kept.")

    async def interrupt(self) -> None:
        """See Conversation."""
        if self._running is not None:
            self._running.cancel()

    async def events(self) -> AsyncIterator[ConversationEvent]:
        """See Conversation."""
        while (event := await self._next()) is not None:
            yield event
        if self._over is not None:
            raise self._over

    async def close(self, reason: Reason) -> None:
        """See Conversation."""
        await self.interrupt()
        self._twin.forget(self._opening.session_id)
        await self._lease.close(
            _CLOSED_FOR.get(reason, "user_exit"), is_over=self._over is not None
        )
        self._finished.set()

    def ended(self, code: str) -> None:
        """The gate has ended the session: nothing is said or shown from here on."""
        if self._over is None:
            self._over = HttpProblem(ENDED, f"The session has ended: {code}.")
        if self._running is not None:
            self._running.cancel()
        self._finished.set()

    # -- a turn -------------------------------------------------------------------

    async def _turn(self, turn: str, text: str) -> TurnOutcome:
        is_trying = self._rung != self._wanted and self._room != self._twin.room
        self._room = self._twin.room
        bundle = self._twin.bundle
        try:
            brief = system_message(bundle, {})
        except NotBriefed as problem:
            raise HttpProblem(NOT_BRIEFED, problem.why) from None
        talk = Talk(
            gate=self._twin.gate,
            vendors=self._twin.vendors,
            session_id=self._opening.session_id,
            products=self._twin.products,
            tools=self._twin.tools,
            topics=bundle.topics.topics,
            language=self._language,
            sound=self._twin.sound if is_trying or self._rung != "text" else None,
        )
        answering = Turn(turn, talk, self._emit, self._booked)
        messages = [ChatMessage("system", brief), *self._memory.messages()]
        try:
            await answering.answer(text, [*messages, ChatMessage("user", text)])
        except Stopped as stopped:
            await self._stopped(stopped.decision)
        except CannotVerify as unknown:
            raise HttpProblem(CANNOT_VERIFY, f"No answer: {unknown.reason}.") from None
        finally:
            self._memory.keep(text, answering.text)
        if answering.silenced is not None and not is_trying:
            await self._step("text", answering.silenced.code, "by_text")
        elif is_trying and answering.silenced is None:
            await self._step(self._wanted, "topped_up", "restored")
        return "failed" if answering.failed else "done"

    async def _step(self, rung: Rung, why: str, phrase: Phrase) -> None:
        self._rung = rung
        await self._emit(Notice(code=why, message=say(phrase, self._language), modality=rung))
        await self._lease.step(rung, why, "written")

    async def _stopped(self, decision: Decision) -> None:
        """The model was refused: that ends the turn, and perhaps the conversation."""
        problem = problem_of(msgspec.to_builtins(decision))
        if decision.code in OVER:
            self.ended(str(decision.facts.get("reason", decision.code)))
        elif decision.code in ASLEEP or decision.code in SPENT:
            phrase: Phrase = "asleep" if decision.code in ASLEEP else "spent"
            await self._emit(
                Notice(code=decision.code, message=say(phrase, self._language), modality="text")
            )
            reason: CloseReason = "twin_asleep" if decision.code in ASLEEP else "cost_limit"
            await self._lease.close(reason, is_over=False)
            self._over = problem
            self._finished.set()
        raise problem

    def _booked(self, receipt: Receipt | None) -> None:
        if receipt is not None and receipt.cost_nanos is not None:
            self._cost_nanos += receipt.cost_nanos

    # -- events -------------------------------------------------------------------

    async def _emit(self, event: ConversationEvent) -> None:
        await self._events.put(event)

    async def _next(self) -> ConversationEvent | None:
        """Return the next event; None when the conversation is over and all of it was read."""
        if not self._events.empty():
            return self._events.get_nowait()
        if self._finished.is_set():
            return None
        getting = asyncio.create_task(self._events.get())
        finished = asyncio.create_task(self._finished.wait())
        try:
            await asyncio.wait((getting, finished), return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()
            finished.cancel()
