"""
Authorise: may this vendor call be made, in which modality, when, and for how much?

The order in which a call is checked, each with its own named refusal:

    twin active, or this a sample of its draft? -> the visitor's? -> its session open and disclosed?
                 -> modality allowed? -> priced?
                 -> rate -> open calls -> session -> quota -> soft cap -> money

The last four are tried for the call itself and then for each of its fallbacks down the ladder; the
first that fits is granted. The refusal names what stopped the last one tried, and lists all.
A refused call changes nothing: not the bucket, not the budget.

A reconciliation is no call in this sense; `domain.reconciliation` decides it.
"""

from __future__ import annotations

from typing import TypeAlias

from contracts.budget import AuthorizeCall, CallAuthorized, CallOption, Standing
from contracts.commit import AnyEvent
from domain import (
    budget,
    conversation,
    deployment,
    onboarding,
    policy,
    price_book,
    rate,
    reconciliation,
    session,
    tenant,
    units,
)
from domain.refusals import (
    ABOVE_CEILING,
    HARD_LIMIT_REACHED,
    MODALITY_NOT_ALLOWED,
    NOT_PRICED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SESSION_LIMIT,
    SOFT_CAP_REACHED,
    TOO_MANY_HOLDS,
    TWIN_UNKNOWN,
    Refusal,
)
from domain.refusing import Offer, as_asked, refuse_call
from domain.state import Envelope, State

_Option: TypeAlias = AuthorizeCall | CallOption


def authorize(  # noqa: C901 - an ordered list of checks
    state: State, command: AuthorizeCall, envelope: Envelope
) -> list[AnyEvent]:
    terms = state.policy.terms
    if terms is None or state.tenant.status != "active" or command.purpose != "live":
        if command.purpose == "reconciliation":
            return [reconciliation.authorize(state, command, envelope)]
        why = _why_not_now(state, command)
        if why is not None or terms is None:
            refusal, facts = why or (TWIN_UNKNOWN, {})
            return [refuse_call(state, command, envelope, refusal, facts=facts)]
    session_id = command.session_id or ""
    if session_id or envelope.actor.startswith(deployment.VISITOR):
        stopped = conversation.why_no_call(state, envelope, session_id, command.modality)
        if stopped is not None:
            return [refuse_call(state, command, envelope, stopped.refusal, facts=stopped.facts)]
    allowed = terms.modalities.get(command.modality)
    if allowed is None:
        return [refuse_call(state, command, envelope, MODALITY_NOT_ALLOWED)]
    offer = _offer(state, terms, command)
    if offer is None:
        return [refuse_call(state, command, envelope, NOT_PRICED)]
    slot = rate.check(state.rate, terms.bucket, envelope.now_us, command.max_delay_ms)
    if not slot.fits:
        return [refuse_call(state, command, envelope, RATE_LIMITED, offer=offer, slot=slot)]
    if len(state.budget.holds) >= budget.OPEN_HOLDS_MAX:
        return [refuse_call(state, command, envelope, TOO_MANY_HOLDS, offer=offer)]
    month = state.budget.periods[state.budget.period]
    found = stops_or_credit(state, terms, session_id, allowed, offer, month)
    if isinstance(found, int):
        return [_grant(state, terms, command, envelope, command, offer, slot, found, "")]
    return [_step_down(state, terms, command, envelope, offer, slot, found)]


def _why_not_now(
    state: State, command: AuthorizeCall
) -> tuple[Refusal, dict[str, int | str]] | None:
    """Say why the twin may not make such a call at all."""
    if command.purpose == "calibration":
        return onboarding.why_no_sample(state, command)
    # A key is put, and tested, before there is anything that could be signed.
    why = tenant.why_no_sample if command.purpose == "test" else tenant.why_not_active
    refusal = why(state.tenant)
    return None if refusal is None else (refusal, {})


