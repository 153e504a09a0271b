"""
Tavus: conversations with a face, version 2 of its API.

A conversation costs from its creation to its end, whoever joins, and Tavus never says how much: our
own clock counts, from before the create is sent, and once it has ended the vendor's times do.

    begin       POST /v2/conversations   once; named after the reservation, ended by the vendor
                                         itself at the session's limit and when nobody is there
    drive       GET  /v2/conversations/{id}    has it ended meanwhile?
    end         POST /v2/conversations/{id}/end, again until it is heard
    end_lost    a create without an answer: look for the name, end what is found

There is no idempotency key, so a create is never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

import msgspec

from contracts.usage import Usage
from services.client.grant import Grant
from services.client.meter import Meter
from services.client.patience import Timing
from services.secret import Secret
from services.vendors.adapter import (
    Answer,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
    ends_spending,
    reconciles,
)
from services.vendors.face import tavus_conversation
from services.vendors.face.avatar import (
    AvatarAdapter,
    AvatarConfig,
    RuntimeLimits,
    SessionId,
    StreamInput,
)
from services.vendors.face.tavus_conversation import Conversation
from services.vendors.face.tavus_webhook import Callback
from services.vendors.failed import VendorBusy, failed, retry_after_ms
from services.vendors.found import FoundSession
from services.vendors.outbound import Outbound, Reply
from services.vendors.session_name import name_of

BASE_URL: Final = "https://tavusapi.com"
CONVERSATIONS: Final = "/v2/conversations"
# How often ending is tried, and a lost one is looked for, and the first wait between.
TRIES_MAX: Final = 4
FIRST_WAIT_S: Final = 0.5
PAGE: Final = 100
PAGES_MAX: Final = 50
_CONCURRENT: Final = "maximum concurrent conversations"
# After these Tavus has made nothing; after a 5xx it may have.
_NOTHING_MADE: Final = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
# The last two: there is no such conversation any more, so nothing of it costs.
_HEARD: Final = frozenset({200, 204, 400, 404})


class _Running(msgspec.Struct):
    """One conversation of this process. The key is kept as long as its meter, to end it with."""

    key: Secret
    name: str
    began_us: int


class TavusAdapter(AvatarAdapter):
    """
    Tavus for the twins of *deployment*, through *outbound*, with each twin's secret *secret_name*.

    *names_pal* sends `pal_id` and `face_id`, as Tavus calls personas and replicas now, and its
    older names otherwise; both mean the same. *callback*: where it tells what becomes of them.
    """

    is_reconciled: ClassVar[bool] = True

    def __init__(
        self,
        provider_id: str,
        outbound: Outbound,
        *,
        secret_name: str = "tavus",  # noqa: S107 - the name of one
        deployment: str = "development",
        names_pal: bool = False,
        callback: Callback | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(provider_id)
        self._outbound = outbound
        self._secret_name = secret_name
        self._deployment = deployment
        self._spell = tavus_conversation.Spelling(names_pal=names_pal)
        self._callback = callback
        self._timing = timing or Timing()
        self._running: WeakKeyDictionary[Meter, _Running] = WeakKeyDictionary()

    # -- the life of a conversation ---------------------------------------------------

    async def begin(self, grant: Grant, request: Mapping[str, Any]) -> Answer:
        meter = grant.open(self.provider_id)
        config: AvatarConfig = request["config"]
        limits: RuntimeLimits = request["limits"]
        key = await grant.secret(self._secret_name)
        name = str(name_of(self._deployment, grant.terms.reservation_id))
        told = self._callback.url(grant.terms.tenant) if self._callback is not None else ""
        body = self._spell.create(name, config, limits, told)
        self._running[meter] = _Running(key, name, self._timing.monotonic_us())
        reply = await self._send(meter, key, "POST", CONVERSATIONS, json=body)
        if reply.status != HTTPStatus.OK:
            if reply.status in _NOTHING_MADE:
                meter.failed(Usage())
            raise self._failure(reply)
        conversation = _read(reply)
        self._count(meter)
        meter.reported(Usage(), conversation.conversation_id)
        return Answer(
            msgspec.to_builtins(conversation), self._so_far(meter), conversation.conversation_id
        )

    async def drive(self, grant: Grant, stream: str, stream_ms: int) -> Answer:
        """Look whether the conversation still runs; its time passes by itself."""
        del stream_ms
        meter = grant.open(self.provider_id)
        running = self._running[meter]
        self._count(meter)
        conversation = await self._look(meter, running.key, stream)
        self._count(meter)
        over = {"is_over": conversation.is_over, "reason": conversation.shutdown_reason}
        return Answer(over, self._so_far(meter), stream)

    @ends_spending
    async def end(self, grant: Grant, stream: str) -> Answer:
        meter = grant.opened(self.provider_id)
        running = self._running[meter]
        await self._end_until_heard(meter, running.key, stream)
        usage = await self._lasted(meter, running.key, stream, self._so_far(meter))
        meter.completed(usage, stream)
        return Answer({"is_over": True}, usage, stream)

    @ends_spending
    async def end_lost(self, grant: Grant) -> None:
        meter = grant.opened(self.provider_id)
        running = self._running.get(meter)
        if running is None:
            return
        conversation = await self._find(meter, running)
        ref = conversation.conversation_id
        await self._end_until_heard(meter, running.key, ref)
        meter.ended(await self._lasted(meter, running.key, ref, self._so_far(meter)), ref)

    def address(self, begun: Answer) -> str:
        return str(begun.body.get("conversation_url") or "")

    def interaction(self, session: SessionId, said: StreamInput) -> Mapping[str, Any]:
        return tavus_conversation.echo(session, said)

    # -- reconciliation ---------------------------------------------------------------

    @reconciles
    async def sessions(self, grant: Grant, since_us: int) -> list[FoundSession]:
        """
        List our conversations created since *since_us*, running or ended, newest first.

        *grant* is one of reconciliation; `look` and `end_found` go on with it.
        """
        meter = grant.open(self.provider_id, purpose="reconciliation")
        key = await grant.secret(self._secret_name)
        self._running[meter] = _Running(key, "", self._timing.monotonic_us())
        found: list[FoundSession] = []
        for page in range(1, PAGES_MAX + 1):
            conversations = await self._page(meter, key, page, "")
            found += [
                session
                for one in conversations
                if one.created_us >= since_us
                and (session := one.found(self._deployment)) is not None
            ]
            if len(conversations) < PAGE or conversations[-1].created_us < since_us:
                return found
        raise VendorCutOff(f"more than {PAGE * PAGES_MAX} conversations since {since_us}")

    @ends_spending
    async def end_found(self, grant: Grant, ref: str) -> FoundSession | None:
        """End a session that was found, and say how long it lasted; None if it is not ours."""
        meter = grant.opened(self.provider_id)
        key = self._running[meter].key
        conversation = await self._look(meter, key, ref)
        if not conversation.is_over:
            await self._end_until_heard(meter, key, ref)
            conversation = await self._look(meter, key, ref)
        return conversation.found(self._deployment)

    # -- requests ---------------------------------------------------------------------

    async def _send(
        self,
        meter: Meter,
        key: Secret,
        method: Any,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Reply:
        return await self._outbound.request(
            meter, method, path, headers={"x-api-key": key}, json=json, query=query
        )

    async def _look(self, meter: Meter, key: Secret, ref: str) -> Conversation:
        path = f"{CONVERSATIONS}/{_safe(ref)}"
        reply = await self._send(meter, key, "GET", path, query={"verbose": "true"})
        if reply.status != HTTPStatus.OK:
            raise self._failure(reply)
        return _read(reply)

    async def _page(self, meter: Meter, key: Secret, page: int, status: str) -> list[Conversation]:
        query: dict[str, str | int] = {"limit": PAGE, "page": page}
        if status:
            query["status"] = status
        reply = await self._send(meter, key, "GET", CONVERSATIONS, query=query)
        if reply.status != HTTPStatus.OK:
            raise self._failure(reply)
        return tavus_conversation.listed(reply.json())

    async def _find(self, meter: Meter, running: _Running) -> Conversation:
        """Look for a create without an answer; it may still be on its way, so more than once."""
        for attempt in range(TRIES_MAX):
            await self._wait(attempt)
            for page in range(1, PAGES_MAX + 1):
                conversations = await self._page(meter, running.key, page, "active")
                for one in conversations:
                    if one.conversation_name == running.name:
                        return one
                if len(conversations) < PAGE:
                    break
        raise VendorCutOff(f"no conversation {running.name} yet; its creation got no answer")

    async def _end_until_heard(self, meter: Meter, key: Secret, ref: str) -> None:
        """End it; ending twice is harmless, so what was not heard is said again."""
        last: VendorCutOff | VendorFailed | VendorUnreachable | None = None
        for attempt in range(TRIES_MAX):
            await self._wait(attempt)
            try:
                path = f"{CONVERSATIONS}/{_safe(ref)}/end"
                reply = await self._send(meter, key, "POST", path)
                if reply.status in _HEARD:
                    return
                last = self._failure(reply)
                if not last.may_pass:
                    break
            except (VendorCutOff, VendorUnreachable) as problem:
                last = problem
        assert last is not None, "it was tried"
        raise last

    async def _lasted(self, meter: Meter, key: Secret, ref: str, ours: Usage) -> Usage:
        """How long it lasted by the vendor's times; by our clock when they cannot be had."""
        try:
            conversation = await self._look(meter, key, ref)
        except (VendorCutOff, VendorFailed, VendorUnreachable):
            return ours
        lasted = ours if conversation.lasted is None else conversation.lasted
        # Ours is from before it was created to after it was ended: no truth is above it.
        return min(ours, lasted, key=lambda usage: usage.stream_ms)

    async def _wait(self, attempt: int) -> None:
        if attempt:
            await self._timing.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))

    # -- counting and failing -----------------------------------------------------------

    def _so_far(self, meter: Meter) -> Usage:
        lasted_us = self._timing.monotonic_us() - self._running[meter].began_us
        return Usage(stream_ms=-(-lasted_us // 1_000))

    def _count(self, meter: Meter) -> None:
        meter.counted(self._so_far(meter))

    def _failure(self, reply: Reply) -> VendorFailed:
        said = reply.value()
        words = said if isinstance(said, dict) else {}
        message = str(words.get("message") or words.get("error") or "")
        wait_ms = retry_after_ms(reply.headers, self._timing.wall_us)
        if reply.status == HTTPStatus.BAD_REQUEST and _CONCURRENT in message:
            # Its plan's places are taken: a matter of waiting, though Tavus calls it a bad request.
            return VendorBusy(
                self.provider_id,
                HTTPStatus.TOO_MANY_REQUESTS,
                code="concurrent_conversations",
                retry_after_ms=wait_ms,
            )
        return failed(self.provider_id, reply.status, retry_after_ms=wait_ms)


def _read(reply: Reply) -> Conversation:
    return tavus_conversation.read(reply.json())


def _safe(ref: str) -> str:
    """A name as a piece of a path; a vendor's answer must not lead anywhere else."""
    if not (ref.isascii() and ref.replace("-", "").replace("_", "").isalnum()):
        raise VendorCutOff("the name of the conversation is none")
    return ref
