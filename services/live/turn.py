"""
One turn: a question, and the twin's answer, sentence by sentence.

    prohibited in the question?     a polite sentence, and no vendor is called
    ask the model                   in the order of the gate: throttled, granted or refused
    each whole sentence             prohibited? then the call ends here; else shown, and said
    tools that the model asks for   each a call of its own; then the model is asked again
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from contracts.bundle import LiveSource
from contracts.lookup import FoundPassage
from contracts.replies import Decision
from contracts.stream import TextPiece, TurnStarted
from contracts.topics import Topic
from domain import topics
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify
from services.live import knowing
from services.live.face import Face
from services.live.failures import CALL_FAILED
from services.live.products import Products
from services.live.sentences import Sentences
from services.live.throttling import Emit, announce
from services.live.voice import Sound, Voice
from services.live.words import Language, Phrase, say
from services.vendors.adapter import Vendors
from services.vendors.chat.model import ChatMessage, ChatRequest, Finished, Tool, ToolCall
from services.vendors.chat.model import TextPiece as ModelPiece
from services.vendors.data.tools import LiveTools
from services.vendors.metered_pieces import metered_pieces

# How often the model may ask for tools before it has to answer, and for how many at once.
TOOL_STEPS_MAX: Final = 3
TOOLS_AT_ONCE_MAX: Final = 4
# What a visitor waits for at most while live data are throttled.
TOOL_DELAY_MS_MAX: Final = 2_000
OUTPUT_TOKENS: Final = 800
ANSWER_CHARS_MAX: Final = 16_000
# How much of what was said before is searched together with a sentence: longer than any phrase.
OVERLAP_CHARS: Final = 1_000


class Stopped(Exception):
    """The gate did not grant the model's call; *decision* says why. Nothing was called."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.code)
        self.decision = decision


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """
    With what a turn is held: the gate, the vendors, and what is pinned for it.

    *sound* speaks what is shown, *face* says it in the video; with neither it is only written.
    *knowledge* is what was approved and may be looked up.
    """

    gate: GateClient
    vendors: Vendors
    session_id: str
    products: Products
    tools: LiveTools | None
    topics: Sequence[Topic]
    language: Language
    sound: Sound | None = None
    face: Face | None = None
    max_delay_ms: int | None = None
    knowledge: Sequence[LiveSource] = ()


