"""
The language model of a twin: each attempt is a call of its own, with a grant of its own.

    prohibited in the question?   a polite sentence, and no vendor is called
    granted                       whole sentences are handed on; a prohibited one ends the call
    refused                       what the twin says then; nothing is called
    failed                        tried once more if nothing was said yet; then an excuse

It never raises: the library would count that as an error, and end the session after four.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from livekit.agents import llm
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

from domain import topics
from services import logs
from services.agent.spoken import last_asked, question_of, request_of
from services.agent.talk import Informed, Talk
from services.live import knowing
from services.live.failures import CALL_FAILED
from services.live.sentences import Sentences
from services.live.words import say
from services.vendors.adapter import VendorCutOff, VendorFailed, VendorUnreachable
from services.vendors.chat.model import ChatRequest, Finished, TextPiece, ToolCall
from services.vendors.metered_pieces import metered_pieces

OUTPUT_TOKENS: Final = 800
ANSWER_CHARS_MAX: Final = 16_000
TOOLS_AT_ONCE_MAX: Final = 4
ATTEMPTS_MAX: Final = 2
RETRY_WAIT_MS, RETRY_WAIT_MS_MAX = 250, 2_000
# How much of what was said before is searched together with a sentence: longer than any phrase.
OVERLAP_CHARS: Final = 1_000
# Whoever retries here holds money for it first, so the library never does.
ONE_ATTEMPT: Final = APIConnectOptions(max_retry=0)


class MeteredLLM(llm.LLM[Any]):
    """The model of *talk*'s twin."""

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk

    @property
    def model(self) -> str:
        """The product, as the price book calls it."""
        return self._talk.products.chat_sku

    @property
    def provider(self) -> str:
        """The vendor."""
        return self._talk.products.chat.provider_id

    def prewarm(self, *, loop: Any = None) -> None:
        """Do nothing: a vendor is not asked before somebody has authorised it."""

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,  # noqa: ARG002
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,  # noqa: ARG002
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,  # noqa: ARG002
    ) -> llm.LLMStream:
        """Begin an answer."""
        offered = [] if tool_choice == "none" else list(tools or [])
        return MeteredAnswer(self, self._talk, chat_ctx, offered)


class MeteredAnswer(llm.LLMStream):
    """One answer of the model, or what the twin says in its place."""

    def __init__(
        self, model: MeteredLLM, talk: Talk, said: llm.ChatContext, tools: list[llm.Tool]
    ) -> None:
        self._talk = talk
        self._sentences = Sentences()
        self._text = ""
        self._id = "twin"
        super().__init__(model, chat_ctx=said, tools=tools, conn_options=ONE_ATTEMPT)

    async def _run(self) -> None:
        if topics.check(self._talk.topics, question_of(self._chat_ctx)):
            self._say(say("prohibited", self._talk.language))
            return
        request = await self._informed(request_of(self._chat_ctx, self._tools))
        for attempt in range(ATTEMPTS_MAX):
            try:
                await self._ask(request)
            except CALL_FAILED as problem:
                if attempt + 1 == ATTEMPTS_MAX or self._text or not _may_pass(problem):
                    self._broken_off(problem)
                    return
                await self._talk.gate.timing.sleep(_wait_ms(problem) / 1_000)
            else:
                return

    async def _informed(self, request: ChatRequest) -> ChatRequest:
        """
        Put what was approved for the twin before the question that is answered.

        Here and not where a spoken turn ends: the library tells nobody of a written one.
        """
        talk, asked = self._talk, last_asked(self._chat_ctx)
        if asked is None:
            return request
        if talk.informed is None or talk.informed.turn != asked.id:
            question = asked.text_content or ""
            passages = await knowing.looked_up(talk.gate, talk.knowledge, question)
            talk.informed = Informed(asked.id, passages)
            if passages:
                await knowing.record(talk.gate, talk.session_id, asked.id, passages)
        messages = request.messages
        ends = [at for at, one in enumerate(messages, 1) if one.role == "user"]
        if not ends:
            return request
        told = knowing.put_before(messages[: ends[-1]], talk.informed.passages, talk.knowledge)
        return msgspec.structs.replace(request, messages=(*told, *messages[ends[-1] :]))

    async def _ask(self, request: ChatRequest) -> None:
        """Ask the model once."""
        talk = self._talk
        self._sentences = Sentences()
        products = talk.products
        way = products.chat.way(products.chat_sku, request, output_tokens=OUTPUT_TOKENS)
        call = metered_pieces(
            talk.gate,
            talk.vendors,
            way,
            session_id=talk.session_id,
            decided=talk.watcher.decided,
        )
        try:
            async with call:
                if not call.granted:
                    self._say(talk.watcher.model_refused(call.decision))
                    return
                self._id = call.decision.reservation_id or self._id
                calls = 0
                async for piece in call:
                    if isinstance(piece, TextPiece):
                        if not self._written(piece.text):
                            break
                    elif isinstance(piece, ToolCall) and calls < TOOLS_AT_ONCE_MAX:
                        calls += 1
                        self._wants(piece)
                    elif isinstance(piece, Finished):
                        self._finished(piece)
        finally:
            talk.watcher.booked(call.receipt)

    # -- what is handed on ----------------------------------------------------------

    def _written(self, piece: str) -> bool:
        """Take some more of the answer; whether more of it is wanted."""
        return (
            all(self._sentence(sentence) for sentence in self._sentences.add(piece))
            and len(self._text) < ANSWER_CHARS_MAX
        )

    def _sentence(self, sentence: str) -> bool:
        if topics.check(self._talk.topics, self._text[-OVERLAP_CHARS:] + sentence):
            self._say(say("prohibited", self._talk.language))
            return False
        self._say(sentence)
        return True

    def _say(self, text: str) -> None:
        if text:
            self._text += text
            delta = llm.ChoiceDelta(role="assistant", content=text)
            self._event_ch.send_nowait(llm.ChatChunk(id=self._id, delta=delta))

    def _wants(self, call: ToolCall) -> None:
        wanted = llm.FunctionToolCall(
            name=call.name, arguments=call.arguments or "{}", call_id=call.call_id
        )
        delta = llm.ChoiceDelta(role="assistant", tool_calls=[wanted])
        self._event_ch.send_nowait(llm.ChatChunk(id=self._id, delta=delta))

    def _finished(self, end: Finished) -> None:
        rest = self._sentences.rest()
        if rest:
            self._sentence(rest)
        usage = llm.CompletionUsage(
            prompt_tokens=end.usage.input_tokens,
            completion_tokens=end.usage.output_tokens,
            total_tokens=end.usage.input_tokens + end.usage.output_tokens,
        )
        self._event_ch.send_nowait(llm.ChatChunk(id=self._id, usage=usage))

    def _broken_off(self, problem: Exception) -> None:
        logs.get().warning(
            "answer_broken_off", tenant=self._talk.gate.tenant, reason=f"{problem!r}"[:300]
        )
        rest = self._sentences.rest()
        if rest and not self._sentence(rest):
            return
        between = " " if self._text and not self._text[-1].isspace() else ""
        self._say(between + say("vendor", self._talk.language))


def _may_pass(problem: Exception) -> bool:
    """Whether a second call, with a grant of its own, can succeed with nothing changed."""
    if isinstance(problem, VendorFailed):
        return problem.may_pass
    return isinstance(problem, VendorCutOff | VendorUnreachable)


def _wait_ms(problem: Exception) -> int:
    asked_ms = getattr(problem, "retry_after_ms", None)
    return min(RETRY_WAIT_MS if asked_ms is None else asked_ms, RETRY_WAIT_MS_MAX)
