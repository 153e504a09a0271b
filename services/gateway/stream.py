"""
One conversation, whatever connections it has, one after the other.

Three things go on at once: a connection brings what somebody says (`take`, `hear`), turns are
answered one by one, and what happens goes into the outbox, from which a connection sends it.
Without a connection the turn that runs goes on, as far as the outbox has room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from contracts.stream import (
    AUDIO_HZ,
    SAMPLE_BYTES,
    Acknowledge,
    AudioEnd,
    ConversationEvent,
    Disclosed,
    FromClient,
    Hello,
    Interrupt,
    NotAudio,
    Outcome,
    Refused,
    Shown,
    Text,
    TurnEnded,
    unpack_speech,
)
from domain.refusals import VISIT_OVER
from services import logs
from services.gateway.conversation import Conversation, CutOff, Reason
from services.gateway.figures import Figures
from services.gateway.guest import Guest
from services.gateway.limits import Limits
from services.gateway.outbox import Outbox
from services.gateway.problems import (
    DISCLOSURE_DUE,
    HELLO_EXPECTED,
    IDLE,
    MALFORMED_MESSAGE,
    SPEECH_TOO_LONG,
    TAKEN_OVER,
    TOO_MANY_MESSAGES,
    body_of,
    censored,
)
from services.gateway.turns import Turn, Turns
from services.query_api.problems import (
    INTERNAL,
    KEY_REFUSED,
    FieldError,
    HttpProblem,
    of_refusal,
)

CLOSE_WITHIN_S: Final = 10.0


class Line(Protocol):
    """The connection that a conversation has right now."""

    def end(self, problem: HttpProblem | None, *, flush: bool = False) -> None: ...


class Ended(Protocol):
    """Hears that a conversation is to end, from whoever notices first."""

    def __call__(
        self, stream: Stream, reason: Reason, problem: HttpProblem | None = None
    ) -> None: ...


class Stream:
    """
    See above. *clock_s*: monotonic seconds. *settled* hears of each turn that has ended.

    *due*: the disclosure that must be shown first, None when it was shown or there is none.
    """

    def __init__(
        self,
        session_id: str,
        guest: Guest,
        conversation: Conversation,
        *,
        due: Shown | None,
        limits: Limits,
        clock_s: Callable[[], float],
        ended: Ended,
        settled: Callable[[Stream], None],
        figures: Figures,
    ) -> None:
        self.session_id = session_id
        self.guest = guest
        self.conversation = conversation
        self.due = due
        self.turns = Turns(limits.turns_waiting_max)
        self.outbox = Outbox(
            messages_max=limits.window_messages, bytes_max=limits.window_bytes, clock_s=clock_s
        )
        self.line: Line | None = None
        self._limits = limits
        self._clock_s = clock_s
        self._ended = ended
        self._settled = settled
        self._figures = figures
        self._lost_s = self._active_s = clock_s()
        self._speech, self._speech_bytes = 1, 0
        self._tasks: list[asyncio.Task[None]] = []

    # -- its life --------------------------------------------------------------------

    def start(self) -> None:
        """Begin to answer."""
        self._tasks = [
            asyncio.create_task(self._answer_turns(), name="turns"),
            asyncio.create_task(self._hear_events(), name="events"),
        ]

    def attach(self, line: Line, guest: Guest) -> None:
        """Go on with this connection, and with no other."""
        if self.line is not None:
            self.line.end(HttpProblem(TAKEN_OVER, "Its resume token was shown."))
        self.line, self.guest = line, guest
        if self.outbox.full_since_s is not None:
            # Nobody could read while nobody was connected.
            self.outbox.full_since_s = self._clock_s()

    def detach(self, line: Line) -> None:
        """A connection is gone. Another may have come before it was noticed."""
        if self.line is line:
            self.line, self._lost_s = None, self._clock_s()
            self._forget_speech()

    def check(self, now_s: float, now_us: int) -> None:
        """End what has had its time."""
        expires_at_us = self.guest.expires_at_us
        if expires_at_us is not None and now_us >= expires_at_us:
            self._expire()
        elif self.line is None and now_s - self._lost_s >= self._limits.resume_s:
            self._ended(self, "lost")
        elif self.turns.is_idle and now_s - self._active_s >= self._limits.idle_s:
            detail = f"There was no turn for {self._limits.idle_s} seconds."
            self._ended(self, "idle", HttpProblem(IDLE, detail))

    def _expire(self) -> None:
        if self.guest.is_visitor:
            self._ended(self, "not_allowed", of_refusal(VISIT_OVER))
        elif self.line is not None:
            # Whoever has a new token of the same name may go on.
            self.line.end(HttpProblem(KEY_REFUSED, "The token has expired."))

    async def shut(self, reason: Reason) -> None:
        """Stop, and have everything settled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self.conversation.close(reason)
        except Exception as fault:  # noqa: BLE001 - the others are to be closed as well
            # What was not settled expires: the gate does not wait for us.
            logs.get().error("conversation_not_closed", session=self.session_id, exc_info=fault)

    # -- what a client says ------------------------------------------------------------

    async def take(self, message: FromClient) -> None:
        """
        Do what a message says; what cannot be done is said in the outbox.

        Raises HttpProblem when the connection is to end.
        """
        turn = message.id if isinstance(message, Text | AudioEnd) else ""
        try:
            await self._do(message)
        except HttpProblem as problem:
            self.refuse(problem, turn)

    async def _do(self, message: FromClient) -> None:
        match message:
            case Acknowledge():
                if not self.outbox.acknowledge(message.position):
                    last = self.outbox.last
                    raise malformed("position", f"the last position is {last}", "Acknowledge less.")
            case Text():
                self._ask(Turn(message.id, message.text))
            case AudioEnd():
                self._ask_aloud(message)
            case Interrupt():
                for turn in self.turns.clear():
                    self._put(TurnEnded(turn=turn.id, outcome="interrupted"))
                await self.conversation.interrupt()
            case Disclosed():
                await self._disclosed(message)
            case Hello():
                raise HttpProblem(HELLO_EXPECTED, "`hello` was said already.")
            case _:
                raise AssertionError("`ping` and `bye` are about the connection")

    async def hear(self, frame: bytes) -> None:
        """Take a piece of speech; like `take`."""
        try:
            await self._heard(unpack_speech(frame))
        except NotAudio as fault:
            self.refuse(malformed("audio", str(fault), "See contracts/stream.asyncapi.json."))
        except HttpProblem as problem:
            self.refuse(problem)

    async def _heard(self, pcm: bytes) -> None:
        self._check_disclosed()
        if self._speech_bytes + len(pcm) > self._limits.speech_s_max * AUDIO_HZ * SAMPLE_BYTES:
            detail = f"More than {self._limits.speech_s_max} seconds without `audio_end`."
            raise HttpProblem(SPEECH_TOO_LONG, detail)
        self._speech_bytes += len(pcm)
        await self.conversation.hear(self._speech, pcm)

    def refuse(self, problem: HttpProblem, turn: str = "") -> None:
        """Say that a message was refused; raises HttpProblem when there were too many of those."""
        if self.outbox.is_overrun:
            raise HttpProblem(TOO_MANY_MESSAGES, "Refusals were not received.")
        body = body_of(problem, for_visitor=self.guest.is_visitor)
        self._put(Refused(problem=body, turn=turn))

    def _ask(self, turn: Turn) -> None:
        self._check_disclosed()
        self.turns.offer(turn)
        self._active_s = self._clock_s()

    def _ask_aloud(self, message: AudioEnd) -> None:
        if self.turns.knows(message.id):
            return
        speech, heard_bytes = self._speech, self._speech_bytes
        self._forget_speech()
        if not heard_bytes:
            raise malformed("id", "nothing was spoken since the last one", "Send audio before.")
        self._ask(Turn(message.id, None, speech))

    def _forget_speech(self) -> None:
        if self._speech_bytes:
            self._speech, self._speech_bytes = self._speech + 1, 0

    async def _disclosed(self, message: Disclosed) -> None:
        if self.due is None:
            return
        if message.version != self.due.version:
            raise malformed("version", f"version {self.due.version} is due", "Show that one.")
        await self.conversation.disclosed(message.version)
        self.due = None

    def _check_disclosed(self) -> None:
        if self.due is not None:
            raise HttpProblem(DISCLOSURE_DUE, f"Version {self.due.version} was not shown yet.")

    # -- what the twin says --------------------------------------------------------------

    async def _answer_turns(self) -> None:
        while True:
            turn = await self.turns.next()
            await self._answer(turn)
            self.turns.ended()
            self._active_s = self._clock_s()
            self._settled(self)

    async def _answer(self, turn: Turn) -> None:
        try:
            if turn.text is None:
                await self.conversation.answer(turn.id, turn.speech)
            else:
                await self.conversation.say(turn.id, turn.text)
        except HttpProblem as problem:
            self._failed(turn, problem, "refused")
        except Exception as fault:  # noqa: BLE001 - one turn must not take the others with it
            logs.get().error("turn_failed", session=self.session_id, exc_info=fault)
            self._failed(turn, HttpProblem(INTERNAL, "The turn could not be answered."), "failed")

    def _failed(self, turn: Turn, problem: HttpProblem, outcome: Outcome) -> None:
        body = body_of(problem, for_visitor=self.guest.is_visitor)
        self._put(Refused(problem=body, turn=turn.id))
        self._put(TurnEnded(turn=turn.id, outcome=outcome))

    async def _hear_events(self) -> None:
        try:
            async for event in self.conversation.events():
                await self.outbox.room()
                self._put(self._shown(event))
            self._ended(self, "ended")
        except HttpProblem as problem:
            if isinstance(problem, CutOff):
                self.outbox.hush()
            self._ended(self, "ended", problem)
        except Exception as fault:  # noqa: BLE001 - whoever talks is told, and nobody else is harmed
            logs.get().error("conversation_failed", session=self.session_id, exc_info=fault)
            self._ended(self, "error", HttpProblem(INTERNAL, "The conversation has failed."))

    def _put(self, event: ConversationEvent) -> None:
        self._figures.happened(event)
        self.outbox.put(event)

    def _shown(self, event: ConversationEvent) -> ConversationEvent:
        """Leave out what is none of a visitor's business: money."""
        if not self.guest.is_visitor:
            return event
        if isinstance(event, TurnEnded):
            return msgspec.structs.replace(event, cost_nanos=None)
        if isinstance(event, Refused):
            return msgspec.structs.replace(event, problem=censored(event.problem))
        return event


def malformed(field: str, rule: str, remedy: str) -> HttpProblem:
    """Make the problem of a message with this fault."""
    error = FieldError(field=field, rule=rule, remedy=remedy)
    return HttpProblem(MALFORMED_MESSAGE, f"{field}: {rule}", errors=[error])
