"""
Reconciliation: asking a vendor for the twin's sessions, and ending those that nobody pays for.

Whoever began a call may have died before it was settled; the vendor goes on and bills. To find that
out takes the vendor's key, and a key is opened for an authorised call only. So this is one: it
holds nothing, is never delayed and takes no place in the leaky bucket, and it is granted also when
the twin is asleep, suspended or retired, because it stops cost. Its grant lists and ends; a call
that generates anything is another purpose.

What is found is booked on the hold that paid for it, late, or above this one.
"""

from __future__ import annotations

from contracts.budget import AuthorizeCall, CallAuthorized, CallRefused
from contracts.usage import NO_UNITS, Usage
from domain import budget, deployment, price_book, tenant
from domain.refusal import Refusal
from domain.refusals import (
    CALLER_NOT_ALLOWED,
    NOT_PRICED,
    RECONCILIATION_HOLDS_NOTHING,
    TOO_MANY_HOLDS,
    TWIN_UNKNOWN,
)
from domain.refusing import refuse_call
from domain.state import Envelope, State

_NOTHING = Usage()


def authorize(
    state: State, command: AuthorizeCall, envelope: Envelope
) -> CallAuthorized | CallRefused:
    """Decide whether the vendor may be asked for the twin's sessions."""
    terms = state.policy.terms
    refusal = _why_not(state, command, envelope)
    if refusal is not None or terms is None:
        why, facts = refusal or (TWIN_UNKNOWN, {})
        return refuse_call(state, command, envelope, why, facts=facts)
    now_us = envelope.now_us
    return CallAuthorized(
        state.decisions + 1,
        command.command_id,
        envelope.fingerprint,
        now_us,
        command.modality,
        command.modality,
        "",
        command.provider_id,
        command.sku,
        _NOTHING,
        state.budget.period,
        0,
        0,
        NO_UNITS,
        state.rate.tat_us,
        0,
        now_us + command.ttl_ms * 1_000,
        "",
        state.policy.version,
        state.prices.version,
        budget.standing(state.budget, terms.limit_nanos),
        command.purpose,
        state.twin.live.version,
    )


def _why_not(
    state: State, command: AuthorizeCall, envelope: Envelope
) -> tuple[Refusal, dict[str, int | str]] | None:
    gone = tenant.why_no_reconciliation(state.tenant)
    if gone is not None:
        return gone, {}
    if envelope.actor.startswith(deployment.VISITOR):
        return CALLER_NOT_ALLOWED, {}
    for field, is_empty in (
        ("estimate", command.estimate == _NOTHING),
        ("fallbacks", not command.fallbacks),
        ("session_id", command.session_id is None),
    ):
        if not is_empty:
            return RECONCILIATION_HOLDS_NOTHING, {"field": field, "rule": "it must be empty"}
    product = price_book.key(command.provider_id, command.sku, command.modality)
    if product not in state.prices.tariffs:
        return NOT_PRICED, {}
    if len(state.budget.holds) >= budget.OPEN_HOLDS_MAX:
        return TOO_MANY_HOLDS, {}
    return None
