"""
What was said so far, as the library keeps it, put to a model as this platform asks models.

Bounded by `most_tokens`, the same upper bound that the hold of a call is made of: the latest of
what was said that fits, and never the answer of a tool without its question.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from livekit.agents import llm

from services.vendors.chat.model import ChatMessage, ChatRequest, Role, Tool, ToolCall
from services.vendors.chat.tokens import most_tokens

TOKENS_MAX: Final = 12_000
# What the library notes besides is said by nobody.
_SAID: Final = ("message", "function_call", "function_call_output")
_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


def request_of(said: llm.ChatContext, tools: Sequence[llm.Tool]) -> ChatRequest:
    """Spell what was said and what may be called."""
    messages = list(_messages(said.items))
    told = [message for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    return ChatRequest((*told, *_latest(rest)), tuple(_tools(tools)))


def question_of(said: llm.ChatContext) -> str:
    """Return what the visitor said last, if nothing was said since; empty otherwise."""
    last = next((item for item in reversed(said.items) if item.type in _SAID), None)
    if last is None or last.type != "message" or last.role != "user":
        return ""
    return last.text_content or ""


def last_asked(said: llm.ChatContext) -> llm.ChatMessage | None:
    """Return the visitor's last message, whatever tools were called since."""
    return next(
        (
            item
            for item in reversed(said.items)
            if isinstance(item, llm.ChatMessage) and item.role == "user"
        ),
        None,
    )


def _messages(items: Iterable[Any]) -> Iterator[ChatMessage]:
    """Spell the items; what the library notes for itself is nothing that a model is told."""
    calls: list[llm.FunctionCall] = []
    outputs: dict[str, str] = {}
    for item in items:
        if item.type == "function_call":
            calls.append(item)
        elif item.type == "function_call_output":
            outputs[item.call_id] = item.output
        elif item.type == "message" and item.role in _ROLES:
            yield from _called(calls, outputs)
            calls, outputs = [], {}
            yield ChatMessage(_ROLES[item.role], item.text_content or "")
    yield from _called(calls, outputs)


def _called(calls: Sequence[llm.FunctionCall], outputs: Mapping[str, str]) -> Iterator[ChatMessage]:
    """Spell tools that were called at once; vendors take no call without its answer."""
    done = [call for call in calls if call.call_id in outputs]
    if done:
        asked = tuple(ToolCall(call.call_id, call.name, call.arguments) for call in done)
        yield ChatMessage("assistant", tool_calls=asked)
    for call in done:
        yield ChatMessage("tool", outputs[call.call_id], call_id=call.call_id)


def _latest(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    left, first = TOKENS_MAX, len(messages)
    for at in range(len(messages) - 1, -1, -1):
        left -= _tokens(messages[at])
        if left < 0 and first < len(messages):
            break
        first = at
    kept = list(messages[first:])
    while kept and kept[0].role == "tool":
        kept.pop(0)
    return kept


def _tokens(message: ChatMessage) -> int:
    called = [call.arguments for call in message.tool_calls]
    return sum(most_tokens(text) for text in (message.content, *called))


def _tools(tools: Iterable[llm.Tool]) -> Iterable[Tool]:
    """Spell the tools that were described to us as a schema; `twin_agent` makes no others."""
    for tool in tools:
        if isinstance(tool, llm.RawFunctionTool):
            schema = tool.info.raw_schema
            yield Tool(schema["name"], schema.get("description", ""), schema["parameters"])


def arguments_of(found: dict[str, object]) -> str:
    """Spell a tool's arguments as the model wrote them, as near as the library leaves them."""
    return json.dumps(found, ensure_ascii=False)
