"""
A metered call whose answer comes in pieces: authorise, wait, call, hand on, settle once.

    async with metered_pieces(gate, vendors, model.way(sku, chat)) as talk:
        if talk.granted:
            async for piece in talk: ...
    talk.decision, talk.receipt

However the block is left the call is ended at the vendor and settled once: read to the end, broken
off, cancelled, failed, or cut in the middle. A block that asks for no piece calls nobody, and its
hold is given back. One attempt is one call: who tries again enters a new block, with a new grant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self, Unpack

from contracts.budget import AuthorizeCall
from contracts.replies import Decision, Receipt
from contracts.usage import Usage
from services import logs
from services.client.gate_client import TTL_MS, GateClient
from services.client.grant import Grant
from services.client.meter import Meter
from services.vendors.adapter import VendorCutOff, VendorFailed, Vendors, VendorUnreachable, Way
from services.vendors.metered import (
    GRANTED,
    Asked,
    Decided,
    ask,
    close_books,
    command_for,
    granted_way,
    wait_for_slot,
)
from services.vendors.pieces import PiecesAdapter

# A vendor that cannot be told to stop within this time is left to its own time limit.
CLOSING_S = 3.0
_US = 1_000_000


def metered_pieces(
    gate: GateClient,
    vendors: Vendors,
    *ways: Way,
    decided: Decided | None = None,
    **asked: Unpack[Asked],
) -> MeteredPieces:
    """
    Prepare a call in the first of *ways* that the gate grants; the later ones are cheaper.

    *decided* is awaited with the decision before its delay is waited for, so that somebody who is
    made to wait can be told.

    Entering the block raises CannotVerify or NoGrant when nothing may be called. Asking for pieces
    raises what the adapter raises; the books are closed all the same.

    Raises:
        KeyError: a way names a provider without an adapter; nothing was asked.
        TypeError: a way's adapter does not answer in pieces; nothing was asked.
    """
    adapters = {way.option.provider_id: vendors[way.option.provider_id] for way in ways}
    for provider_id, adapter in adapters.items():
        if not isinstance(adapter, PiecesAdapter):
            raise TypeError(f"{provider_id} does not answer in pieces: use metered_call")
    return MeteredPieces(gate, vendors, ways, command_for(ways, **asked), decided)


class MeteredPieces:
    """
    One call. It has one reader: who iterates over it and who leaves its block are the same task.

    *receipt* is None as long as the booking is not confirmed, and when nothing was granted.
    """

    decision: Decision

    def __init__(
        self,
        gate: GateClient,
        vendors: Vendors,
        ways: tuple[Way, ...],
        command: AuthorizeCall,
        decided: Decided | None = None,
    ) -> None:
        self._gate = gate
        self._vendors = vendors
        self._ways = ways
        self._command = command
        self._decided = decided
        self._grant: Grant | None = None
        self._expires_at_us = 0
        self._pieces: AsyncGenerator[Any, None] | None = None
        self._closing: asyncio.Task[Receipt | None] | None = None
        self.receipt: Receipt | None = None

    @property
    def granted(self) -> bool:
        """Whether there is a call to read; if not, *decision* says why."""
        return self.decision.status == GRANTED

    @property
    def way(self) -> Way:
        """The way that was granted, which may be one of the cheaper ones."""
        return granted_way(self._ways, self.decision)

    @property
    def meter(self) -> Meter:
        """What the call has consumed so far."""
        assert self._grant is not None, "the call was refused"
        return self._grant.meter

    async def __aenter__(self) -> Self:
        self.decision = await ask(self._gate, self._command)
        if self.granted:
            self._grant = self._gate.grant(self.decision)
            self._expires_at_us = self._grant.terms.expires_at_us
        try:
            if self._decided is not None:
                await self._decided(self.decision)
            if self._grant is None:
                return self
            await wait_for_slot(self._gate, self._grant)
        except BaseException as problem:
            await self._finish(problem)
            raise
        adapter = self._vendors[self._grant.terms.provider_id]
        assert isinstance(adapter, PiecesAdapter), "checked before the gate was asked"
        self._pieces = adapter.pieces(self._grant, self.way.request)
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._pieces is None or self._closing is not None:
            raise StopAsyncIteration
        left_us = self._expires_at_us - self._gate.timing.monotonic_us()
        late = asyncio.timeout(max(0, left_us) / _US)
        try:
            async with late:
                return await anext(self._pieces)
        except StopAsyncIteration:
            # Who goes on with the pieces inside the block does not keep the books open for it.
            self._close()
            raise
        except TimeoutError as problem:
            if not late.expired():
                raise
            raise VendorCutOff("the answer took longer than its hold lasts") from problem

    async def more(self, estimate: Usage, *, ttl_ms: int = TTL_MS) -> Decision:
        """
        Hold *estimate* more for the running call; when refused, what was held before still stands.

        Raises CannotVerify: nothing was added, as far as anybody knows.
        """
        assert self._grant is not None, "the call was refused"
        assert self._closing is None, "the call is over"
        gate, began = self._gate, self._grant
        decision = await gate.extend(began.terms.reservation_id, estimate, ttl_ms=ttl_ms)
        if decision.status == GRANTED:
            # The running call reads its limits from the meter, which both grants share.
            self._expires_at_us = gate.grant(decision, after=began).terms.expires_at_us
        return decision

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        problem: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._finish(problem)

    async def _finish(self, problem: BaseException | None) -> None:
        if self._grant is None:
            return
        closing = self._close()
        # Who is cancelled does not wait; the errand goes on without them.
        if not isinstance(problem, asyncio.CancelledError):
            self.receipt = await asyncio.shield(closing)

    def _close(self) -> asyncio.Task[Receipt | None]:
        assert self._grant is not None, "nothing was granted"
        if self._closing is None:
            self._closing = self._gate.errands.start(self._end(self._grant))
        return self._closing

    async def _end(self, grant: Grant) -> Receipt | None:
        try:
            if self._pieces is not None:
                async with asyncio.timeout(CLOSING_S):
                    await self._pieces.aclose()
        except (
            TimeoutError,
            RuntimeError,
            VendorCutOff,
            VendorFailed,
            VendorUnreachable,
        ) as problem:
            logs.get().error(
                "call_not_ended",
                provider_id=grant.terms.provider_id,
                reason=f"{type(problem).__name__}: {problem}",
            )
        return await close_books(self._gate, grant)
