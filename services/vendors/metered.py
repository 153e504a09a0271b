"""
A metered call: authorise, wait, call, settle, whatever happens in between.

    not authorised            nothing is called; the decision is returned
    cancelled before calling  the hold is given back
    vendor not reached        the hold is given back
    vendor reached            settled, once: what the vendor reported, or when it could not report,
                              the larger of its count and ours

A caller that is cancelled does not wait: its books are closed by the client's errands, which no
cancellation reaches and which the client finishes before it disconnects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias, TypedDict, Unpack

import msgspec

from contracts.budget import AuthorizeCall, CallPurpose
from contracts.replies import Decision, Receipt
from services import logs
from services.client.errors import CannotVerify, MalformedCommand, NoGrant
from services.client.gate_client import TTL_MS, GateClient
from services.client.grant import Grant
from services.client.meter import Owed
from services.client.sender import new_id
from services.vendors.adapter import Answer, Vendors, Way

GRANTED = 200
HOLD_CLOSED = "hold_closed"
Decided: TypeAlias = Callable[[Decision], Awaitable[None]]


class Metered(msgspec.Struct, frozen=True):
    """
    What became of a call. *answer* is None when it was refused.

    *receipt* is None as well when the gate did not confirm the booking in time; that is logged.
    """

    decision: Decision
    answer: Answer | None = None
    receipt: Receipt | None = None


class Asked(TypedDict, total=False):
    """How a call is asked for, as in `AuthorizeCall`; without a command id it gets a new one."""

    ttl_ms: int
    session_id: str | None
    max_delay_ms: int | None
    purpose: CallPurpose
    command_id: str | None


async def metered_call(
    gate: GateClient,
    vendors: Vendors,
    *ways: Way,
    decided: Decided | None = None,
    **asked: Unpack[Asked],
) -> Metered:
    """
    Make a call in the first of *ways* that the gate grants; the later ones are cheaper.

    *decided* is awaited with the decision before its delay is waited for, so that somebody who is
    made to wait can be told.

    Raises:
        CannotVerify: the gate could not be asked; nothing was called.
        NoGrant: the gate had decided this *command_id* before; nothing was called.
        VendorUnreachable, VendorFailed, VendorCutOff: and the books are closed.
        KeyError: a way names a provider without an adapter; nothing was asked.
    """
    adapters = {way.option.provider_id: vendors[way.option.provider_id] for way in ways}
    command = command_for(ways, **asked)
    decision = await ask(gate, command)
    if decision.status != GRANTED:
        return Metered(decision)
    grant = gate.grant(decision)
    way = granted_way(ways, decision)
    try:
        if decided is not None:
            await decided(decision)
        await wait_for_slot(gate, grant)
        answer = await adapters[decision.provider_id].call(grant, way.request)
    except asyncio.CancelledError:
        gate.errands.start(close_books(gate, grant))
        raise
    except BaseException:
        await asyncio.shield(gate.errands.start(close_books(gate, grant)))
        raise
    receipt = await asyncio.shield(gate.errands.start(close_books(gate, grant)))
    return Metered(decision, answer, receipt)


def command_for(ways: tuple[Way, ...], **asked: Unpack[Asked]) -> AuthorizeCall:
    """Spell the command that asks for the first of *ways*, with the others as fallbacks."""
    wanted, *fallbacks = (way.option for way in ways)
    return AuthorizeCall(
        command_id=asked.get("command_id") or new_id(),
        modality=wanted.modality,
        provider_id=wanted.provider_id,
        sku=wanted.sku,
        estimate=wanted.estimate,
        fallbacks=fallbacks,
        ttl_ms=asked.get("ttl_ms", TTL_MS),
        session_id=asked.get("session_id"),
        max_delay_ms=asked.get("max_delay_ms"),
        purpose=asked.get("purpose", "live"),
    )


async def ask(gate: GateClient, command: AuthorizeCall) -> Decision:
    """Authorise; if the caller is cancelled meanwhile, what is granted to it is given back."""
    if gate.errands.are_too_many:
        raise CannotVerify(
            gate.tenant, command.command_id, attempts=0, reason="too many calls are not booked yet"
        )
    asking = gate.errands.start(gate.authorize_call(command), awaited=True)
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        gate.errands.start(_give_back(gate, asking))
        raise


async def _give_back(gate: GateClient, asking: asyncio.Task[Decision]) -> None:
    try:
        grant = gate.grant(await asking)
    except (NoGrant, CannotVerify, MalformedCommand):
        return  # Nothing was granted to us; what may be held after all expires by itself.
    await close_books(gate, grant)


def granted_way(ways: tuple[Way, ...], decision: Decision) -> Way:
    """Return the way that was granted."""
    return next(
        way
        for way in ways
        if (way.option.modality, way.option.provider_id, way.option.sku)
        == (decision.modality, decision.provider_id, decision.sku)
    )


async def wait_for_slot(gate: GateClient, grant: Grant) -> None:
    """Wait until a throttled call may start."""
    timing = gate.timing
    while (left_us := grant.terms.not_before_us - timing.monotonic_us()) > 0:
        await timing.sleep(left_us / 1_000_000)


async def close_books(gate: GateClient, grant: Grant) -> Receipt | None:
    """Settle a call that may have reached its vendor; give the hold of any other one back."""
    meter, reservation_id = grant.meter, grant.terms.reservation_id
    try:
        if not meter.reached:
            return await gate.release(reservation_id, "the vendor was not reached")
        return await _settle(gate, grant, meter.owed())
    except CannotVerify as problem:
        logs.get().error(
            "booking_unconfirmed",
            tenant=gate.tenant,
            reservation_id=reservation_id,
            reason=problem.reason,
        )
        return None


async def _settle(gate: GateClient, grant: Grant, owed: Owed) -> Receipt:
    reservation_id = grant.terms.reservation_id
    reason = ""
    with suppress(MalformedCommand):
        receipt = await gate.settle(
            reservation_id, owed.usage, outcome=owed.outcome, vendor_ref=owed.vendor_ref[:128]
        )
        if receipt.status == GRANTED or receipt.code == HOLD_CLOSED:
            return receipt
        reason = receipt.code
    # A usage that cannot be booked (unpriced, absurd) must not leave a made call unbooked: what
    # was held for it was priced when it was granted.
    logs.get().error(
        "settled_at_estimate",
        tenant=gate.tenant,
        reservation_id=reservation_id,
        reason=reason or "malformed",
    )
    return await gate.settle(reservation_id, grant.meter.limits, outcome=owed.outcome)
