"""
A metered stream: a call that goes on, paid for in slices before each is generated.

    async with MeteredStream(gate, adapter, way) as stream:
        while stream.decision.status == 200 and more is wanted:
            await stream.more(Usage(stream_ms=10_000))
    stream.receipt

However the block is left, the stream is ended at the vendor and settled once. If the vendor cannot
be told, a stream of a vendor that is reconciled stays unsettled: its hold runs out, and what it
really cost is booked late (`services.vendors.reconciliation`).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from contracts.budget import CallPurpose
from contracts.replies import Decision, Receipt
from contracts.usage import Usage
from services import logs
from services.client.gate_client import TTL_MS, GateClient
from services.client.grant import Grant
from services.vendors.adapter import (
    Answer,
    StreamAdapter,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
    Way,
)
from services.vendors.metered import GRANTED, ask, close_books, command_for, wait_for_slot


class MeteredStream:
    """
    One stream. *decision* is the latest of its authorisation and extensions.

    *way*'s estimate is the first slice. On entering, the stream is authorised and begun; a refusal
    is not raised: look at *decision*.
    """

    decision: Decision

    def __init__(
        self,
        gate: GateClient,
        adapter: StreamAdapter,
        way: Way,
        *,
        ttl_ms: int = TTL_MS,
        session_id: str | None = None,
        purpose: CallPurpose = "live",
    ) -> None:
        assert adapter.provider_id == way.option.provider_id, "the adapter speaks to another vendor"
        self._gate = gate
        self._adapter = adapter
        self._way = way
        self._ttl_ms = ttl_ms
        self._session_id = session_id
        self._purpose: CallPurpose = purpose
        self._grant: Grant | None = None
        self._name: str | None = None
        self.answer: Answer | None = None
        self.receipt: Receipt | None = None
        self.begun_us = 0

    async def __aenter__(self) -> Self:
        command = command_for(
            (self._way,),
            ttl_ms=self._ttl_ms,
            session_id=self._session_id,
            purpose=self._purpose,
        )
        self.decision = await ask(self._gate, command)
        if self.decision.status != GRANTED:
            return self
        self._grant = self._gate.grant(self.decision)
        try:
            await wait_for_slot(self._gate, self._grant)
            # From before the vendor is asked, so that our count is never behind its bill.
            self.begun_us = self._gate.timing.monotonic_us()
            self.answer = await self._adapter.begin(self._grant, self._way.request)
            self._name = self.answer.vendor_ref
        except BaseException as problem:
            await self._finish(problem)
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        problem: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._finish(problem)

    async def more(self, estimate: Usage) -> Decision:
        """Hold *estimate* more and have it generated; when refused, the stream must end."""
        assert self._grant is not None, "the stream was refused"
        assert self._name is not None, "the stream has begun"
        gate, began = self._gate, self._grant
        self.decision = await gate.extend(began.terms.reservation_id, estimate, ttl_ms=self._ttl_ms)
        if self.decision.status == GRANTED:
            grant = gate.grant(self.decision, after=began)
            self.answer = await self._adapter.drive(grant, self._name, estimate.stream_ms)
        return self.decision

    async def _finish(self, problem: BaseException | None) -> None:
        if self._grant is None:
            return
        closing = self._gate.errands.start(self._end(self._grant))
        if not isinstance(problem, asyncio.CancelledError):
            self.receipt = await asyncio.shield(closing)

    async def _end(self, grant: Grant) -> Receipt | None:
        try:
            await self._end_at_vendor(grant)
        except (VendorCutOff, VendorFailed, VendorUnreachable) as problem:
            # The vendor may still generate. What that costs is found out later by who asks it
            # again; of a vendor that cannot be asked, all slices that were paid for are booked.
            is_left = self._adapter.is_reconciled
            logs.get().error(
                "stream_not_ended",
                tenant=self._gate.tenant,
                reservation_id=grant.terms.reservation_id,
                provider_id=self._adapter.provider_id,
                is_left_to_reconciliation=is_left,
                reason=str(problem),
            )
            if is_left:
                return None
        return await close_books(self._gate, grant)

    async def _end_at_vendor(self, grant: Grant) -> None:
        if self._name is not None:
            self.answer = await self._adapter.end(grant, self._name)
        elif grant.meter.reached and not grant.meter.is_final:
            await self._adapter.end_lost(grant)
