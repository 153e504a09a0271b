"""
Reconciliation: sessions at a vendor that nobody pays for are ended, and what they cost is booked.

A process that dies between a vendor's create and our settlement leaves a session that bills on and
a hold that runs out. So the vendor is asked for its sessions; ours are known by their names, and
the gate says how the hold of each stands:

    open, and enough for its age   somebody runs it: left alone
    open, and not enough           it outlived what was held: ended; who holds it settles
    expired                        ended; settled late, on its own hold, as long as it lasted
    closed, unknown                ended; what exceeds what was booked for it is booked unheld,
                                   on a reservation of reconciliation

Each cost is booked once, whatever runs beside or dies in between: a late settlement closes its hold
for ever, and one without a hold is named after the session and what had been booked for it before.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from contracts.message import Modality
from contracts.questions import HoldFound
from contracts.replies import Decision, Receipt
from contracts.usage import Usage
from services import logs
from services.client.gate_client import GateClient
from services.client.grant import Grant
from services.vendors.adapter import VendorCutOff, VendorFailed, VendorUnreachable
from services.vendors.found import FoundSession
from services.vendors.metered import GRANTED, HOLD_CLOSED

TTL_MS: Final = 600_000
# Clocks differ, and the next slice may be on its way.
GRACE_MS: Final = 30_000
# The vendor counts by its clock and we by ours; less than this is no excess.
TOLERANCE_MS: Final = 1_000
LOOKBACK_US: Final = 3 * 3_600_000_000
CHECKED_MAX: Final = 10_000
ID_REUSED: Final = "command_id_reused"
_MS: Final = 1_000

What: TypeAlias = Literal["ended", "booked_late", "booked_unheld", "not_ended", "cost_unknown"]


class Booking(msgspec.Struct, frozen=True):
    """What was booked for a call, as the audit log has it."""

    reservation_id: str
    vendor_ref: str
    stream_ms: int


class Bookings(Protocol):
    """Where it is looked up what was booked."""

    async def since(
        self, tenant: str, provider_id: str, since_us: int, *, position: int
    ) -> Sequence[Booking]:
        """Every booking of the provider from a time on, as of *position* of the log or later."""


class ReconciledAdapter(Protocol):
    """A vendor that can be asked for its sessions."""

    provider_id: str

    async def sessions(self, grant: Grant, since_us: int) -> list[FoundSession]:
        """List ours, running or ended, created since a time."""

    async def end_found(self, grant: Grant, ref: str) -> FoundSession | None:
        """End one and say how long it lasted."""


class Product(msgspec.Struct, frozen=True):
    """What the vendor sells to the twin, as its price book has it."""

    modality: Modality
    sku: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One session that somebody should have ended or booked, and what was done."""

    what: What
    ref: str
    reservation_id: str
    hold: str
    usage: Usage = Usage()
    cost_nanos: int = 0
    reason: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one twin at one vendor. *refused*: the gate's code, if it said no."""

    tenant: str
    provider_id: str
    sessions: int = 0
    findings: list[Finding] = []
    refused: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to be done."""
        return not any(one.what in ("not_ended", "cost_unknown") for one in self.findings)


class Reconciler:
    """
    Reconciles one twin with one vendor, as often as it is asked; several may run side by side.

    *bookings* is asked only about sessions whose hold is closed. Without it those that run are
    ended, and reported as of unknown cost.
    """

    def __init__(
        self,
        gate: GateClient,
        adapter: ReconciledAdapter,
        product: Product,
        *,
        bookings: Bookings | None = None,
        lookback_us: int = LOOKBACK_US,
        grace_ms: int = GRACE_MS,
    ) -> None:
        self._gate = gate
        self._adapter = adapter
        self._product = product
        self._bookings = bookings
        self._lookback_us = lookback_us
        self._grace_ms = grace_ms
        # Sessions that are over and booked: nothing can become of them any more.
        self._checked: OrderedDict[str, None] = OrderedDict()

    async def run(self) -> Report:
        """
        Look once.

        Raises:
            CannotVerify, SecretRefused: the gate could not be asked, or has no key.
            VendorUnreachable, VendorFailed, VendorCutOff: the vendor did not list its sessions.
        """
        decision = await self._authorize()
        if decision.status != GRANTED:
            return self._report(refused=decision.code)
        grant = self._gate.grant(decision)
        try:
            since_us = self._gate.timing.wall_us() - self._lookback_us
            sessions = await self._adapter.sessions(grant, since_us)
            ours = [one for one in sessions if one.name.tenant == self._gate.tenant]
            # Oldest first: it has cost most.
            findings = [await self._look_at(grant, one) for one in reversed(ours)]
            return self._report(len(ours), [one for one in findings if one is not None])
        finally:
            giving_back = self._gate.errands.start(
                self._gate.release(grant.terms.reservation_id, "nothing was generated")
            )
            await asyncio.shield(giving_back)

    async def _authorize(self, command_id: str | None = None) -> Decision:
        return await self._gate.authorize(
            modality=self._product.modality,
            provider_id=self._adapter.provider_id,
            sku=self._product.sku,
            estimate=Usage(),
            ttl_ms=TTL_MS,
            purpose="reconciliation",
            command_id=command_id,
        )

    def _report(
        self, sessions: int = 0, findings: list[Finding] | None = None, *, refused: str = ""
    ) -> Report:
        return Report(
            tenant=self._gate.tenant,
            provider_id=self._adapter.provider_id,
            sessions=sessions,
            findings=findings or [],
            refused=refused,
        )

    # -- one session ----------------------------------------------------------------------

    async def _look_at(self, grant: Grant, session: FoundSession) -> Finding | None:
        if session.ref in self._checked:
            return None
        age_ms = self._age_ms(session) - self._grace_ms
        hold = await self._gate.find_hold(
            session.name.reservation_id, Usage(stream_ms=max(0, age_ms))
        )
        if self._is_well(session, hold):
            return None
        ended = await self._ended(grant, session)
        if ended is None:
            return _finding("not_ended", session, hold, reason="the vendor did not end it")
        if hold.state == "open":
            return self._told(_finding("ended", session, hold))
        if ended.lasted is None:
            return self._unknown(session, hold)
        if hold.state == "expired":
            return await self._book_late(ended, hold, ended.lasted)
        return await self._book_unheld(ended, hold, ended.lasted, was_over=session.is_over)

    def _is_well(self, session: FoundSession, hold: HoldFound) -> bool:
        """Whether somebody runs it, or will settle it, or has as far as can be looked up."""
        if hold.state == "open":
            return session.is_over or hold.is_backed
        return hold.state == "closed" and session.is_over and self._bookings is None

    async def _ended(self, grant: Grant, session: FoundSession) -> FoundSession | None:
        """End it if it runs; None when the vendor could not be told."""
        try:
            found = await self._adapter.end_found(grant, session.ref)
        except (VendorCutOff, VendorFailed, VendorUnreachable) as problem:
            logs.get().error(
                "session_not_ended",
                tenant=self._gate.tenant,
                provider_id=self._adapter.provider_id,
                ref=session.ref,
                reason=str(problem),
            )
            return None
        if found is None or not found.is_over:
            return None
        if found.lasted is not None or session.is_over:
            return found
        # It ran until now, and the vendor does not say for how long.
        lasted = Usage(stream_ms=max(0, self._age_ms(session)))
        return msgspec.structs.replace(found, lasted=lasted)

    async def _book_late(
        self, session: FoundSession, hold: HoldFound, lasted: Usage
    ) -> Finding | None:
        receipt = await self._gate.settle(
            session.name.reservation_id, lasted, outcome="cut_off", vendor_ref=session.ref[:128]
        )
        return self._booked("booked_late", session, hold, lasted, receipt)

    async def _book_unheld(
        self, session: FoundSession, hold: HoldFound, lasted: Usage, *, was_over: bool
    ) -> Finding | None:
        if self._bookings is None:
            return self._told(_finding("cost_unknown", session, hold, reason="no audit log here"))
        booked_ms = await self._booked_ms(session, hold.position)
        excess_ms = lasted.stream_ms - booked_ms
        if excess_ms <= TOLERANCE_MS:
            self._is_done(session)
            return None if was_over else self._told(_finding("ended", session, hold))
        # The same for whoever finds the same: one reservation, one settlement.
        digest = blake2b(f"{session.ref}\n{booked_ms}".encode(), digest_size=16).hexdigest()
        decision = await self._authorize(f"reconcile-{digest}")
        if decision.status != GRANTED or decision.reservation_id is None:
            return _finding("cost_unknown", session, hold, reason=decision.code)
        usage = Usage(stream_ms=excess_ms)
        receipt = await self._gate.settle(
            decision.reservation_id,
            usage,
            outcome="cut_off",
            vendor_ref=session.ref[:128],
            command_id=f"book-{digest}",
        )
        return self._booked("booked_unheld", session, hold, usage, receipt)

    async def _booked_ms(self, session: FoundSession, position: int) -> int:
        """What the audit log has for it: by its name at the vendor, or by its reservation."""
        assert self._bookings is not None, "asked by who has it"
        since_us = session.created_us - self._lookback_us
        found = await self._bookings.since(
            self._gate.tenant, self._adapter.provider_id, max(0, since_us), position=position
        )
        return sum(
            one.stream_ms
            for one in found
            if one.vendor_ref == session.ref[:128]
            or (not one.vendor_ref and one.reservation_id == session.name.reservation_id)
        )

    # -- what became of it ------------------------------------------------------------------

    def _booked(
        self, what: What, session: FoundSession, hold: HoldFound, usage: Usage, receipt: Receipt
    ) -> Finding | None:
        if receipt.status != GRANTED:
            if receipt.code in (HOLD_CLOSED, ID_REUSED):
                # Somebody else booked it in this moment.
                return None
            return _finding("cost_unknown", session, hold, reason=receipt.code)
        self._is_done(session)
        booked = _finding(what, session, hold, usage=usage, cost_nanos=receipt.cost_nanos)
        return self._told(booked)

    def _unknown(self, session: FoundSession, hold: HoldFound) -> Finding:
        return _finding("cost_unknown", session, hold, reason="the vendor does not say how long")

    def _told(self, finding: Finding) -> Finding:
        logs.get().warning(
            "session_reconciled",
            tenant=self._gate.tenant,
            provider_id=self._adapter.provider_id,
            what=finding.what,
            ref=finding.ref,
            reservation_id=finding.reservation_id,
            stream_ms=finding.usage.stream_ms,
            cost_nanos=finding.cost_nanos,
        )
        return finding

    def _is_done(self, session: FoundSession) -> None:
        self._checked[session.ref] = None
        while len(self._checked) > CHECKED_MAX:
            self._checked.popitem(last=False)

    def _age_ms(self, session: FoundSession) -> int:
        return (self._gate.timing.wall_us() - session.created_us) // _MS


def _finding(
    what: What,
    session: FoundSession,
    hold: HoldFound,
    *,
    usage: Usage | None = None,
    cost_nanos: int = 0,
    reason: str = "",
) -> Finding:
    return Finding(
        what=what,
        ref=session.ref,
        reservation_id=session.name.reservation_id,
        hold=hold.state,
        usage=usage or Usage(),
        cost_nanos=cost_nanos,
        reason=reason,
    )
