"""
What the room itself costs: LiveKit bills everybody who is connected, by the begun minute.

    bill = RoomBill(gate, adapter, sku, session_id=..., refused=...)
    code = await bill.begin(room)      held for, and the room marked with who pays for it
    await bill.end()                   the room is deleted, and settled for what it has cost

Each slice is held for before it begins, for as many as can be in the room, a begun minute more
than has passed. When the next one is refused *refused* is told, and the conversation has to end.
If this process dies the hold runs out, and reconciliation finds the room by its mark, ends it and
books it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from contracts.budget import CallOption
from contracts.price_book import PriceBook
from contracts.replies import Receipt
from contracts.usage import Usage
from services import logs
from services.client import GateClient
from services.client.errors import CannotVerify, NoGrant, SecretRefused
from services.distribution.invitation import PARTICIPANTS_MAX
from services.vendors.adapter import VendorCutOff, VendorFailed, VendorUnreachable, Way
from services.vendors.face.avatar import RuntimeLimits
from services.vendors.face.livekit import LiveKitAdapter
from services.vendors.metered import GRANTED
from services.vendors.metered_stream import MeteredStream

MINUTE_MS: Final = 60_000
AHEAD_MS: Final = 10_000
SESSION_MS_MAX: Final = 3_600_000
FAILED: Final = "room_failed"
GONE: Final = "room_gone"
_LIMITS: Final = RuntimeLimits(session_ms=SESSION_MS_MAX)
# Who waited in the room before we came is billed for a minute that had begun already.
_BEFORE: Final = 1
_PROBLEMS: Final = (
    CannotVerify,
    NoGrant,
    SecretRefused,
    VendorCutOff,
    VendorFailed,
    VendorUnreachable,
)


def room_sku(book: PriceBook | None, provider_id: str) -> str | None:
    """Return what the twin buys rooms as; None: it does not pay for them, its deployment does."""
    for entry in book.entries if book is not None else ():
        if entry.provider_id == provider_id and entry.modality == "data":
            return entry.sku
    return None


class RoomBill:
    """See the module. *refused* is called once, with the gate's code or our own."""

    def __init__(
        self,
        gate: GateClient,
        adapter: LiveKitAdapter,
        sku: str,
        *,
        session_id: str,
        refused: Callable[[str], None],
    ) -> None:
        self._gate = gate
        self._adapter = adapter
        self._sku = sku
        self._session_id = session_id
        self._refused = refused
        self._stream: MeteredStream | None = None
        self._renewing: asyncio.Task[None] | None = None

    @property
    def receipt(self) -> Receipt | None:
        """What was booked, once it has ended; None if that was not confirmed."""
        return None if self._stream is None else self._stream.receipt

    async def begin(self, room: str) -> str:
        """Pay for *room* from here on; returns why that is not possible, as a code, or nothing."""
        minutes = (1 + _BEFORE) * PARTICIPANTS_MAX
        estimate = Usage(stream_ms=minutes * MINUTE_MS)
        option = CallOption("data", self._adapter.provider_id, self._sku, estimate)
        way = Way(option, {"limits": _LIMITS, "room": room})
        stream = MeteredStream(self._gate, self._adapter, way, session_id=self._session_id)
        try:
            await stream.__aenter__()
        except _PROBLEMS as problem:
            logs.get().warning("room_failed", reason=f"{problem!r}"[:200])
            return FAILED
        if stream.decision.status != GRANTED:
            return stream.decision.code
        self._stream = stream
        self._renewing = asyncio.create_task(self._renew(stream), name="room")
        return ""

    async def end(self) -> None:
        """End the room at LiveKit and close its books. Any number of times."""
        renewing, self._renewing = self._renewing, None
        if renewing is None or self._stream is None:
            return
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await self._stream.__aexit__(None, None, None)

    async def _renew(self, stream: MeteredStream) -> None:
        slice_ms, paid_ms = self._slice_ms(), 0
        ahead_ms = min(AHEAD_MS, slice_ms // 2)
        while True:
            paid_ms += slice_ms
            await self._sleep_until(stream, paid_ms - ahead_ms)
            code = await self._more(stream, slice_ms)
            if code:
                # What is held may still be used, and not a moment more.
                await self._sleep_until(stream, paid_ms)
                self._refused(code)
                return

    def _slice_ms(self) -> int:
        """A slice has to be over before its hold is."""
        longest_ms = self._gate.hold_ms_max
        return MINUTE_MS if longest_ms is None else min(MINUTE_MS, longest_ms // 2)

    async def _more(self, stream: MeteredStream, slice_ms: int) -> str:
        try:
            decision = await stream.more(Usage(stream_ms=PARTICIPANTS_MAX * slice_ms))
        except _PROBLEMS as problem:
            logs.get().warning("room_failed", reason=f"{problem!r}"[:200])
            return FAILED
        if decision.status != GRANTED:
            return decision.code
        found = {} if stream.answer is None else stream.answer.body
        return GONE if found.get("is_over") else ""

    async def _sleep_until(self, stream: MeteredStream, age_ms: int) -> None:
        timing = self._gate.timing
        while (left_ms := age_ms - (timing.monotonic_us() - stream.begun_us) // 1_000) > 0:
            await timing.sleep(left_ms / 1_000)
