"""
One streamed answer of an OpenAI-compatible vendor: events in, pieces out, and the count meanwhile.

What one may count on: an event has at most one of text, parts of tool calls, a reason to stop, or
the usage; the usage comes after the reason to stop, with no choices; `[DONE]` comes last. What one
may not: servers leave out the usage, send empty deltas, or an error in the middle of a stream.

Input that the vendor had cached is booked like any other, though some bill it at less: the price
book has one price for input, and an estimate is rather too high.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from contracts.usage import Usage
from services.client.meter import Meter
from services.vendors.adapter import VendorCutOff, VendorFailed
from services.vendors.chat.model import ChatPiece, Finished, TextPiece, ToolCall
from services.vendors.chat.sse import Events
from services.vendors.chat.tokens import about_tokens
from services.vendors.failed import failed

DONE = "[DONE]"
CALLS_MAX = 32
# No token of a known vocabulary is longer; a server that ignores the limit is not listened to.
BYTES_PER_TOKEN_MAX = 128
# Models that think before they answer are billed for thoughts that nobody sees.
_thinks = re.compile(r"(o\d|gpt-5|deepseek-reasoner)").match
_STREAM_ERROR = 500


class _Call(msgspec.Struct):
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class _Error(Exception):
    """The event is not what it should be."""


class OpenAIAnswer:
    """Follows one answer and keeps *meter* right; *about_input* is our count of the prompt."""

    def __init__(self, provider_id: str, meter: Meter, sku: str, about_input: int) -> None:
        self._provider_id = provider_id
        self._meter = meter
        self._about_input = min(about_input, meter.limits.input_tokens)
        self._hidden = meter.limits.output_tokens if _thinks(sku) else 0
        self._calls: dict[int, _Call] = {}
        self._about_output = 0
        self._bytes = 0
        self._reason = ""
        self._reported: Usage | None = None
        self.is_done = False
        self._count()

    def take(self, found: Events) -> Iterator[ChatPiece]:
        """
        Yield what the waiting events bring, and take them away.

        Raises:
            VendorFailed: one of them is an error of the vendor's.
            VendorCutOff: it cannot be understood, or runs past every limit.
        """
        while found.waiting and not self.is_done:
            yield from self._event(found.waiting.popleft())

    def count(self, found: Events) -> None:
        """Take the waiting events and only count them. Raises what `take` raises."""
        deque(self.take(found), maxlen=0)

    def _event(self, data: str) -> list[ChatPiece]:
        # All of it is counted before a piece of it is handed out: the reader may stop there.
        if data == DONE:
            self.is_done = True
            return []
        try:
            event = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.MsgspecError as problem:
            raise VendorCutOff(f"an event is no JSON object: {problem}") from problem
        if event.get("error"):
            raise self._failed(event["error"])
        self._meter.reported(self._meter.so_far, str(event.get("id") or "")[:128])
        try:
            choices = event.get("choices") or ()
            pieces = [piece for choice in choices for piece in self._chosen(choice)]
            if event.get("usage"):
                self._report(event["usage"])
        except (AttributeError, KeyError, TypeError, msgspec.ValidationError, _Error) as problem:
            raise VendorCutOff(f"an event is not as documented: {problem}") from problem
        return pieces

    def finished(self) -> Finished:
        """
        Say how it ended, and book it as complete; raises VendorCutOff if it broke off.

        A vendor that sends no usage is booked at our count.
        """
        if not self._reason or not (self.is_done or self._reported):
            raise VendorCutOff("the stream ended before the answer did")
        usage = self._count() if self._reported is None else self._reported
        if self._reason == "tool_calls":
            usage = msgspec.structs.replace(usage, turns=0)
        self._meter.completed(usage)
        return Finished(self._reason, usage, is_reported=self._reported is not None)

    def _chosen(self, choice: dict[str, Any]) -> Iterator[ChatPiece]:
        delta = choice.get("delta") or {}
        if text := delta.get("content"):
            self._grow(text)
            yield TextPiece(text)
        if refusal := delta.get("refusal"):
            self._grow(refusal)
            yield TextPiece(refusal)
        for part in delta.get("tool_calls") or ():
            self._add(part)
        if reason := choice.get("finish_reason"):
            self._reason = str(reason)[:32]
            for call in self._calls.values():
                yield ToolCall(call.call_id, call.name, call.arguments)
            self._calls.clear()

    def _add(self, part: dict[str, Any]) -> None:
        if len(self._calls) >= CALLS_MAX and part["index"] not in self._calls:
            raise _Error(f"more than {CALLS_MAX} tool calls")
        call = self._calls.setdefault(part["index"], _Call())
        function = part.get("function") or {}
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        call.call_id = part.get("id") or call.call_id
        call.name += name
        call.arguments += arguments
        self._grow(name + arguments)

    def _grow(self, text: str) -> None:
        # Every event is a token at least.
        self._about_output += max(1, about_tokens(text))
        self._bytes += len(text.encode("utf-8", "surrogatepass"))
        if self._bytes > BYTES_PER_TOKEN_MAX * self._meter.limits.output_tokens:
            raise _Error("the answer is longer than its limit allows")
        self._count()

    def _count(self) -> Usage:
        limits = self._meter.limits
        output = max(self._hidden, min(self._about_output, limits.output_tokens))
        usage = Usage(self._about_input, output, turns=min(1, limits.turns))
        self._meter.counted(usage)
        return usage

    def _report(self, found: dict[str, Any]) -> None:
        wanted = {
            "input_tokens": found["prompt_tokens"],
            "output_tokens": found["completion_tokens"],
            "turns": min(1, self._meter.limits.turns),
        }
        self._reported = msgspec.convert(wanted, Usage)
        # Booked even if not another byte arrives. It takes the place of our count until more text
        # comes, which it may: some servers report with every event.
        self._meter.reported(self._reported)
        self._meter.counted(self._reported)

    def _failed(self, error: object) -> VendorFailed:
        found = error if isinstance(error, dict) else {}
        code = found.get("code") or found.get("type")
        status = code if isinstance(code, int) and 400 <= code <= 599 else _STREAM_ERROR  # noqa: PLR2004
        return failed(self._provider_id, status, code=code)
