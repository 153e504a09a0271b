"""
OpenAI's chat completions as their reference has them, with a scripted conversationalist behind.

    POST /v1/chat/completions   streamed as server-sent events, or whole
    POST /v1/embeddings         see `openai_embeddings`
    GET  /v1/models

(and without `/v1`, for whoever's base URL has it already.) Streamed, one token an event: a first
event with the role, tokens, an event with the reason to stop; with `stream_options.include_usage`
one more with the usage and no choices, and every other event says `usage: null`; then `[DONE]`.
A stream that breaks off has no usage, and its tokens are billed all the same.

Faults of its own: `no_usage` leaves the usage out, as some compatible servers do; after
*after_chunks* events `error_in_stream` sends an error, and `ends_early` ends the stream politely,
as proxies do whose upstream died; statuses 502 and 504 are a gateway's page, not OpenAI's
own error. A status of 429 with the detail `insufficient_quota` is an empty account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal

import msgspec
from aiohttp import web

from contracts.usage import Usage
from services.sandbox.conversationalist import Line, Offer, Wish, respond
from services.sandbox.exchange import ConnectionCut, Exchange
from services.sandbox.openai_embeddings import EmbeddingsWanted, embedded
from services.sandbox.tokens import count, tokens_of
from services.sandbox.vendor import Frame, SandboxVendor, answer

CONTEXT_TOKENS_MAX: Final = 128_000
OUTPUT_TOKENS_DEFAULT: Final = 1_024
AROUND_MESSAGE, AROUND_ANSWER, AROUND_TOOL = 4, 3, 12
_S: Final = 1_000_000


class Function(msgspec.Struct):
    """What a tool call names, or what a tool is."""

    name: str
    arguments: str = ""
    description: str = ""
    parameters: dict[str, Any] = {}


class Called(msgspec.Struct):
    """A tool call of an earlier answer."""

    id: str
    function: Function


class Message(msgspec.Struct):
    """A message of the request. *content* may be a list of parts, of which the texts are read."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[Called] = []
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class Offered(msgspec.Struct):
    """A tool of the request."""

    function: Function


class StreamOptions(msgspec.Struct):
    """How to stream."""

    include_usage: bool = False


class Wanted(msgspec.Struct):
    """What is read of a request."""

    model: str
    messages: list[Message]
    tools: list[Offered] = []
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None

    @property
    def output_max(self) -> int:
        return self.max_completion_tokens or self.max_tokens or OUTPUT_TOKENS_DEFAULT

    @property
    def input_tokens(self) -> int:
        tokens = AROUND_ANSWER
        for message in self.messages:
            tokens += AROUND_MESSAGE + count(message.text) + count(message.tool_call_id)
            for call in message.tool_calls:
                tokens += count(call.function.name) + count(call.function.arguments)
        for tool in self.tools:
            parameters = msgspec.json.encode(tool.function.parameters).decode()
            described = (tool.function.name, tool.function.description, parameters)
            tokens += AROUND_TOOL + sum(count(text) for text in described)
        return tokens


class Made(msgspec.Struct):
    """An answer: the deltas it is streamed in, a token each, and why it stops."""

    deltas: list[dict[str, Any]]
    reason: str


