"""
An exchange: one request, or one piece of work inside a connection, that a vendor would count.

Faults strike here, the same way for every vendor: before anything is done, after all is done, or
before a piece of a stream. What happened is written into the ledger whichever way it ends.
"""

from __future__ import annotations

from types import TracebackType

from aiohttp import web

from contracts.usage import Usage
from services.sandbox.clock import Clock
from services.sandbox.faults import Fault
from services.sandbox.ledger import Call, Ledger

CUT = 0


class ConnectionCut(Exception):
    """A fault cut the connection; nothing more is sent on it."""


class StatusFault(Exception):
    """A fault makes the vendor answer with an error; *fault* says which."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"a fault of status {fault.status}")
        self.fault = fault


class Exchange:
    """
    What a vendor's handler works with. *call* is its line in the ledger, *fault* what strikes it.

    Of `status`, `drop` and `slow` a handler need not know. Another kind is the vendor's own: the
    handler asks `strikes("in_200")`.
    """

    def __init__(self, request: web.Request, call: Call, fault: Fault | None, clock: Clock) -> None:
        self.request = request
        self.call = call
        self.fault = fault
        self.clock = clock
        self.chunks = 0

    def strikes(self, kind: str) -> bool:
        """Whether a fault of this kind strikes this exchange."""
        return self.fault is not None and self.fault.kind == kind

    def bill(self, usage: Usage, ref: str = "") -> None:
        """The vendor bills *usage* (so far) for what it calls *ref*."""
        self.call.is_billed, self.call.usage = True, usage
        self.call.ref = ref or self.call.ref

    async def begin(self) -> None:
        """Let a fault strike before anything is done; raises StatusFault, ConnectionCut."""
        fault = self.fault
        if fault is None or fault.after_chunks is not None:
            return
        if fault.kind == "slow":
            await self.clock.sleep_ms(fault.delay_ms)
        elif fault.kind == "status":
            raise StatusFault(fault)
        elif fault.kind == "drop" and fault.at == "before":
            self.cut()

    def done(self) -> None:
        """Let a fault strike after all was done and before it is said; raises ConnectionCut."""
        if self.strikes("drop") and self.fault is not None and self.fault.at == "after":
            self.cut()

    async def chunk(self) -> None:
        """Say that a piece of a stream comes next; raises ConnectionCut when none does any more."""
        fault = self.fault
        if fault is not None and fault.after_chunks == self.chunks:
            if fault.kind == "slow":
                await self.clock.sleep_ms(fault.delay_ms)
            elif fault.kind == "drop":
                self.cut()
        self.chunks += 1

    def cut(self) -> None:
        """Cut the connection; what was written before is still delivered."""
        transport = self.request.transport
        if transport is not None:
            transport.close()
        raise ConnectionCut


class Exchanging:
    """
    Keeps an exchange in the ledger: `async with vendor.exchange(request, operation) as exchange`.

    Set *status* to what was answered. A block that a fault cut is written down with status 0.
    """

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange = exchange
        self._ledger = ledger

    async def __aenter__(self) -> Exchange:
        return self._exchange

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        problem: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        call = self._exchange.call
        match problem:
            case None:
                status = call.status or 200
            case StatusFault():
                status = problem.fault.status
            case web.HTTPException():
                status = problem.status
            case _:
                status = CUT
        self._ledger.close(call, status)
