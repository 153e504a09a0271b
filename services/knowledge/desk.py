"""
The desk: answers questions about what twins know, over the bus.

The server lets nobody ask in another's name, nor what their key or role may not (the matrix of
rights is `domain.rights`); the doors of ours that speak for others have looked before. The desk
answers on a connection that may answer and nothing else, because whoever asks names where the
answer goes. Questions are shared between all desks; uploads come to one of them at a time, for
their pieces belong together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.lookup import LookupAnswer, LookupQuestion, UploadPiece
from contracts.questions import LOOKUPS
from contracts.replies import Problem
from domain.answer import not_decided
from domain.refusals import CANNOT_VERIFY, OVERLOADED
from domain.vault_refusals import TWIN_ERASED
from services import logs
from services.knowledge.refusing import LookupRefused
from services.sealing.wrapped_keys import KeyErased, KeyMissing

Answer: TypeAlias = Callable[[str, str, Any], Awaitable[LookupAnswer]]

QUEUE: Final = "knowledge"
# What is being answered at once; more is told to come again.
AT_ONCE: Final = 32
AGAIN_MS: Final = 200
_MSGPACK: Final = "application/msgpack"
_MALFORMED: Final = "malformed_command"
_BAD_REQUEST: Final = 400
# shard.<k>.qry.<tenant>.<noun>.<verb>.<principal>
_TENANT, _PRINCIPAL = 3, 6


class Desk:
    """Serves *answers* on *bus* until it is closed; uploads only between `take` and `leave`."""

    def __init__(self, bus: Client, answers: Mapping[type[LookupQuestion], Answer]) -> None:
        self._bus = bus
        self._answers = answers
        self._running: set[asyncio.Task[None]] = set()
        self._uploads: Subscription | None = None

    async def open(self) -> None:
        """Begin to answer everything but uploads."""
        for kind in self._answers:
            if kind is not UploadPiece:
                await self._listen(kind, QUEUE)
        await self._bus.flush()

    async def take_uploads(self) -> None:
        """Begin to take uploads: this is the only desk that does."""
        self._uploads = await self._listen(UploadPiece, "")
        await self._bus.flush()

    async def leave_uploads(self) -> None:
        """Take none any more."""
        if self._uploads is not None:
            await self._uploads.unsubscribe()
            self._uploads = None

    async def close(self) -> None:
        """Answer what is being answered, and no more."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _listen(self, kind: type[LookupQuestion], queue: str) -> Subscription:
        noun, verb = LOOKUPS[kind]

        async def come(message: Msg) -> None:
            if len(self._running) >= AT_ONCE:
                refusal = LookupRefused(OVERLOADED, retry_after_ms=AGAIN_MS)
                await self._say(message, _denied(refusal))
                return
            task = asyncio.create_task(self._serve(kind, message), name=f"{noun}.{verb}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        subject = f"shard.*.qry.*.{noun}.{verb}.*"
        return await self._bus.subscribe(subject, queue=queue, cb=come)

    async def _serve(self, kind: type[LookupQuestion], message: Msg) -> None:
        try:
            decode = msgspec.msgpack.decode if _is_packed(message) else msgspec.json.decode
            question = decode(message.data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as problem:
            await self._malformed(message, kind, problem)
            return
        tokens = message.subject.split(".")
        tenant, principal = tokens[_TENANT], subjects.speaker(tokens[_PRINCIPAL])[1]
        try:
            answer: object = await self._answers[kind](tenant, principal, question)
        except LookupRefused as refused:
            answer = _denied(refused)
        except (KeyErased, KeyMissing):
            answer = _denied(LookupRefused(TWIN_ERASED))
        except (psycopg.Error, NatsError, OSError) as problem:
            # What it says may quote what was asked.
            logs.get().warning("lookup_failed", tenant=tenant, kind=type(problem).__name__)
            answer = _denied(LookupRefused(CANNOT_VERIFY, retry_after_ms=AGAIN_MS))
        except Exception as fault:  # noqa: BLE001 - the last place where a bug can be answered
            logs.get().error("lookup_fault", tenant=tenant, exc_info=fault)
            answer = _denied(LookupRefused(CANNOT_VERIFY, retry_after_ms=AGAIN_MS))
        await self._say(message, answer)

    async def _say(self, message: Msg, answer: object) -> None:
        if not message.reply:
            return
        encode = msgspec.msgpack.encode if _is_packed(message) else msgspec.json.encode
        await self._bus.publish(message.reply, encode(answer))

    async def _malformed(self, message: Msg, kind: type, problem: Exception) -> None:
        if not message.reply:
            return
        body = Problem(
            type="about:blank",
            title="The message is not a valid question",
            status=_BAD_REQUEST,
            code=_MALFORMED,
            detail=str(problem),
            remedy=f"Send what contracts/asyncapi.json says of {kind.__name__}.",
        )
        headers = {
            "Nats-Service-Error": _MALFORMED,
            "Nats-Service-Error-Code": str(_BAD_REQUEST),
        }
        await self._bus.publish(message.reply, msgspec.json.encode(body), headers=headers)


def _denied(refused: LookupRefused) -> object:
    decision = not_decided("", refused.refusal, retry_after_ms=refused.retry_after_ms)
    return msgspec.structs.replace(decision, facts=refused.facts)


def _is_packed(message: Msg) -> bool:
    return (message.headers or {}).get("Content-Type") == _MSGPACK
