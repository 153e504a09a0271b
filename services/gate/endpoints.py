"""
The gate's doors on NATS: one micro service per shard, one endpoint per command and question.

Bytes come in, are checked against the contract, wait for the log, and go out as one reply in the
encoding that was asked in: JSON, or MessagePack when the header `Content-Type` says so. A message
may be a list of authorisations; its reply is the list of their decisions.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final, Protocol

import msgspec
import structlog
from nats.errors import Error as NatsError
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import Endpoint, EndpointConfig, Service, ServiceConfig

from contracts import questions, subjects
from contracts.budget import AUTHORIZATIONS_PER_MESSAGE_MAX, AuthorizeCall
from contracts.bundle import PUSH_BYTES_MAX, BundleView
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.message import Question
from contracts.questions import GateQuestion
from contracts.replies import Problem
from contracts.session import NOTICE_BYTES_MAX
from contracts.spelling import in_words
from contracts.views import VIEWS
from domain.bundle import notice
from services.eventstore.client import RawClient, RawHandler
from services.eventstore.errors import LogProblem
from services.gate.inboxes import asker
from services.gate.session_notice import Pushed
from services.gate.shard import ShardGate
from services.gate.waiter import Answer, Waiter

SERVICE: Final = "vito-gate"
VERSION: Final = "1.0.0"
MSGPACK: Final = "application/msgpack"
# Those without parameters, which ask for a view.
QUESTIONS: Final = tuple(VIEWS)
_TENANT_TOKEN = 3
_MALFORMED = "malformed_command"
_BAD_REQUEST = 400
_FAULT = "internal_error"
_INTERNAL_ERROR = 500
# What may wait for a socket that takes nothing; beyond it replies are dropped.
_UNSENT_BYTES_MAX = 64_000_000
_ERROR = "Nats-Service-Error"
_ERROR_CODE = "Nats-Service-Error-Code"
_PACKED = b"NATS/1.0\r\nContent-Type: application/msgpack\r\n\r\n"
_CONTENT_TYPE = re.compile(rb"\r\nContent-Type:[ \t]*application/msgpack[ \t]*\r\n")

_log = structlog.get_logger()
_to_json = msgspec.json.Encoder().encode
_to_msgpack = msgspec.msgpack.Encoder().encode


class Outbox:
    """
    Sends replies in bursts: all that one commit makes ready go to the socket in one write.

    Publishing them one by one costs about as much as deciding them.
    """

    def __init__(self, connection: RawClient) -> None:
        self._connection = connection
        self._frames: list[bytes] = []
        self._bytes = 0
        self._sender: asyncio.Task[None] | None = None

    def put(self, subject: bytes, data: bytes) -> None:
        """Send soon; nowhere if nobody asked for a reply. A lost reply is asked for again."""
        if not subject:
            return
        self._put(b"PUB %b %d\r\n%b\r\n" % (subject, len(data), data))

    def put_error(self, subject: bytes, data: bytes, code: str, status: int) -> None:
        """Send an answer to a message that could not be understood, marked as NATS services do."""
        if not subject:
            return
        header = f"NATS/1.0\r\n{_ERROR}: {code}\r\n{_ERROR_CODE}: {status}\r\n\r\n".encode()
        size = len(header) + len(data)
        head = b"HPUB %b %d %d\r\n" % (subject, len(header), size)
        self._put(b"".join((head, header, data, b"\r\n")))

    def _put(self, frame: bytes) -> None:
        if self._bytes > _UNSENT_BYTES_MAX:
            return
        self._bytes += len(frame)
        self._frames.append(frame)
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        try:
            while self._frames:
                frames, self._frames, self._bytes = self._frames, [], 0
                await self._connection.send(b"".join(frames))
        except (LogProblem, NatsError, OSError) as problem:
            _log.warning("replies_not_sent", reason=str(problem))
        finally:
            self._sender = None


def pushed(outbox: Outbox) -> Callable[[Pushed], None]:
    """
    Return what tells running agents of a bundle or of ends, on the door's connection.

    A push may be lost; who hears the next one, or asks again, has everything.
    """

    def push(told: Pushed) -> None:
        if isinstance(told, BundleView):
            subject, data = subjects.push(told.tenant), _to_json(told)
            if len(data) > PUSH_BYTES_MAX:
                data = _to_json(notice(told))
        else:
            subject, data = subjects.push_session(told.tenant), _to_json(told)
            if len(data) > NOTICE_BYTES_MAX:
                data = _to_json(msgspec.structs.replace(told, ended=None))
        outbox.put(subject.encode(), data)

    return push


class Decoders:
    """How the bytes of one command or question are read, in both encodings."""

    def __init__(self, command: type[AnyCommand | GateQuestion]) -> None:
        self._one_json = msgspec.json.Decoder(command).decode
        self._one_msgpack = msgspec.msgpack.Decoder(command).decode
        self._many_json: Callable[[bytes], list[Any]] | None = None
        self._many_msgpack: Callable[[bytes], list[Any]] | None = None
        if command is AuthorizeCall:
            limit = msgspec.Meta(min_length=1, max_length=AUTHORIZATIONS_PER_MESSAGE_MAX)
            many = Annotated[list[AuthorizeCall], limit]
            self._many_json = msgspec.json.Decoder(many).decode
            self._many_msgpack = msgspec.msgpack.Decoder(many).decode

    def read(self, data: bytes, *, packed: bool) -> tuple[list[Any], bool]:
        """
        Return the commands and whether they came as a list.

        Raises msgspec.DecodeError, or UnicodeDecodeError for a text that is none.
        """
        many = self._many_msgpack if packed else self._many_json
        if many is not None and _is_list(data, packed=packed):
            return many(data), True
        return [(self._one_msgpack if packed else self._one_json)(data)], False


def _is_list(data: bytes, *, packed: bool) -> bool:
    if packed:
        return data[:1] in _MSGPACK_ARRAYS
    return data.lstrip(b" \t\r\n")[:1] == b"["


_MSGPACK_ARRAYS = {bytes([first]) for first in (*range(0x90, 0xA0), 0xDC, 0xDD)}


class Take(Protocol):
    """Takes a principal's message to a tenant as bytes; the answer goes to *reply*, later."""

    def __call__(
        self, tenant: str, principal: str, reply: bytes, data: bytes, *, packed: bool
    ) -> None: ...