class OpenAI(SandboxVendor):
    """The vendor. See the module."""

    name: ClassVar[str] = "openai"
    models: ClassVar[tuple[str, ...]] = (
        *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"),
        *("gpt-5", "gpt-5-mini"),
    )
    # With the size of their vectors, which is also the most that can be asked for.
    embedding_models: ClassVar[dict[str, int]] = {
        "text-embedding-3-small": 1_536,
        "text-embedding-3-large": 3_072,
    }

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        # How long a token takes; a demonstration may want to see it written.
        self.token_ms = 0

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            route
            for prefix in ("/v1", "")
            for route in (
                web.post(f"{prefix}/chat/completions", self.counted("chat", self._chat)),
                web.post(f"{prefix}/embeddings", self.counted("embeddings", self._embeddings)),
                web.get(f"{prefix}/models", self.counted("models", self._models)),
            )
        ]

    def shown_key(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    def shown_name(self, request: web.Request, body: bytes) -> str:  # noqa: ARG002
        return request.headers.get("X-Client-Request-Id", "")

    def error(self, status: int, detail: str = "") -> web.Response:
        if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT):
            page = f"<html><title>{status}</title><center>cloudflare</center></html>"
            return web.Response(text=page, status=status, content_type="text/html")
        return answer({"error": _error(status, detail)}, status)

    # -- requests -----------------------------------------------------------------------

    async def _models(self, _exchange: Exchange) -> web.StreamResponse:
        listed = [
            {"id": model, "object": "model", "created": 0, "owned_by": "sandbox"}
            for model in self.models
        ]
        return answer({"object": "list", "data": listed})

    async def _embeddings(self, exchange: Exchange) -> web.StreamResponse:
        try:
            wanted = msgspec.json.decode(await exchange.request.read(), type=EmbeddingsWanted)
        except msgspec.MsgspecError as problem:
            return self.error(HTTPStatus.BAD_REQUEST, str(problem))
        if wanted.model not in self.embedding_models:
            return self.error(HTTPStatus.NOT_FOUND, wanted.model)
        if wrong := wanted.wrong(self.embedding_models[wanted.model]):
            return self.error(HTTPStatus.BAD_REQUEST, wrong)
        name = f"req_{exchange.call.number:024d}"
        exchange.bill(Usage(input_tokens=wanted.tokens), name)
        size = wanted.dimensions or self.embedding_models[wanted.model]
        return answer(embedded(wanted, size), headers={"x-request-id": name})

    async def _chat(self, exchange: Exchange) -> web.StreamResponse:
        try:
            wanted = msgspec.json.decode(await exchange.request.read(), type=Wanted)
        except msgspec.MsgspecError as problem:
            return self.error(HTTPStatus.BAD_REQUEST, str(problem))
        if wanted.model not in self.models:
            return self.error(HTTPStatus.NOT_FOUND, wanted.model)
        if wrong := _wrong(wanted):
            return self.error(HTTPStatus.BAD_REQUEST, wrong)
        name = f"chatcmpl-{exchange.call.number:024d}"
        made = _made(wanted, exchange.call.number)
        if wanted.stream:
            return await self._streamed(exchange, wanted, made, name)
        usage = Usage(wanted.input_tokens, len(made.deltas))
        exchange.bill(usage, name)
        return answer(
            {
                **self._head(wanted, name, "chat.completion"),
                "choices": [_whole(made)],
                "usage": _usage(usage),
            }
        )

    async def _streamed(
        self, exchange: Exchange, wanted: Wanted, made: Made, name: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "x-request-id": name}
        )
        usage = Usage(wanted.input_tokens)
        exchange.bill(usage, name)
        head = self._head(wanted, name, "chat.completion.chunk")
        try:
            await response.prepare(exchange.request)
            for event in _events(wanted, made, has_usage=not exchange.strikes("no_usage")):
                if _strikes_now(exchange, "ends_early"):
                    return response
                if _strikes_now(exchange, "error_in_stream"):
                    await _send(
                        response,
                        {"error": _error(500, exchange.fault.detail if exchange.fault else "")},
                    )
                    return response
                await exchange.chunk()
                if _is_token(event):
                    await self.frame.clock.sleep_ms(self.token_ms)
                    usage = Usage(usage.input_tokens, usage.output_tokens + 1)
                    exchange.bill(usage, name)
                await _send(response, {**head, **event})
            await exchange.chunk()
            await response.write(b"data: [DONE]\n\n")
        except ConnectionResetError:
            # The client hung up: what was generated until now stays on the bill.
            raise ConnectionCut from None
        return response

    def _head(self, wanted: Wanted, name: str, kind: str) -> dict[str, Any]:
        return {
            "id": name,
            "object": kind,
            "created": self.now_us // _S,
            "model": wanted.model,
            "system_fingerprint": "fp_sandbox",
        }


class Anthropic(OpenAI):
    """Anthropic's endpoint that is compatible with OpenAI's, with its models and its own bill."""

    name: ClassVar[str] = "anthropic"
    models: ClassVar[tuple[str, ...]] = ("claude-sonnet-4-5", "claude-haiku-4-5")
    embedding_models: ClassVar[dict[str, int]] = {}