def _step_down(
    state: State,
    terms: policy.Terms,
    command: AuthorizeCall,
    envelope: Envelope,
    asked: Offer,
    slot: rate.Slot,
    first: Refusal,
) -> AnyEvent:
    """Grant the first fallback that fits, or refuse the call."""
    tried: list[tuple[str, Refusal]] = [(command.modality, first)]
    session_id = command.session_id or ""
    month = state.budget.periods[state.budget.period]
    offer: Offer | None = asked
    for option in command.fallbacks:
        offer = _offer(state, terms, option)
        allowed = terms.modalities.get(option.modality)
        if offer is None:
            tried.append((option.modality, NOT_PRICED))
        elif allowed is None or not 0 <= terms.modalities[command.modality].rung < allowed.rung:
            tried.append((option.modality, MODALITY_NOT_ALLOWED))
        elif session_id and conversation.is_above_ceiling(state, session_id, option.modality):
            tried.append((option.modality, ABOVE_CEILING))
        else:
            found = stops_or_credit(state, terms, session_id, allowed, offer, month)
            if isinstance(found, int):
                return _grant(
                    state, terms, command, envelope, option, offer, slot, found, first.code
                )
            tried.append((option.modality, found))
    return refuse_call(state, command, envelope, tried[-1][1], offer=asked, tried=tried)


def _offer(state: State, terms: policy.Terms, option: _Option) -> Offer | None:
    """Price and weigh one way to make the call; None when it cannot be priced."""
    # Spelled out and not price_book.key(): the call would cost more than the key.
    tariff = state.prices.tariffs.get(f"{option.provider_id}\n{option.sku}\n{option.modality}")
    if tariff is None:
        return None
    estimate = option.estimate
    amount_nanos = price_book.cost_nanos(tariff, estimate)
    if amount_nanos is None:
        return None
    return Offer(amount_nanos, policy.weigh(terms, estimate))


def stops_or_credit(
    state: State,
    terms: policy.Terms,
    session_id: str,
    allowed: policy.ModalityTerms,
    offer: Offer,
    totals: budget.Totals,
) -> Refusal | int:
    """
    Return what stops a call from holding *offer* in the month of *totals*, in the gate's order.

    When nothing does: how many nanos of it would be held on credits.
    """
    if (
        session_id
        and terms.has_session_limits
        and session.over_limit(state.sessions, session_id, terms.session, offer.units)
    ):
        return SESSION_LIMIT
    if not units.fits(totals.units[allowed.modality], offer.units, allowed.limits):
        return QUOTA_EXHAUSTED
    amount_nanos = offer.amount_nanos
    used_nanos = totals.committed_nanos + totals.held_nanos + amount_nanos
    if allowed.soft_capped and used_nanos > terms.soft_cap_nanos:
        return SOFT_CAP_REACHED
    if used_nanos <= terms.limit_nanos:
        return 0
    credit_nanos = budget.on_credit_nanos(totals, terms.limit_nanos, amount_nanos)
    if (
        credit_nanos > budget.credits_free_nanos(state.budget)
        or amount_nanos > price_book.COST_MAX_NANOS
    ):
        return HARD_LIMIT_REACHED
    return credit_nanos


def _grant(
    state: State,
    terms: policy.Terms,
    command: AuthorizeCall,
    envelope: Envelope,
    option: _Option,
    offer: Offer,
    slot: rate.Slot,
    credit_nanos: int,
    stepped_down_for: str,
) -> CallAuthorized:
    money = state.budget
    totals = money.periods[money.period]
    amount_nanos, now_us = offer.amount_nanos, envelope.now_us
    return CallAuthorized(
        state.decisions + 1,
        command.command_id,
        envelope.fingerprint,
        now_us,
        command.modality,
        option.modality,
        stepped_down_for,
        option.provider_id,
        option.sku,
        option.estimate,
        money.period,
        amount_nanos,
        credit_nanos,
        offer.units,
        slot.tat_us,
        slot.delay_us,
        # The hold runs from when the call may start, so that a throttle does not eat into it.
        now_us + slot.delay_us + command.ttl_ms * 1_000,
        command.session_id or "",
        state.policy.version,
        state.prices.version,
        # budget.standing(), spelled out: by keyword it costs as much as the rest of the grant.
        Standing(
            totals.committed_nanos,
            totals.held_nanos + amount_nanos - credit_nanos,
            terms.limit_nanos,
            budget.credits_free_nanos(money) - credit_nanos,
            totals.ends_us,
        ),
        command.purpose,
        (state.twin.draft if command.purpose == "calibration" else state.twin.live).version,
        # What is granted as it was asked for needs no second copy.
        None if not command.fallbacks and command.max_delay_ms is None else as_asked(command),
    )
