"""
One connection to the servers and what the log asks of them, each an awaitable with an end.

Every request ends in an answer, in a typed problem, or in OutcomeUnknown: when its time is over,
and at once when the connection is lost, since the answer is lost with it. Requests share one
inbox. Nothing is retried here; who appends knows when that is safe (`appending.py`).
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Self, TypeAlias

import msgspec
import structlog

from services.eventstore import wire
from services.eventstore.client import RawClient
from services.eventstore.errors import OutcomeUnknown, Rejected, Unavailable, problem_of
from services.eventstore.names import Names
from services.eventstore.wire import Message, Recorded

REQUEST_TIMEOUT_S = 2.0
CONNECT_WITHIN_S = 30.0
# With a paused server the socket fills up; writing must not wait for ever then.
FLUSH_TIMEOUT_S = 2
# A dead peer is noticed after ping_interval x (max_outstanding_pings + 1).
OPTIONS: Mapping[str, Any] = {
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.1,
    "connect_timeout": 2,
    "ping_interval": 5,
    "max_outstanding_pings": 2,
    "flush_timeout": FLUSH_TIMEOUT_S,
}
_NO_MESSAGE = 10037

Answer: TypeAlias = tuple[bytes, bytes]  # header block, payload
Sink: TypeAlias = Callable[[bytes, bytes], None]

_log = structlog.get_logger()


class EventStoreConnection:
    """
    A connection to JetStream, shared by any number of logs of one event loop.

    `client` is a nats-py client like any other and may be used for everything else.
    """

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self._connected = asyncio.Event()
        self._inbox = ""
        self._skip = 0
        self._numbers = count(1)
        self._unique = secrets.token_hex(8)
        self._waiting: dict[bytes, tuple[Sink, asyncio.Future[Any]]] = {}
        self._on_disconnected: set[Callable[[], None]] = set()
        self._last_error = ""

    @classmethod
    async def open(
        cls, servers: str | Sequence[str], *, within_s: float = CONNECT_WITHIN_S, **options: Any
    ) -> Self:
        """
        Connect; *options* are those of `nats.connect`, a login for instance.

        Tries until it succeeds; raises Unavailable when it has not within *within_s*, and
        `nats.errors.Error` when the servers do not want us.
        """
        self = cls(RawClient())
        callers = {
            name: options.pop(f"{name}_cb", None) for name in ("disconnected", "reconnected")
        }

        async def disconnected() -> None:
            if not self.client.is_closed:
                _log.warning("nats_disconnected")
            self._lose_everything()
            if callers["disconnected"] is not None:
                await callers["disconnected"]()

        async def reconnected() -> None:
            _log.info("nats_reconnected")
            self._last_error = ""
            self._connected.set()
            if callers["reconnected"] is not None:
                await callers["reconnected"]()

        addresses = servers if isinstance(servers, str) else list(servers)
        callbacks = {"disconnected_cb": disconnected, "reconnected_cb": reconnected}
        settings = {"error_cb": self._note, **OPTIONS, **options, **callbacks}
        try:
            async with asyncio.timeout(within_s):
                await self.client.connect(addresses, **settings)
        except BaseException as problem:
            await self.client.close()
            if isinstance(problem, TimeoutError):
                raise Unavailable(f"no nats-server within {within_s:g} s") from None
            raise
        self._inbox = self.client.new_inbox() + "."
        self._skip = len(self._inbox)
        await self.client.subscribe_raw(f"{self._inbox}*", self._receive)
        self._connected.set()
        return self

    async def close(self) -> None:
        """Close the connection; whoever still waits for an answer gets OutcomeUnknown."""
        self._lose_everything()
        # nats-py writes what is left even to a socket that is gone. The library's own loop raises
        # an OSError then, and uvloop a RuntimeError.
        with suppress(OSError, RuntimeError):
            await self.client.close()

    # -- being connected or not

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent now."""
        return self.client.is_connected

    @property
    def max_payload(self) -> int:
        """How many bytes of header and payload the server takes in one message."""
        return self.client.max_payload

    async def connected(self, timeout_s: float) -> bool:
        """Wait until there is a connection; False if there is none in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._connected.wait()
        except TimeoutError:
            return False
        return True

    def watch(self, on_disconnected: Callable[[], None]) -> Callable[[], None]:
        """Have *on_disconnected* called whenever the connection is lost; returns the way out."""
        self._on_disconnected.add(on_disconnected)
        return lambda: self._on_disconnected.discard(on_disconnected)

    def _lose_everything(self) -> None:
        self._connected.clear()
        for _, future in self._waiting.values():
            _fail(future, OutcomeUnknown("the connection was lost before the answer came"))
        self._waiting.clear()
        for callback in list(self._on_disconnected):
            callback()

    async def _note(self, error: Exception) -> None:
        # The class says enough; a message may quote what the server was sent. Each attempt to
        # reconnect fails the same way: once is enough too.
        if (name := type(error).__name__) != self._last_error:
            self._last_error = name
            _log.warning("nats_connection", problem=name)

    # -- requests

    def unique(self) -> str:
        """Return an id that no process has used or will use, of hex digits and one dash."""
        return f"{self._unique}-{next(self._numbers):x}"

    async def request(
        self, subject: str, payload: bytes = b"", *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> Answer:
        """Ask and return the answer; raises Unavailable if nobody listens."""
        return await self._exchange(
            lambda reply: wire.request_frame(subject, reply, payload), timeout_s
        )

    async def api(
        self, verb: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = 5.0
    ) -> dict[str, Any]:
        """Ask the JetStream API, as in `api("STREAM.INFO.EVT_0")`; raises what it answers."""
        payload = json.dumps(body).encode() if body is not None else b""
        _, data = await self.request(f"$JS.API.{verb}", payload, timeout_s=timeout_s)
        answer: dict[str, Any] = json.loads(data)
        if "error" in answer:
            raise problem_of(answer["error"])
        return answer

    async def _exchange(self, frames: Callable[[str], bytes], timeout_s: float) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def receive(header: bytes, data: bytes) -> None:
            if not answer.done():
                answer.set_result((header, data))

        header, data = await self._wait(frames, receive, answer, timeout_s)
        if header and (status := wire.status_of(header)) is not None and not data:
            number, text = status
            if number == 503:  # noqa: PLR2004 - "no responders"
                raise Unavailable("nobody listens there: no such stream, or it has no leader")
            raise Rejected(f"{text} ({number})")
        return header, data

    async def _wait(
        self,
        frames: Callable[[str], bytes],
        sink: Sink,
        future: asyncio.Future[Any],
        timeout_s: float,
    ) -> Any:
        """Send what *frames* makes of a reply subject; wait for what *sink* puts into *future*."""
        token = f"{next(self._numbers):x}"
        # A timer and not asyncio.timeout: nats-py swallows a cancellation while it flushes, and
        # the time-out would be lost with it.
        timer = asyncio.get_running_loop().call_later(timeout_s, _expire, future, timeout_s)
        self._waiting[token.encode()] = (sink, future)
        try:
            await self.client.send(frames(self._inbox + token))
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(token.encode(), None)
            if not future.cancel() and not future.cancelled():
                future.exception()  # looked at, so that asyncio does not report it as forgotten

    def _receive(self, subject: bytes, _reply: bytes, header: bytes, data: bytes) -> None:
        waiting = self._waiting.get(subject[self._skip :])
        if waiting is not None:
            waiting[0](header, data)

    # -- storing

    async def publish(
        self, stream: str, message: Message, *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> int:
        """Store one message; return its stream sequence once it is durable."""
        _, data = await self._exchange(lambda reply: wire.publish_frame(message, reply), timeout_s)
        return _stored(stream, data, 1)

    async def publish_batch(
        self, stream: str, messages: Sequence[Message], *, timeout_s: float = REQUEST_TIMEOUT_S
    ) -> int:
        """
        Store all messages or none (ADR-50); return the stream sequence of the first.

        Each call is a batch of its own to the server, also when it repeats an earlier one.
        """
        batch_id = self.unique()
        _, data = await self._exchange(
            lambda reply: wire.batch_frames(messages, batch_id, reply), timeout_s
        )
        return _stored(stream, data, len(messages)) - len(messages) + 1

    # -- reading

    async def get_from_leader(
        self, names: Names, request: Mapping[str, Any]
    ) -> tuple[Recorded, bytes] | None:
        """
        Return the one message that a STREAM.MSG.GET request finds, and its header; else None.

        Only the stream's leader answers: what it acknowledged, it finds.
        """
        payload = json.dumps(request).encode()
        _, data = await self.request(f"$JS.API.STREAM.MSG.GET.{names.stream}", payload)
        answer: dict[str, Any] = json.loads(data)
        error = answer.get("error")
        if error is None:
            return wire.from_leader(names, answer["message"])
        if error.get("err_code") == _NO_MESSAGE:
            return None
        raise problem_of(error)

    async def get_batch(
        self, names: Names, request: Mapping[str, Any]
    ) -> tuple[list[Recorded], int]:
        """
        Return the messages that a direct get with `batch` finds, and how many are left.

        Any replica may answer, a late one too. While the server works on it, it accepts nothing
        else from this connection and stores nothing in the stream: ask for little.
        """
        rows: list[Answer] = []
        end: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def receive(header: bytes, data: bytes) -> None:
            if not data and header.startswith(b"NATS/1.0 "):
                if not end.done():
                    end.set_result(header)
            else:
                rows.append((header, data))

        subject = f"$JS.API.DIRECT.GET.{names.stream}"
        payload = json.dumps(request).encode()
        header = await self._wait(
            lambda reply: wire.request_frame(subject, reply, payload),
            receive,
            end,
            REQUEST_TIMEOUT_S,
        )
        left = _left(header)
        return [wire.from_direct_get(names, *row) for row in rows], left


class _PubAck(msgspec.Struct, frozen=True, gc=False):
    stream: str = ""
    seq: int = 0
    count: int = 1
    error: dict[str, Any] | None = None


_decode_ack = msgspec.json.Decoder(_PubAck).decode


def _stored(stream: str, data: bytes, messages: int) -> int:
    """Read an acknowledgement: the sequence of the last message stored."""
    try:
        ack = _decode_ack(data)
    except msgspec.DecodeError as error:
        raise Rejected(f"not an acknowledgement: {data[:200]!r}") from error
    if ack.error is not None:
        raise problem_of(ack.error)
    if ack.stream != stream or ack.count != messages:
        raise Rejected(f"stored as something else than was sent: {data[:200]!r}")
    return ack.seq


def _left(header: bytes) -> int:
    """Read the end of a direct get: 204 after a batch, 404 when there is nothing at all."""
    number, text = wire.status_of(header) or (0, "")
    match number:
        case 204:
            return wire.number_in(header, b"Nats-Num-Pending") or 0
        case 404:
            return 0
        case 503:
            raise Unavailable("the stream does not exist, has no leader or no direct access")
    raise Rejected(f"direct get: {text} ({number})")


def _expire(future: asyncio.Future[Any], timeout_s: float) -> None:
    _fail(future, OutcomeUnknown(f"no answer within {timeout_s:g} s"))


def _fail(future: asyncio.Future[Any], problem: Exception) -> None:
    if not future.done():
        future.set_exception(problem)
