"""
Answers: what the caller is told of a decision. A pure function of the event and its position.

So a repeated command gets the very same answer, also from another worker after a crash.
"""

from __future__ import annotations

import msgspec

from contracts.budget import (
    CallAuthorized,
    CallRefused,
    CallSettled,
    CommandRefused,
    CreditsAdded,
    HoldExtended,
    HoldReleased,
    Standing,
)
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.replies import Decision, Receipt, Verdict
from domain.memory import Decided
from domain.refusals import BY_CODE, Refusal

_MS = 1_000


def answer(
    tenant: str, event: Decided, position: int | None, *, replayed: bool = False
) -> Decision | Receipt:
    """Say what was decided. *position* is None for a refusal that is only counted."""
    reply: Decision | Receipt
    match event:
        case CallAuthorized():
            reply = _granted(tenant, event, position)
        case HoldExtended():
            reply = _extended(tenant, event, position)
        case CallRefused():
            reply = _refused(tenant, event, position)
        case _:
            reply = _receipt(tenant, event, position)
    return msgspec.structs.replace(reply, replayed=True) if replayed else reply


def not_decided(command_id: str, refusal: Refusal, *, retry_after_ms: int | None) -> Decision:
    """Answer a command that the gate could not decide: nothing of it is in the log."""
    return Decision(
        decision="DENY",
        status=refusal.status,
        code=refusal.code,
        command_id=command_id,
        decision_id=None,
        position=None,
        retry_after_ms=retry_after_ms,
        message=refusal.message,
        remedy=refusal.remedy,
    )


def verdict(event: CallAuthorized) -> Verdict:
    """Name a grant: a step down says more than a delay."""
    if event.modality != event.requested:
        return "DOWNGRADE"
    return "THROTTLE" if event.delay_us else "PASS"


def _granted(tenant: str, event: CallAuthorized, position: int | None) -> Decision:
    name = f"{tenant}.{event.decision}"
    standing = event.standing
    facts: dict[str, int | str] = {}
    if event.stepped_down_for:
        facts["stepped_down_for"] = event.stepped_down_for
    return Decision(
        decision=verdict(event),
        status=200,
        code="granted",
        command_id=event.command_id,
        decision_id=name,
        position=position,
        reservation_id=name,
        requested=event.requested,
        modality=event.modality,
        provider_id=event.provider_id,
        sku=event.sku,
        delay_us=event.delay_us,
        expires_at_us=event.expires_at_us,
        amount_nanos=event.amount_nanos,
        policy_version=event.policy_version,
        price_version=event.price_version,
        committed_nanos=standing.committed_nanos,
        held_nanos=standing.held_nanos,
        limit_nanos=standing.limit_nanos,
        credits_nanos=standing.credits_nanos,
        remaining_nanos=standing.remaining_nanos,
        resets_at_us=standing.resets_at_us,
        facts=facts,
    )


def _extended(tenant: str, event: HoldExtended, position: int | None) -> Decision:
    standing = event.standing
    return Decision(
        decision="PASS",
        status=200,
        code="extended",
        command_id=event.command_id,
        decision_id=f"{tenant}.{event.decision}",
        position=position,
        reservation_id=f"{tenant}.{event.reservation}",
        requested=event.modality,
        modality=event.modality,
        expires_at_us=event.expires_at_us,
        amount_nanos=event.amount_nanos,
        policy_version=event.policy_version,
        committed_nanos=standing.committed_nanos,
        held_nanos=standing.held_nanos,
        limit_nanos=standing.limit_nanos,
        credits_nanos=standing.credits_nanos,
        remaining_nanos=standing.remaining_nanos,
        resets_at_us=standing.resets_at_us,
    )


def _refused(tenant: str, event: CallRefused, position: int | None) -> Decision:
    refusal = BY_CODE[event.code]
    standing = event.standing
    retry_after_ms = -(-event.retry_after_us // _MS) if event.retry_after_us else None
    return Decision(
        decision="DENY",
        status=event.status,
        code=event.code,
        command_id=event.command_id,
        decision_id=f"{tenant}.{event.decision}" if position is not None else None,
        position=position,
        requested=event.requested,
        provider_id=event.provider_id,
        sku=event.sku,
        amount_nanos=event.amount_nanos,
        policy_version=event.policy_version,
        price_version=event.price_version,
        committed_nanos=standing.committed_nanos,
        held_nanos=standing.held_nanos,
        limit_nanos=standing.limit_nanos,
        credits_nanos=standing.credits_nanos,
        remaining_nanos=standing.remaining_nanos,
        resets_at_us=standing.resets_at_us or None,
        retry_after_ms=retry_after_ms,
        message=refusal.message,
        remedy=refusal.remedy,
        facts=event.facts,
    )


def _receipt(tenant: str, event: Decided, position: int | None) -> Receipt:
    refusal = BY_CODE[event.code] if isinstance(event, CommandRefused) else None
    standing = _standing(event)
    settled = event if isinstance(event, CallSettled) else None
    closes = event if isinstance(event, CallSettled | HoldReleased) else None
    return Receipt(
        status=refusal.status if refusal else 200,
        code=refusal.code if refusal else _DONE.get(type(event).__name__, "done"),
        command_id=event.command_id,
        decision_id=f"{tenant}.{event.decision}" if position is not None else None,
        position=position,
        reservation_id=f"{tenant}.{closes.reservation}" if closes else None,
        cost_nanos=settled.cost_nanos if settled else 0,
        overrun_nanos=settled.overrun_nanos if settled else 0,
        late=settled.late if settled else False,
        version=event.version if isinstance(event, PolicySet | PriceBookSet) else None,
        committed_nanos=standing.committed_nanos if standing else 0,
        held_nanos=standing.held_nanos if standing else 0,
        limit_nanos=standing.limit_nanos if standing else 0,
        credits_nanos=standing.credits_nanos if standing else 0,
        remaining_nanos=standing.remaining_nanos if standing else 0,
        resets_at_us=(standing.resets_at_us or None) if standing else None,
        message=refusal.message if refusal else "",
        remedy=refusal.remedy if refusal else "",
        facts=event.facts if isinstance(event, CommandRefused) else {},
    )


def _standing(event: Decided) -> Standing | None:
    if isinstance(event, CallSettled | HoldReleased | CommandRefused | CreditsAdded):
        return event.standing
    return None


_DONE = {
    "CallSettled": "settled",
    "HoldReleased": "released",
    "CreditsAdded": "topped_up",
    "TenantProvisioned": "provisioned",
    "TenantSuspended": "suspended",
    "TenantResumed": "resumed",
    "PolicySet": "policy_set",
    "PriceBookSet": "price_book_set",
}