def _wrong(wanted: Wanted) -> str:
    if not wanted.messages:
        return "[] is too short - 'messages'"
    if wanted.output_max < 1:
        return "max_completion_tokens must be at least 1"
    if wanted.input_tokens + wanted.output_max > CONTEXT_TOKENS_MAX:
        return f"context_length_exceeded: at most {CONTEXT_TOKENS_MAX} tokens"
    return ""


def _made(wanted: Wanted, number: int) -> Made:
    lines = [Line(message.role, message.text) for message in wanted.messages]
    offers = [
        Offer(tool.function.name, tool.function.description, tool.function.parameters)
        for tool in wanted.tools
    ]
    said = respond(lines, offers)
    deltas, reason = _calling(said, number) if isinstance(said, Wish) else (_saying(said), "stop")
    if len(deltas) > wanted.output_max:
        return Made(deltas[: wanted.output_max], "length")
    return Made(deltas, reason)


def _saying(text: str) -> list[dict[str, Any]]:
    return [{"content": token} for token in tokens_of(text)]


def _calling(wish: Wish, number: int) -> tuple[list[dict[str, Any]], str]:
    """Split the call as OpenAI does: id and name first, then the arguments token by token."""
    begun = {
        "index": 0,
        "id": f"call_{number:024d}",
        "type": "function",
        "function": {"name": wish.name, "arguments": ""},
    }
    arguments = msgspec.json.encode(wish.arguments).decode()
    rest = [
        {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}
        for token in tokens_of(arguments)
    ]
    return [{"tool_calls": [begun]}, *rest], "tool_calls"


def _events(wanted: Wanted, made: Made, *, has_usage: bool) -> Iterator[dict[str, Any]]:
    options = wanted.stream_options or StreamOptions()
    has_usage = has_usage and options.include_usage
    null = {"usage": None} if has_usage else {}
    first = {"role": "assistant", "content": ""}
    for delta in (first, *made.deltas):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        yield {"choices": [choice], **null}
    choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": made.reason}
    yield {"choices": [choice], **null}
    if has_usage:
        usage = Usage(wanted.input_tokens, len(made.deltas))
        yield {"choices": [], "usage": _usage(usage)}


def _is_token(event: dict[str, Any]) -> bool:
    if not event["choices"]:
        return False
    delta = event["choices"][0]["delta"]
    return bool(delta) and "role" not in delta


def _whole(made: Made) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    texts = [delta["content"] for delta in made.deltas if "content" in delta]
    if texts:
        message["content"] = "".join(texts)
    else:
        calls = [delta["tool_calls"][0] for delta in made.deltas]
        arguments = "".join(call["function"]["arguments"] for call in calls)
        function = {"name": calls[0]["function"]["name"], "arguments": arguments}
        message["tool_calls"] = [{**calls[0], "function": function}]
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": made.reason}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


async def _send(response: web.StreamResponse, event: dict[str, Any]) -> None:
    await response.write(b"data: " + msgspec.json.encode(event) + b"\n\n")


def _strikes_now(exchange: Exchange, kind: str) -> bool:
    fault = exchange.fault
    return fault is not None and fault.kind == kind and exchange.chunks == (fault.after_chunks or 0)


def _error(status: int, detail: str) -> dict[str, Any]:
    """The body of an error; *detail* is the code of a 429, and the message of others."""
    kind, code, said = "server_error", None, detail or "The server had an error."
    match status:
        case 400:
            kind, code = "invalid_request_error", "invalid_request_error"
            if detail.startswith("context_length_exceeded"):
                code = "context_length_exceeded"
        case 401:
            kind, code = "invalid_request_error", "invalid_api_key"
            said = "Incorrect API key provided. You can find your API key in your account."
        case 402:
            kind, code, said = "insufficient_quota", "credit_balance_exhausted", "No credits left."
        case 404:
            kind, code = "invalid_request_error", "model_not_found"
            said = f"The model `{detail}` does not exist or you do not have access to it."
        case 429:
            kind, code = "requests", detail or "rate_limit_exceeded"
            said = "Rate limit reached." if not detail else "You exceeded your current quota."
        case 503:
            said = "The engine is currently overloaded, please try again later."
        case _:
            pass
    return {"message": said, "type": kind, "param": None, "code": code}