class Turn:
    """
    One turn. After `answer`: *text* is what was shown, *passages* what it was given to go by,
    *silenced* why the voice went away, *has_spoken* whether it was heard, *failed* whether a vendor
    did not finish, *decision* what the gate has said last of the model's calls.
    """

    def __init__(self, turn: str, talk: Talk, emit: Emit) -> None:
        self._turn = turn
        self._talk = talk
        self._emit = emit
        self._sentences = Sentences()
        self._voice: Voice | None = None
        self._started = False
        self.passages: list[FoundPassage] = []
        self.text = ""
        self.decision: Decision | None = None
        self.silenced: Decision | None = None
        self.has_spoken = False
        self.failed = False

    async def answer(self, question: str, messages: Sequence[ChatMessage]) -> None:
        """
        Answer *question*, the last of *messages*.

        Raises, before anything was shown: Stopped when the gate refuses the model, CannotVerify
        when it cannot be asked.
        """
        is_prohibited = bool(topics.check(self._talk.topics, question))
        if not is_prohibited:
            messages = await self._informed(question, messages)
        async with AsyncExitStack() as stack:
            if self._talk.sound is not None:
                self._voice = await stack.enter_async_context(self._speaking(self._talk.sound))
            if is_prohibited:
                await self._own("prohibited")
            else:
                await self._model(list(messages))
        if self._voice is not None:
            self.silenced, self.has_spoken = self._voice.silenced, self._voice.has_spoken

    async def _informed(
        self, question: str, messages: Sequence[ChatMessage]
    ) -> Sequence[ChatMessage]:
        """Look up what was approved, and put it before the question."""
        talk = self._talk
        self.passages = await knowing.looked_up(talk.gate, talk.knowledge, question)
        return knowing.put_before(messages, self.passages, talk.knowledge)

    def _speaking(self, sound: Sound) -> Voice:
        talk = self._talk
        return Voice(
            talk.gate,
            talk.vendors,
            sound,
            talk.session_id,
            hear=self._emit,
            decided=self._decided,
        )

    async def _model(self, messages: list[ChatMessage]) -> None:
        for step in range(TOOL_STEPS_MAX + 1):
            try:
                wanted = await self._ask(messages, may_use_tools=step < TOOL_STEPS_MAX)
            except CALL_FAILED as problem:
                if isinstance(problem, CannotVerify) and not self._started:
                    raise
                await self._broken_off(problem)
                return
            if not wanted:
                return
            messages.append(ChatMessage("assistant", tool_calls=tuple(wanted)))
            for call in wanted:
                found = await self._tool(call)
                messages.append(ChatMessage("tool", found, call_id=call.call_id))

    async def _ask(self, messages: Sequence[ChatMessage], *, may_use_tools: bool) -> list[ToolCall]:
        """Ask the model once; returns the tools that it wants called before it can answer."""
        talk = self._talk
        request = ChatRequest(tuple(messages), self._offered() if may_use_tools else ())
        way = talk.products.chat.way(talk.products.chat_sku, request, output_tokens=OUTPUT_TOKENS)
        wanted: list[ToolCall] = []
        call = metered_pieces(
            talk.gate,
            talk.vendors,
            way,
            session_id=talk.session_id,
            max_delay_ms=talk.max_delay_ms,
            decided=self._decided,
        )
        async with call:
            if not call.granted:
                await self._refused(call.decision)
                return []
            async for piece in call:
                if isinstance(piece, ModelPiece):
                    if not await self._written(piece.text):
                        break
                elif isinstance(piece, ToolCall) and len(wanted) < TOOLS_AT_ONCE_MAX:
                    wanted.append(piece)
                elif isinstance(piece, Finished):
                    await self._sentence(self._sentences.rest())
        return wanted

    async def _decided(self, decision: Decision) -> None:
        self.decision = decision
        await announce(self._emit, self._turn, decision)

    async def _refused(self, decision: Decision) -> None:
        if not self._started:
            raise Stopped(decision)
        # A tool was called and now the model may not be asked again: the turn ends half way.
        logs.get().info("turn_stopped", tenant=self._talk.gate.tenant, code=decision.code)
        await self._own("vendor")
        self.failed = True

    async def _written(self, piece: str) -> bool:
        """Take a piece of the answer; whether more is wanted."""
        for sentence in self._sentences.add(piece):
            if not await self._sentence(sentence):
                return False
        return len(self.text) < ANSWER_CHARS_MAX

    async def _sentence(self, sentence: str) -> bool:
        if not sentence:
            return True
        before = self.text[-OVERLAP_CHARS:]
        if topics.check(self._talk.topics, before + sentence):
            await self._own("prohibited")
            return False
        await self._show(sentence)
        return True

    async def _show(self, sentence: str) -> None:
        if not self._started:
            self._started = True
            await self._emit(TurnStarted(turn=self._turn))
            if self.passages:
                await self._emit(knowing.shown(self._turn, self.passages))
        self.text += sentence
        await self._emit(TextPiece(turn=self._turn, text=sentence))
        if self._voice is not None:
            await self._voice.say(sentence)
        elif self._talk.face is not None:
            await self._talk.face.say(sentence)

    async def _own(self, phrase: Phrase) -> None:
        """Say something of the twin's own, after what was said already."""
        space = " " if self.text and not self.text[-1].isspace() else ""
        await self._show(space + say(phrase, self._talk.language))

    async def _broken_off(self, problem: BaseException) -> None:
        logs.get().warning(
            "answer_broken_off", tenant=self._talk.gate.tenant, reason=f"{problem!r}"[:300]
        )
        self.failed = True
        await self._sentence(self._sentences.rest())
        await self._own("vendor")

    def _offered(self) -> tuple[Tool, ...]:
        if self._talk.tools is None:
            return ()
        return tuple(self._talk.tools.described(self._talk.language))

    async def _tool(self, call: ToolCall) -> str:
        if self._talk.tools is None:
            return json.dumps({"error": "there are no tools"})
        found = await self._talk.tools.run(
            call,
            language=self._talk.language,
            session_id=self._talk.session_id,
            max_delay_ms=TOOL_DELAY_MS_MAX,
            decided=self._decided,
        )
        return found.text