class ShardEndpoints:
    """Serves one shard on NATS while it is owned."""

    def __init__(
        self, connection: RawClient, outbox: Outbox, shard: ShardGate, worker: str
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._shard = shard
        self._worker = worker
        self._service: Service | None = None

    async def start(self) -> None:
        """Begin to listen."""
        # A queue group of its own per worker: the server must not split a shard's commands between
        # its owner and a paused worker that owned it before. Who is not the owner stays silent.
        self._service = await add_service(
            self._connection,
            ServiceConfig(
                name=SERVICE,
                version=VERSION,
                description="Authorises vendor calls before, accounts for them after.",
                queue_group=self._worker,
                metadata={"shard": str(self._shard.shard), "worker": self._worker},
            ),
        )
        for command, (noun, verb) in NOUN_AND_VERB.items():
            await self._listen("cmd", noun, verb, self._commands(command), command.__name__)
        for noun in QUESTIONS:
            await self._listen("qry", noun, "show", self._questions(noun), f"{noun} view")
        for question, (noun, verb) in questions.GATE_QUESTIONS.items():
            await self._listen("qry", noun, verb, self._asked(question), question.__name__)

    async def stop(self) -> None:
        """Stop listening. What was received and not decided yet is not answered any more."""
        service, self._service = self._service, None
        if service is None:
            return
        # Not by its own stop(): that has the server confirm the end of each subscription, and
        # waits ten seconds for each when there is no server.
        endpoints = [endpoint._subscription for endpoint in service._endpoints]  # noqa: SLF001
        for subscription in (*endpoints, *service._subscriptions.values()):  # noqa: SLF001
            if subscription is not None:
                with suppress(NatsError):
                    await self._connection.unsubscribe_raw(subscription)

    async def _listen(
        self,
        kind: str,
        noun: str,
        verb: str,
        take: Take,
        schema: str,
    ) -> None:
        assert self._service is not None, "start() made it"
        raw = self._guarded(take)

        async def handler(request: Request) -> None:
            # Only what comes before the short cut below is laid.
            message = request._msg  # noqa: SLF001 - the library offers only to answer at once
            header = _PACKED if _wants_msgpack(request) else b""
            raw(message.subject.encode(), message.reply.encode(), header, request.data)

        await self._service.add_endpoint(
            EndpointConfig(
                name=f"{noun}-{verb}",
                subject=subjects.served(self._shard.shard, kind, noun, verb),
                handler=handler,
                metadata={
                    "send_to": f"{kind}.{{tenant}}.{noun}.{verb}.{{principal}}",
                    "schema": schema,
                    "contract": "contracts/asyncapi.json",
                },
            )
        )
        # The library parses, queues and wraps each message, which costs more than deciding it.
        endpoint = self._service._endpoints[-1]  # noqa: SLF001
        subscription = endpoint._subscription  # noqa: SLF001
        assert subscription is not None, "add_endpoint() made it"
        self._connection.hand_over(subscription, _counting(endpoint, raw))

    def _commands(self, command: type[AnyCommand]) -> Take:
        decoders = Decoders(command)
        receive = self._shard.receive

        def take(tenant: str, principal: str, reply: bytes, data: bytes, *, packed: bool) -> None:
            try:
                commands, is_list = decoders.read(data, packed=packed)
            except (msgspec.DecodeError, UnicodeDecodeError) as problem:
                self._refuse(reply, problem, command)
                return
            respond = self._responder(reply, packed=packed, is_list=is_list)
            receive(tenant, Waiter(commands, principal, respond))

        return take

    def _questions(self, noun: str) -> Take:
        def take(tenant: str, principal: str, reply: bytes, data: bytes, *, packed: bool) -> None:  # noqa: ARG001
            respond = self._responder(reply, packed=packed, is_list=False)
            self._shard.receive(tenant, Waiter([], principal, respond, question=noun))

        return take

    def _asked(self, question: type[GateQuestion]) -> Take:
        decoders = Decoders(question)

        def take(tenant: str, principal: str, reply: bytes, data: bytes, *, packed: bool) -> None:
            try:
                (asked,), _ = decoders.read(data, packed=packed)
            except (msgspec.DecodeError, UnicodeDecodeError) as problem:
                self._refuse(reply, problem, question)
                return
            respond = self._responder(reply, packed=packed, is_list=False)
            self._shard.receive(tenant, Waiter([], principal, respond, question=asked))

        return take

    def _guarded(self, take: Take) -> RawHandler:
        """Answer even after a fault of our own, which must not end the read loop."""

        def handle(subject: bytes, reply_to: bytes, header: bytes, data: bytes) -> None:
            reply = b""
            try:
                tokens = subject.decode().split(".")
                principal, reply = asker(tokens[-1], reply_to)
                take(tokens[_TENANT_TOKEN], principal, reply, data, packed=_is_packed(header))
            except Exception:  # noqa: BLE001 - see above; it is logged with its traceback
                _log.exception("message_not_handled", subject=subject.decode(errors="replace"))
                body = Problem(
                    type="about:blank",
                    title="The message could not be handled",
                    status=_INTERNAL_ERROR,
                    code=_FAULT,
                    detail="A fault in the gate; its log says more.",
                    remedy="Do not call the vendor. Ask again with the same command_id.",
                )
                self._outbox.put_error(reply, _to_json(body), _FAULT, _INTERNAL_ERROR)

        return handle

    def _responder(
        self, reply: bytes, *, packed: bool, is_list: bool
    ) -> Callable[[list[Answer]], None]:
        encode = _to_msgpack if packed else _to_json
        put = self._outbox.put

        def respond(answers: list[Answer]) -> None:
            put(reply, encode(answers if is_list else answers[0]))

        return respond

    def _refuse(
        self, reply: bytes, problem: Exception, command: type[AnyCommand | GateQuestion]
    ) -> None:
        kind = "question" if issubclass(command, Question) else "command"
        body = Problem(
            type="about:blank",
            title=f"The message is not a valid {kind}",
            status=_BAD_REQUEST,
            code=_MALFORMED,
            detail=in_words(str(problem)),
            remedy=f"Send what contracts/asyncapi.json says of {command.__name__}.",
        )
        self._outbox.put_error(reply, _to_json(body), _MALFORMED, _BAD_REQUEST)


def _counting(endpoint: Endpoint, handler: RawHandler) -> RawHandler:
    """Count messages as the library does, for $SRV.STATS."""

    def handle(subject: bytes, reply: bytes, header: bytes, data: bytes) -> None:
        endpoint._num_requests += 1  # noqa: SLF001 - it has no other name
        handler(subject, reply, header, data)

    return handle


def _is_packed(header: bytes) -> bool:
    return bool(header) and _CONTENT_TYPE.search(header) is not None


def _wants_msgpack(request: Request) -> bool:
    headers = request.headers
    return headers is not None and headers.get("Content-Type") == MSGPACK
