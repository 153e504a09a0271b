"""
One WebSocket: it reads what comes, sends what the outbox has, and ends with a reason.

Whoever wants it to end says so with `end`; the closing itself is done in one place, by the handler.
A polite end is three steps: nothing is read any more, the problem is sent as `closing`, then come
the close frames of both sides. All of it has `close_s`; then the socket is cut. A conversation that
was stopped has less time, and the socket of who does not take what was sent is reset: what is on
its way there is thrown away, so that nothing more is heard within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from contracts.stream import (
    CLIENT_MESSAGES,
    FRAME_BYTES_MAX,
    SUBPROTOCOL,
    Acknowledge,
    Bye,
    Closing,
    FromClient,
    Hello,
    Ping,
    Pong,
    Welcome,
    encode,
)
from domain import rate
from services import logs
from services.gateway.conversation import CutOff
from services.gateway.figures import Figures
from services.gateway.limits import Limits
from services.gateway.problems import (
    HANDSHAKE_TIMEOUT,
    HELLO_EXPECTED,
    MALFORMED_MESSAGE,
    MESSAGE_TOO_LARGE,
    SLOW_READER,
    TOO_MANY_MESSAGES,
    body_of,
    close_code,
)
from services.gateway.stream import Stream, malformed
from services.http_door import body
from services.query_api.problems import INTERNAL, HttpProblem

# Beyond this aiohttp itself cuts the connection (1009): it would have to be kept to be refused.
_RAW_BYTES_MAX: Final = 4 * FRAME_BYTES_MAX
_US: Final = 1_000_000
# Of a stopped conversation: to send the words that are left, and once more to close.
CUT_OFF_S: Final = 0.3
# On, for zero seconds.
_RESET: Final = struct.pack("ii", 1, 0)
_OVER: Final = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
# A page that was closed says 1001: whoever was there is gone, and not just unreachable.
_LEFT: Final = (WSCloseCode.OK, WSCloseCode.GOING_AWAY)


class _Ending(NamedTuple):
    """*flush*: what is in the outbox is sent first. *silent*: nobody is there to be told."""

    problem: HttpProblem | None
    flush: bool
    silent: bool


class Connection:
    """See above. *clock_s*: monotonic seconds. *spoken* is called at the first message."""

    def __init__(
        self,
        request: web.Request,
        limits: Limits,
        clock_s: Callable[[], float],
        figures: Figures,
        *,
        visitor: bool,
    ) -> None:
        self.has_left = False
        self._request = request
        self._limits = limits
        self._clock_s = clock_s
        self._figures = figures
        self._for_visitor = visitor
        self._socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            autoping=False,
            compress=False,
            max_msg_size=_RAW_BYTES_MAX,
            timeout=limits.close_s,
        )
        interval_us = _US // limits.messages_per_s
        self._pace = rate.Bucket(interval_us, (limits.burst - 1) * interval_us, 0)
        self._paced = rate.State()
        self._opened_s = self._heard_s = self._pinged_s = clock_s()
        self._sending_since_s: float | None = None
        self._is_greeted = False
        self._stream: Stream | None = None
        self._sent = 0
        self._wake = asyncio.Event()
        self._flushed = asyncio.Event()
        self._due: dict[str, bytes] = {}
        self._reader: asyncio.Task[Any] | None = None
        self._ending: _Ending | None = None

    async def open(self) -> web.WebSocketResponse:
        """Answer the handshake."""
        await self._socket.prepare(self._request)
        return self._socket

    # -- reading -----------------------------------------------------------------------

    async def hello(self) -> Hello | None:
        """Wait for the first message; None when the connection ends instead."""
        said: Hello | None = await self._until_ended(self._hello())
        self._is_greeted = said is not None
        return said

    async def _hello(self) -> Hello | None:
        while True:
            message = await self._receive()
            if message is None:
                return None
            if message.type in (WSMsgType.PING, WSMsgType.PONG):
                continue
            try:
                said = _read(message)
            except HttpProblem as problem:
                self.end(problem)
                return None
            if isinstance(said, Hello):
                return said
            self.end(HttpProblem(HELLO_EXPECTED, "It was another message."))
            return None

    async def serve(self, stream: Stream, welcome: Welcome, spoken: Callable[[], None]) -> None:
        """Bring a conversation and its client together, until either is gone."""
        self._stream, self._sent = stream, welcome.position
        stream.outbox.listen(self._wake.set)
        writer = asyncio.create_task(self._write(welcome), name="writer")
        try:
            await self._until_ended(self._read(stream, spoken))
            if self._ending is not None and self._ending.flush:
                await self._flush(writer)
        finally:
            writer.cancel()
            await asyncio.wait({writer})
            if stream.line is self:
                stream.outbox.listen(None)
            stream.detach(self)

    async def _read(self, stream: Stream, spoken: Callable[[], None]) -> None:
        while (message := await self._receive()) is not None:
            spoken()
            try:
                await self._take(stream, message)
            except HttpProblem as problem:
                self.end(problem)
            except Exception as fault:  # noqa: BLE001 - whoever talks is told
                logs.get().error("message_failed", session=stream.session_id, exc_info=fault)
                self.end(HttpProblem(INTERNAL, "The message could not be taken."))
            if self.has_left or self._ending is not None:
                return

    async def _take(self, stream: Stream, message: WSMessage) -> None:
        match message.type:
            case WSMsgType.PING:
                self._say_soon("pong", message.data)
            case WSMsgType.PONG:
                pass
            case WSMsgType.BINARY:
                _check_size(message.data)
                await stream.hear(message.data)
            case _:
                await self._take_text(stream, message)

    async def _take_text(self, stream: Stream, message: WSMessage) -> None:
        try:
            said = _read(message)
        except HttpProblem as problem:
            if problem.kind is not MALFORMED_MESSAGE:
                raise
            stream.refuse(problem)
            return
        match said:
            case Ping():
                self._say_soon("answer", b"")
            case Bye():
                self.has_left = True
            case Acknowledge():
                before = stream.outbox.acknowledged
                await stream.take(said)
                if stream.outbox.acknowledged > before:
                    # These are as many as what was sent, at most: the twin may speak fast.
                    self._paced.tat_us -= self._pace.interval_us
            case _:
                await stream.take(said)

    async def _receive(self) -> WSMessage | None:
        """Return the next message, None when there will be none; ends a flood."""
        message = await self._socket.receive()
        if message.type in _OVER:
            self.has_left = self._socket.close_code in _LEFT and message.type is WSMsgType.CLOSE
            return None
        self._heard_s = self._clock_s()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            self._figures.heard(message.data)
        slot = rate.check(self._paced, self._pace, int(self._heard_s * _US))
        self._paced.tat_us = slot.tat_us
        if not slot.fits:
            allowed = f"{self._limits.messages_per_s} in a second are allowed."
            self.end(HttpProblem(TOO_MANY_MESSAGES, allowed))
            return None
        return message

    async def _until_ended(self, reading: Coroutine[Any, Any, Any]) -> Any:
        """Return what *reading* does, None when the connection is to end."""
        if self._ending is not None:
            reading.close()
            return None
        self._reader = asyncio.create_task(reading, name="reader")
        try:
            await asyncio.wait({self._reader})
        except asyncio.CancelledError:
            self._reader.cancel()
            raise
        return None if self._reader.cancelled() else self._reader.result()

    # -- writing -----------------------------------------------------------------------

    async def _write(self, welcome: Welcome) -> None:
        with contextlib.suppress(ConnectionError):
            await self._send(encode(welcome))
            while True:
                if self._due:
                    await self._say(*self._due.popitem())
                elif self._stream and (kept := self._stream.outbox.after(self._sent)):
                    if kept.frame:
                        await self._send(kept.frame)
                    self._sent = kept.position
                else:
                    self._flushed.set()
                    self._wake.clear()
                    await self._wake.wait()
                    self._flushed.clear()

    def _say_soon(self, what: str, payload: bytes) -> None:
        # One of each: who asks ten times before it is answered is answered once.
        self._due[what] = payload
        self._wake.set()

    async def _say(self, what: str, payload: bytes) -> None:
        match what:
            case "ping":
                await self._timed(self._socket.ping(payload))
            case "pong":
                await self._timed(self._socket.pong(payload))
            case _:
                await self._send(encode(Pong(position=self._sent)))

    async def _send(self, frame: str | bytes) -> None:
        self._figures.sent(frame)
        if isinstance(frame, str):
            await self._timed(self._socket.send_str(frame))
        else:
            await self._timed(self._socket.send_bytes(frame))

    async def _timed(self, sending: Coroutine[Any, Any, None]) -> None:
        self._sending_since_s = self._clock_s()
        await sending
        self._sending_since_s = None

    async def _flush(self, writer: asyncio.Task[None]) -> None:
        self._wake.set()
        self._flushed.clear()
        flushed = asyncio.create_task(self._flushed.wait())
        await asyncio.wait(
            {flushed, writer},
            timeout=self._close_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        flushed.cancel()

    # -- ending ------------------------------------------------------------------------

    def end(
        self, problem: HttpProblem | None, *, flush: bool = False, silent: bool = False
    ) -> None:
        """Have it end, with a problem or as something that is over; the first word counts."""
        if self._ending is None:
            self._ending = _Ending(problem, flush, silent)
            if self._reader is not None:
                self._reader.cancel()

    def check(self, now_s: float) -> None:
        """End what has had its time; see whether somebody is there."""
        limits, outbox = self._limits, self._stream.outbox if self._stream else None
        if self._ending is not None:
            return
        if outbox is None:
            if not self._is_greeted and now_s - self._opened_s >= limits.handshake_s:
                detail = f"It must come within {limits.handshake_s} seconds."
                self.end(HttpProblem(HANDSHAKE_TIMEOUT, detail))
        elif now_s - self._heard_s >= 2 * limits.ping_s:
            self.end(None, silent=True)
        elif _is_over(outbox.full_since_s, limits.slow_s, now_s) or _is_over(
            self._sending_since_s, limits.slow_s, now_s
        ):
            detail = f"Nothing was acknowledged for {limits.slow_s} seconds."
            self.end(HttpProblem(SLOW_READER, detail))
        elif now_s - max(self._heard_s, self._pinged_s) >= limits.ping_s:
            self._pinged_s = now_s
            self._say_soon("ping", b"")

    async def close(self) -> None:
        """Do what `end` has asked for; harmless when the client has closed."""
        ending = self._ending or _Ending(None, flush=False, silent=False)
        transport = self._request.transport
        if transport is None:
            return
        if ending.silent:
            transport.abort()
            return
        try:
            async with asyncio.timeout(self._close_s):
                await self._close(ending.problem)
        except (TimeoutError, ConnectionError):
            if self._is_cut_off:
                _reset_on_close(transport)
            transport.abort()

    @property
    def _is_cut_off(self) -> bool:
        return self._ending is not None and isinstance(self._ending.problem, CutOff)

    @property
    def _close_s(self) -> float:
        return min(CUT_OFF_S, self._limits.close_s) if self._is_cut_off else self._limits.close_s

    async def _close(self, problem: HttpProblem | None) -> None:
        if problem is None:
            await self._socket.close()
            return
        if not self._socket.closed:
            told = body_of(problem, for_visitor=self._for_visitor)
            self._figures.refused(told.code)
            await self._send(encode(Closing(position=self._sent, problem=told)))
        await self._socket.close(code=close_code(problem), message=problem.kind.code.encode())


def _reset_on_close(transport: asyncio.BaseTransport) -> None:
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def _is_over(since_s: float | None, after_s: float, now_s: float) -> bool:
    return since_s is not None and now_s - since_s >= after_s


def _check_size(data: str | bytes) -> None:
    size = len(data.encode()) if isinstance(data, str) else len(data)
    if size > FRAME_BYTES_MAX:
        raise HttpProblem(MESSAGE_TOO_LARGE, f"It has {size} bytes, {FRAME_BYTES_MAX} are allowed.")


def _read(message: WSMessage) -> FromClient:
    """Read a text frame; raises HttpProblem."""
    if message.type is not WSMsgType.TEXT:
        raise malformed("frame", "is no text", "Send JSON in a text frame.")
    _check_size(message.data)
    try:
        value = msgspec.json.decode(message.data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise malformed("message", "is no JSON", "Send one JSON object.") from None
    kind = CLIENT_MESSAGES.get(str(value.get("type"))) if isinstance(value, dict) else None
    if kind is None:
        known = ", ".join(CLIENT_MESSAGES)
        raise malformed("type", "is none that a client sends", f"Send one of: {known}.")
    try:
        return body.checked(value, kind)
    except HttpProblem as problem:
        raise HttpProblem(MALFORMED_MESSAGE, problem.detail, errors=problem.errors or ()) from None
