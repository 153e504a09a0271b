"""
Authorise: may this vendor call be made, in which modality, when, and for how much?

The order in which a call is checked, each with its own named refusal:

    twin active? -> modality allowed and priced? -> rate -> session -> quota -> soft cap -> money

The last four are tried for the call itself and then for each of its fallbacks down the ladder; the
first that fits is granted. The refusal names what stopped the last one tried, and lists all.
A refused call changes nothing: not the bucket, not the budget.
"""

from __future__ import annotations

from contracts.budget import AuthorizeCall, CallAuthorized, CallOption
from contracts.commit import AnyEvent
from contracts.message import Modality
from contracts.policy import Policy
from domain import budget, policy, price_book, rate, session, tenant
from domain.refusals import (
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
from domain.refusing import Offer, refuse_call
from domain.state import Envelope, State


def authorize(state: State, command: AuthorizeCall, envelope: Envelope) -> list[AnyEvent]:
    rules = state.policy.policy
    refusal = tenant.why_not_active(state.tenant)
    if refusal is not None or rules is None:
        return [refuse_call(state, command, envelope, refusal or TWIN_UNKNOWN)]
    if command.modality not in rules.modalities:
        return [refuse_call(state, command, envelope, MODALITY_NOT_ALLOWED)]
    offer = _offer(state, rules, command)
    if offer is None:
        return [refuse_call(state, command, envelope, NOT_PRICED)]
    slot = rate.check(state.rate, rules.rate, envelope.now_us, command.max_delay_ms)
    if not slot.fits:
        return [refuse_call(state, command, envelope, RATE_LIMITED, offer=offer, slot=slot)]
    if len(state.budget.holds) >= budget.OPEN_HOLDS_MAX:
        return [refuse_call(state, command, envelope, TOO_MANY_HOLDS, offer=offer)]
    tried: list[tuple[str, Refusal]] = []
    options: list[CallOption | AuthorizeCall] = [command, *command.fallbacks]
    for option in options:
        step = _offer(state, rules, option) if option is not command else offer
        stopped = _why_not(state, rules, command, option, step)
        if stopped is None and step is not None:
            return [_grant(state, rules, command, envelope, option, step, slot, tried)]
        tried.append((option.modality, stopped or NOT_PRICED))
    return [refuse_call(state, command, envelope, tried[-1][1], offer=offer, tried=tried)]


def _offer(state: State, rules: Policy, option: CallOption | AuthorizeCall) -> Offer | None:
    name = price_book.key(option.provider_id, option.sku, option.modality)
    price = state.prices.entries.get(name)
    if price is None:
        return None
    amount = price_book.cost_nanos(price, option.estimate)
    if amount is None:
        return None
    return Offer(price, amount, policy.weigh(rules, option.estimate))


def _why_not(
    state: State,
    rules: Policy,
    command: AuthorizeCall,
    option: CallOption | AuthorizeCall,
    offer: Offer | None,
) -> Refusal | None:
    """Return what stops one way to make the call, in the gate's order."""
    modality = option.modality
    if offer is None:
        return NOT_PRICED
    if option is not command and policy.rung(rules, modality) <= policy.rung(
        rules, command.modality
    ):
        return MODALITY_NOT_ALLOWED
    if command.session_id is not None and session.over_limit(
        state.sessions, rules.session, command.session_id, offer.units
    ):
        return SESSION_LIMIT
    totals = state.budget.periods[state.budget.period]
    quota = budget.quota_limit_milli(rules, modality)
    if quota is not None and (
        budget.quota_used_milli(totals, modality) + budget.quota_milli(modality, offer.units)
        > quota
    ):
        return QUOTA_EXHAUSTED
    limit = rules.budget.monthly_hard_limit_nanos
    if passes_soft_cap(rules, totals, modality, offer.amount_nanos):
        return SOFT_CAP_REACHED
    if budget.fund(state.budget, totals, limit, offer.amount_nanos).short_nanos:
        return HARD_LIMIT_REACHED
    return None


def passes_soft_cap(
    rules: Policy, totals: budget.Totals, modality: Modality, amount_nanos: int
) -> bool:
    """Whether a call above the soft cap's rung would take the month past the soft cap."""
    permille = rules.budget.soft_cap_permille
    if permille is None or modality not in rules.ladder:
        return False
    if rules.ladder.index(modality) >= rules.ladder.index(rules.budget.soft_cap_modality):
        return False
    used = totals.committed_nanos + totals.held_nanos + amount_nanos
    return used * 1_000 > rules.budget.monthly_hard_limit_nanos * permille


def _grant(
    state: State,
    rules: Policy,
    command: AuthorizeCall,
    envelope: Envelope,
    option: CallOption | AuthorizeCall,
    offer: Offer,
    slot: rate.Slot,
    tried: list[tuple[str, Refusal]],
) -> CallAuthorized:
    money = state.budget
    totals = money.periods[money.period]
    limit = rules.budget.monthly_hard_limit_nanos
    credit = budget.fund(money, totals, limit, offer.amount_nanos).credit_nanos
    return CallAuthorized(
        state.decisions + 1,
        command.command_id,
        envelope.fingerprint,
        envelope.now_us,
        command.modality,
        option.modality,
        tried[0][1].code if tried else "",
        option.provider_id,
        option.sku,
        option.estimate,
        money.period,
        offer.amount_nanos,
        credit,
        offer.units,
        slot.tat_us,
        slot.delay_us,
        # The hold runs from when the call may start, so that a throttle does not eat into it.
        envelope.now_us + slot.delay_us + command.ttl_ms * 1_000,
        command.session_id or "",
        state.policy.version,
        state.prices.version,
        budget.standing(money, totals, limit, held=offer.amount_nanos - credit, credit=-credit),
    )
