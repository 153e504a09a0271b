"""
An avatar session whose every second is held for before it begins.

The first slice is authorised, the vendor's session created; from then on a task of the session
extends the hold by a slice before the one that runs is used up, whether anybody drives the avatar
or not, because the vendor bills that time too. When the gate refuses an extension the session is
terminated at once: that is the hard kill switch. However it goes, it is ended at the vendor and
settled once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from contracts.replies import Decision, Receipt
from contracts.usage import Usage
from services import logs
from services.client.errors import CannotVerify
from services.client.gate_client import TTL_MS, GateClient
from services.vendors.adapter import (
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
    Way,
)
from services.vendors.face.avatar import (
    AvatarAdapter,
    AvatarConfig,
    AvatarEnded,
    CallRefused,
    Interactions,
    Metrics,
    RuntimeLimits,
    SessionId,
    StreamInput,
    TerminateReason,
    UsageCallback,
)
from services.vendors.metered import GRANTED
from services.vendors.metered_stream import MeteredStream

# The next slice is held for this much before the one that runs is used up.
AHEAD_MS = 10_000
MONEY = 402
SESSION_LIMIT = "session_limit"
Ended = Callable[[str], None]


class MeteredAvatar:
    """
    One session with the avatar of *adapter*; a `StreamingAvatarProvider`.

    *way*'s estimate is a slice (60 s of stream or less). *interactions* leads into the room;
    without it the avatar is driven by media alone. *on_end* is told, once, why a session ended that
    nobody here terminated: a refusal's code, or the vendor's reason. It must not raise.
    """

    def __init__(
        self,
        gate: GateClient,
        adapter: AvatarAdapter,
        way: Way,
        *,
        interactions: Interactions | None = None,
        session_id: str | None = None,
        ttl_ms: int = TTL_MS,
        on_end: Ended = lambda _reason: None,
    ) -> None:
        assert 0 < way.option.estimate.stream_ms < ttl_ms, "a slice is time, held for longer"
        self._gate = gate
        self._adapter = adapter
        self._way = way
        self._interactions = interactions
        self._session_id = session_id
        self._ttl_ms = ttl_ms
        self._on_end = on_end
        self._stream: MeteredStream | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._stopped_by: Exception | None = None
        self._held_ms = 0
        # Where a person sees it, once it has begun.
        self.address = ""

    @property
    def decision(self) -> Decision | None:
        """The latest decision of the gate about this session."""
        return None if self._stream is None else self._stream.decision

    @property
    def receipt(self) -> Receipt | None:
        """What was booked, once it is terminated; None if that was not confirmed."""
        return None if self._stream is None else self._stream.receipt

    @property
    def is_running(self) -> bool:
        """Whether the vendor's session goes on, as far as is known here."""
        return self._renewing is not None and self._ending is None and self._stopped_by is None

    async def initialize_session(self, config: AvatarConfig, limits: RuntimeLimits) -> SessionId:
        assert self._stream is None, "one provider, one session"
        request = {**self._way.request, "config": config, "limits": limits}
        way = msgspec.structs.replace(self._way, request=request)
        stream = self._stream = MeteredStream(
            self._gate, self._adapter, way, ttl_ms=self._ttl_ms, session_id=self._session_id
        )
        await stream.__aenter__()
        if stream.decision.status != GRANTED:
            raise _refused(stream.decision)
        self._held_ms = way.option.estimate.stream_ms
        assert stream.answer is not None, "what was granted has begun"
        self.address = self._adapter.address(stream.answer)
        self._renewing = asyncio.create_task(self._renew(limits.session_ms))
        return stream.answer.vendor_ref

    async def drive_avatar(self, input: StreamInput, usage_callback: UsageCallback) -> None:  # noqa: A002
        session = self._running()
        if self._interactions is not None:
            await self._interactions.send(session, self._adapter.interaction(session, input))
        usage_callback(self.metrics())

    def metrics(self) -> Metrics:
        """What the session has consumed so far, by our own clock."""
        return Metrics(
            session=self._name(),
            usage=Usage(stream_ms=self._age_ms()),
            held=Usage(stream_ms=self._held_ms),
        )

    async def terminate(self, reason: TerminateReason) -> None:
        if self._stream is None or self._renewing is None:
            return
        self._begin_to_end(reason)
        assert self._ending is not None, "it has begun to end"
        await asyncio.shield(self._ending)

    # -- the slices -----------------------------------------------------------------

    async def _renew(self, session_ms: int) -> None:
        """Hold slice after slice, ahead of time, until one is refused or the vendor has ended."""
        slice_ms = self._way.option.estimate.stream_ms
        ahead_ms = min(AHEAD_MS, slice_ms // 2)
        try:
            while self._held_ms < session_ms:
                await self._sleep_until(self._held_ms - ahead_ms)
                await self._more(min(slice_ms, session_ms - self._held_ms))
            await self._sleep_until(self._held_ms)
            self._stop(AvatarEnded(self._name(), SESSION_LIMIT), SESSION_LIMIT)
        except CallRefused as problem:
            self._stop(problem, problem.code)
        except AvatarEnded as problem:
            self._stop(problem, problem.reason)
        except (CannotVerify, VendorCutOff, VendorFailed, VendorUnreachable) as problem:
            self._stop(problem, type(problem).__name__)

    async def _more(self, stream_ms: int) -> None:
        stream = self._stream
        assert stream is not None, "it has begun"
        try:
            decision = await stream.more(Usage(stream_ms=stream_ms))
        except CannotVerify:
            await self._sleep_until(self._held_ms)
            raise
        if decision.status != GRANTED:
            if decision.status == MONEY:
                # What is held may still be used, and not a moment more.
                await self._sleep_until(self._held_ms)
            raise _refused(decision)
        self._held_ms += stream_ms
        found = {} if stream.answer is None else stream.answer.body
        if found.get("is_over"):
            raise AvatarEnded(self._name(), str(found.get("reason", "")))

    def _stop(self, problem: Exception, why: str) -> None:
        self._stopped_by = problem
        logs.get().info("avatar_stopped", session=self._name(), reason=why)
        self._begin_to_end(why)
        self._on_end(why)

    def _begin_to_end(self, why: str) -> None:
        if self._ending is None:
            self._ending = self._gate.errands.start(self._end(why), awaited=True)

    async def _end(self, _why: str) -> None:
        assert self._stream is not None, "it has begun"
        if self._renewing is not None and self._renewing is not asyncio.current_task():
            self._renewing.cancel()
        await self._stream.__aexit__(None, None, None)

    def _running(self) -> SessionId:
        if self._stopped_by is not None:
            raise self._stopped_by
        if not self.is_running:
            raise AvatarEnded(self._name(), "terminated")
        return self._name()

    def _name(self) -> SessionId:
        answer = None if self._stream is None else self._stream.answer
        return "" if answer is None else answer.vendor_ref

    def _age_ms(self) -> int:
        assert self._stream is not None, "it has begun"
        return (self._gate.timing.monotonic_us() - self._stream.begun_us) // 1_000

    async def _sleep_until(self, age_ms: int) -> None:
        while (left_ms := age_ms - self._age_ms()) > 0:
            await self._gate.timing.sleep(left_ms / 1_000)


def _refused(decision: Decision) -> CallRefused:
    return CallRefused(decision.code, decision.status, decision.remedy or "")
