"""
Cartesia's text to speech as its reference has it.

    GET  /tts/websocket   contexts on a socket: {context_id, transcript, continue, voice, …}
    POST /tts/bytes       a whole utterance as raw PCM or WAV

On a socket a context is one utterance. Its transcripts are spoken in order, with `chunk` frames of
base64 audio, `timestamps` if they were asked for, `flush_done` after a `flush`, and `done` when the
last transcript (`continue: false`) has been spoken. As the real one:

- an error frame carries `done: true` too, and ends its context;
- `{context_id, cancel: true}` drops what has not been begun, and what is being spoken goes on;
- a context counts against the concurrency of the account from its first transcript to its end;
- billed are the characters of the transcripts, and nothing for errors.

It waits for no buffer: whole words are spoken as they come. Audio is signed 16-bit PCM only.
A fault `error_in_stream` sends an error after *after_chunks* pieces of audio; the operation of the
handshake is `connect`, of a context `context`, of the other path `bytes`.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, ClassVar, Final

import msgspec
from aiohttp import WSMsgType, web

from contracts.usage import Usage
from services.sandbox.cartesia_context import Context, SpeakingError, Wanted
from services.sandbox.exchange import ConnectionCut, Exchange, StatusFault
from services.sandbox.vendor import Frame, SandboxVendor, answer
from services.sandbox.voice import BYTES_PER_SAMPLE, say

CONCURRENT_MAX: Final = 1_000
MESSAGE_BYTES_MAX: Final = 1 << 20
_ERRORS: Final = {
    400: ("invalid_request", "Invalid request"),
    401: ("unauthorized", "Unauthorized"),
    402: ("quota_exceeded", "Out of credits"),
    403: ("forbidden", "Forbidden"),
    404: ("model_not_found", "Not found"),
    429: ("concurrency_limited", "Too many concurrent requests"),
    503: ("service_unavailable", "Service unavailable"),
}


class Cartesia(SandboxVendor):
    """The vendor. See the module."""

    name: ClassVar[str] = "cartesia"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame)
        self.concurrent_max = CONCURRENT_MAX
        self.active = 0
        # Who is connected now.
        self.sockets: set[web.WebSocketResponse] = set()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.get("/tts/websocket", self._socket),
            web.post("/tts/bytes", self.counted("bytes", self._bytes)),
        ]

    def shown_key(self, request: web.Request) -> str:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return bearer or request.headers.get("X-API-Key", "")

    def error(self, status: int, detail: str = "") -> web.Response:
        return answer(error_body(status, detail), status)

    # -- a whole utterance ----------------------------------------------------------------

    async def _bytes(self, exchange: Exchange) -> web.StreamResponse:
        try:
            wanted = msgspec.json.decode(await exchange.request.read(), type=Wanted)
        except msgspec.MsgspecError as problem:
            return self.error(400, str(problem))
        if wrong := wanted.wrong():
            return self.error(*wrong)
        rate = wanted.output_format.sample_rate
        pcm = say(wanted.transcript, wanted.voice_id, rate, wanted.speed)
        stream_ms = -(-len(pcm) * 1_000 // (BYTES_PER_SAMPLE * rate))
        exchange.bill(
            Usage(characters=len(wanted.transcript), stream_ms=stream_ms),
            f"bytes-{exchange.call.number}",
        )
        if wanted.output_format.container == "wav":
            return web.Response(body=_wav(pcm, rate), content_type="audio/wav")
        return web.Response(body=pcm, content_type="application/octet-stream")

    # -- a socket ---------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        try:
            async with self.exchange(request, "connect") as exchange:
                if not self.accepts(request):
                    exchange.call.status = HTTPStatus.UNAUTHORIZED
                    return self.error(HTTPStatus.UNAUTHORIZED)
                await exchange.begin()
        except StatusFault as struck:
            response = self.error(struck.fault.status, struck.fault.detail)
            response.headers.update(struck.fault.headers)
            return response
        except ConnectionCut:
            return web.Response()
        socket = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX)
        try:
            await socket.prepare(request)
        except ConnectionResetError:
            # Whoever asked has gone already.
            return web.Response()
        self.sockets.add(socket)
        try:
            await self._listen(request, socket)
        finally:
            self.sockets.discard(socket)
        return socket

    async def _listen(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        contexts: dict[str, Context] = {}
        tasks: set[asyncio.Task[None]] = set()
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                wanted = await self._read(socket, message.data)
                if wanted is None:
                    continue
                context = contexts.get(wanted.context_id)
                if wanted.cancel:
                    if context is not None:
                        context.cancel()
                    continue
                if context is None or context.is_over:
                    contexts = {key: one for key, one in contexts.items() if not one.is_over}
                    context = contexts[wanted.context_id] = Context(wanted)
                    task = asyncio.create_task(self._speak(request, socket, context))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                context.add(wanted)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: web.WebSocketResponse, text: str) -> Wanted | None:
        try:
            wanted = msgspec.json.decode(text, type=Wanted)
        except msgspec.MsgspecError as problem:
            await socket.send_json(error_frame("", 400, str(problem)))
            return None
        if not wanted.cancel and (wrong := wanted.wrong()):
            await socket.send_json(error_frame(wanted.context_id, *wrong))
            return None
        return wanted

    async def _speak(
        self, request: web.Request, socket: web.WebSocketResponse, context: Context
    ) -> None:
        """Speak a context to its end. It is one piece of work that the vendor counts."""
        self.active += 1
        try:
            async with self.exchange(request, "context") as exchange:
                exchange.call.named = context.name
                if self.active > self.concurrent_max:
                    exchange.call.status = HTTPStatus.TOO_MANY_REQUESTS
                    await socket.send_json(error_frame(context.name, 429))
                    return
                await exchange.begin()
                try:
                    async for frame in context.frames(exchange):
                        await socket.send_json(frame)
                except SpeakingError as problem:
                    exchange.call.status = problem.status
                    await socket.send_json(error_frame(context.name, problem.status))
        except StatusFault as struck:
            await socket.send_json(
                error_frame(context.name, struck.fault.status, struck.fault.detail)
            )
        except (ConnectionCut, ConnectionResetError):
            return  # Nobody is there to be told.
        finally:
            context.is_over = True
            self.active -= 1


def error_body(status: int, detail: str = "") -> dict[str, Any]:
    """An error as it is answered over HTTP; *detail* is its message."""
    code, title = _ERRORS.get(status, ("internal_error", "Internal error"))
    return {
        "error_code": code,
        "title": title,
        "message": detail or f"{title}.",
        "request_id": "sandbox",
        "doc_url": None,
    }


def error_frame(context_id: str, status: int, detail: str = "") -> dict[str, Any]:
    """An error as it is said on a socket, with the `done` that misleads."""
    head = {"type": "error", "done": True, "status_code": status, "context_id": context_id}
    return {**head, **error_body(status, detail)}


def _wav(pcm: bytes, sample_rate: int) -> bytes:
    per_second = BYTES_PER_SAMPLE * sample_rate
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(pcm), b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, per_second, 2, 16)
    return head + form + struct.pack("<4sI", b"data", len(pcm)) + pcm
