"""
A chat model: messages in, pieces of an answer out.

    ChatRequest  what it is asked: messages, and the tools that it may call
    TextPiece    some more of the answer's text
    ToolCall     a tool that the model wants called; whole, never in parts
    Finished     why it stopped and what the vendor bills; always the last piece

An adapter subclasses `ChatModel`; callers make their way with `way`, so that the hold is as large
as the call can become, and go through `metered_pieces`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.vendors.adapter import Way, simple_way
from services.vendors.pieces import PiecesAdapter

REQUEST = "chat"
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class ToolCall(msgspec.Struct, frozen=True):
    """
    A call that the model wants. *arguments* is JSON text as the model wrote it.

    A model may write anything: whoever runs the tool checks name and arguments.
    """

    call_id: str
    name: str
    arguments: str


class Tool(msgspec.Struct, frozen=True):
    """A tool that the model may ask for; *parameters* is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class ChatMessage(msgspec.Struct, frozen=True):
    """
    One message. An assistant's may have *tool_calls*; a tool's answers the one of *call_id*.
    """

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


class ChatRequest(msgspec.Struct, frozen=True):
    """What the model is asked. *temperature* None leaves it to the vendor."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    temperature: float | None = None


class TextPiece(msgspec.Struct, frozen=True):
    """Some more of the text; joined together the pieces are the answer."""

    text: str


class Finished(msgspec.Struct, frozen=True):
    """
    The answer is complete.

    *reason* is `stop`, `length` (the limit of the grant cut it short), `tool_calls`,
    `content_filter`, or another word of the vendor's. *is_reported* is false when the vendor did
    not say what it bills, and *usage* is our own count.
    """

    reason: str
    usage: Usage
    is_reported: bool = True


ChatPiece: TypeAlias = TextPiece | ToolCall | Finished


class ChatModel(PiecesAdapter):
    """A vendor of chat models. See `PiecesAdapter` for what its pieces raise."""

    @abstractmethod
    def pieces(
        self, grant: Grant, request: Mapping[str, Any]
    ) -> AsyncGenerator[ChatPiece, None]: ...

    @abstractmethod
    def most_input_tokens(self, request: ChatRequest) -> int:
        """An upper bound of what the vendor counts as input."""

    def way(self, sku: str, request: ChatRequest, *, output_tokens: int, turns: int = 1) -> Way:
        """
        Make the way to ask *sku* for an answer of at most *output_tokens*.

        *turns* is 1 if the answer completes a turn; one that asks for a tool is not booked as one.
        """
        bound = Usage(
            input_tokens=self.most_input_tokens(request), output_tokens=output_tokens, turns=turns
        )
        return simple_way("text", self.provider_id, sku, bound, **{REQUEST: request})


def chat_of(request: Mapping[str, Any]) -> ChatRequest:
    """Return the chat request in a way's request; raises TypeError if there is none."""
    chat = request.get(REQUEST)
    if not isinstance(chat, ChatRequest):
        raise TypeError("make the way with ChatModel.way")
    return chat
