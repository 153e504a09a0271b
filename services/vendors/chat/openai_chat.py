"""
OpenAI's chat completions, streamed, and everything that speaks like them.

The vendor reports usage in the very last event (`stream_options.include_usage`) and not at all when
the stream breaks off; then what is booked is our own count. Until the vendor answers there is none,
and all that was held is owed: nobody knows how far it got.

An answer that is an error costs nothing (the vendor bills tokens, and made none), if it is the
vendor's own; a gateway's 502 says nothing about what happened behind it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.client.meter import Meter
from services.client.patience import Timing
from services.vendors.adapter import BeyondGrant, VendorCutOff, VendorFailed
from services.vendors.chat.model import (
    ChatMessage,
    ChatModel,
    ChatPiece,
    ChatRequest,
    Tool,
    chat_of,
)
from services.vendors.chat.openai_answer import OpenAIAnswer
from services.vendors.chat.sse import Events
from services.vendors.chat.tokens import about_tokens, most_tokens
from services.vendors.failed import failed, retry_after_ms
from services.vendors.outbound import Outbound, bearer
from services.vendors.outbound_pieces import StreamedReply

PATH = "/chat/completions"
# OpenAI keeps this name with its own logs, and so finds a call whose answer never arrived; who is
# compatible passes over it. With it each call of theirs is known to be of one hold of ours.
NAME_HEADER = "X-Client-Request-Id"
# Role, separators and name of a message are so many tokens of the chat template, at most and about;
# an answer is begun with as many. OpenAI's cookbook counts 3 to 4.
AROUND_MESSAGE, ABOUT_AROUND_MESSAGE = 8, 4
AROUND_TOOL, ABOUT_AROUND_TOOL = 64, 16
# A schema is shown to the model in another notation, which is about as long; twice is safe.
TOOL_FACTOR = 2
TOTAL_S, IDLE_S = 90.0, 20.0


class OpenAIChat(ChatModel):
    """
    Speaks to an OpenAI-compatible vendor through *outbound*, as the provider *provider_id*.

    The twin's key is the secret *secret_name*. *limit_field* is what the vendor calls the limit of
    the answer; many compatible servers only know `max_tokens`. No answer lasts longer than
    *total_s*, nor pauses for longer than *idle_s*.
    """

    def __init__(
        self,
        provider_id: str,
        outbound: Outbound,
        *,
        secret_name: str = "openai",  # noqa: S107 - a name in the vault, no value
        limit_field: str = "max_completion_tokens",
        total_s: float = TOTAL_S,
        idle_s: float = IDLE_S,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(provider_id)
        self._outbound = outbound
        self._secret_name = secret_name
        self._limit_field = limit_field
        self._total_s = total_s
        self._idle_s = idle_s
        self._timing = timing or Timing()

    async def pieces(
        self, grant: Grant, request: Mapping[str, Any]
    ) -> AsyncGenerator[ChatPiece, None]:
        meter = grant.open(self.provider_id)
        chat = chat_of(request)
        self._check(chat, meter)
        body = self._body(grant, chat)
        key = await grant.secret(self._secret_name)
        streamed = self._outbound.stream(
            meter,
            "POST",
            PATH,
            json=body,
            headers={
                "Authorization": bearer(key),
                "Accept": "text/event-stream",
                NAME_HEADER: grant.terms.reservation_id,
            },
            total_s=self._total_s,
            idle_s=self._idle_s,
        )
        async with streamed as reply:
            if reply.status != HTTPStatus.OK:
                raise await self._refused(meter, reply)
            answer = OpenAIAnswer(self.provider_id, meter, grant.terms.sku, _about_input(chat))
            found = Events()
            try:
                async with aclosing(reply.chunks()) as chunks:
                    async for chunk in chunks:
                        found.feed(chunk)
                        for piece in answer.take(found):
                            yield piece
                        if answer.is_done:
                            break
            except GeneratorExit:
                await _count_rest(reply, found, answer)
                raise
            yield answer.finished()
            await reply.finish()

    def most_input_tokens(self, request: ChatRequest) -> int:
        """
        Return an upper bound; see `services.vendors.chat.tokens` for why bytes are one.

        The bound of tools rests on the vendor showing them to the model about as they were sent,
        which it does not document; a twin is booked what was reported, so only a hold could be low.
        """
        tokens = AROUND_MESSAGE
        for message in request.messages:
            tokens += AROUND_MESSAGE + sum(most_tokens(text) for text in _texts(message))
        for tool in request.tools:
            tokens += AROUND_TOOL + TOOL_FACTOR * most_tokens(_spelled(tool))
        return tokens

    def _check(self, chat: ChatRequest, meter: Meter) -> None:
        if (needed := self.most_input_tokens(chat)) > meter.limits.input_tokens:
            raise BeyondGrant(
                f"the prompt may have {needed} tokens and {meter.limits.input_tokens} were held: "
                "hold as many as ChatModel.way does"
            )
        if meter.limits.output_tokens < 1:
            raise BeyondGrant("no output token was held: nothing could be answered")

    def _body(self, grant: Grant, chat: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": grant.terms.sku,
            "messages": [_message(message) for message in chat.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            self._limit_field: grant.terms.limits.output_tokens,
        }
        if chat.tools:
            body["tools"] = [_tool(tool) for tool in chat.tools]
        if chat.temperature is not None:
            body["temperature"] = chat.temperature
        return body

    async def _refused(self, meter: Meter, reply: StreamedReply) -> VendorFailed:
        found = await reply.error()
        error = found.get("error") if isinstance(found, dict) else None
        if isinstance(error, dict):
            meter.failed(Usage())
        else:
            error = {}
        return failed(
            self.provider_id,
            reply.status,
            code=error.get("code") or error.get("type"),
            retry_after_ms=retry_after_ms(reply.headers, self._timing.wall_us),
        )


async def _count_rest(reply: StreamedReply, found: Events, answer: OpenAIAnswer) -> None:
    """Count what had arrived when its reader stopped: a vendor runs ahead of slow readers."""
    try:
        answer.count(found)
        async for chunk in reply.arrived():
            found.feed(chunk)
            answer.count(found)
    except (VendorCutOff, VendorFailed):
        return  # What was counted until here stands.


def _about_input(chat: ChatRequest) -> int:
    tokens = ABOUT_AROUND_MESSAGE
    for message in chat.messages:
        tokens += ABOUT_AROUND_MESSAGE + sum(about_tokens(text) for text in _texts(message))
    return tokens + sum(ABOUT_AROUND_TOOL + about_tokens(_spelled(tool)) for tool in chat.tools)


def _texts(message: ChatMessage) -> list[str]:
    called = [text for call in message.tool_calls for text in (call.name, call.arguments)]
    return [message.content, message.call_id, *called]


def _spelled(tool: Tool) -> str:
    return msgspec.json.encode([tool.name, tool.description, tool.parameters]).decode()


def _message(message: ChatMessage) -> dict[str, Any]:
    spelled: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        spelled["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.call_id:
        spelled["tool_call_id"] = message.call_id
    return spelled


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    }
