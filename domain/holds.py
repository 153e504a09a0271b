"""
Holds: settle what a call cost, extend a call that goes on, release one that was never made.

A reservation is named `<tenant>.<decision number>`. Decision numbers are dense, so a number that
was given and has no open hold is known to be closed, for ever and without remembering it.
"""

from __future__ import annotations

from contracts.budget import (
    CallSettled,
    ExtendCall,
    HoldExtended,
    HoldReleased,
    ReleaseCall,
    SettleCall,
)
from contracts.commit import AnyEvent
from contracts.policy import Policy
from contracts.usage import NO_UNITS
from domain import budget, policy, price_book, session, tenant
from domain.authorize import passes_soft_cap
from domain.refusals import (
    HARD_LIMIT_REACHED,
    HOLD_CLOSED,
    HOLD_EXPIRED,
    HOLD_OF_ANOTHER_TENANT,
    HOLD_UNKNOWN,
    NOT_PRICED,
    QUOTA_EXHAUSTED,
    SESSION_LIMIT,
    SOFT_CAP_REACHED,
    TWIN_UNKNOWN,
    Refusal,
)
from domain.refusing import Offer, refuse, refuse_call
from domain.state import Envelope, State


def _find_hold(state: State, reservation_id: str) -> tuple[int, budget.Hold | None, Refusal | None]:
    """Return the hold's number, the open hold, and why there is none."""
    owner, _, digits = reservation_id.rpartition(".")
    number = int(digits)
    if owner != state.name:
        return number, None, HOLD_OF_ANOTHER_TENANT
    hold = state.budget.holds.get(number)
    if hold is not None:
        return number, hold, None
    if number in state.budget.expired:
        return number, None, HOLD_EXPIRED
    # Decision numbers are dense, so one that was given and has no hold has been closed.
    return number, None, HOLD_CLOSED if 0 < number <= state.decisions else HOLD_UNKNOWN


def settle(state: State, command: SettleCall, envelope: Envelope) -> list[AnyEvent]:
    number, hold, refusal = _find_hold(state, command.reservation_id)
    late = refusal is HOLD_EXPIRED
    if late:
        hold = state.budget.expired[number]
    if hold is None:
        return [refuse(state, command, envelope, refusal or HOLD_UNKNOWN)]
    cost = price_book.cost_nanos(hold.price, command.usage)
    if cost is None:
        facts: dict[str, int | str] = {
            "field": "usage",
            "rule": "only quantities of the hold's price",
        }
        return [refuse(state, command, envelope, NOT_PRICED, facts)]
    rules = state.policy.policy
    assert rules is not None, "a hold was granted under a policy"
    held, held_credit = (0, 0) if late else (hold.amount_nanos, hold.credit_nanos)
    # The month's limit pays first, so that credits are the ones that come back.
    from_credit = min(max(0, cost - (held - held_credit)), held_credit)
    current = hold.period == state.budget.period
    return [
        CallSettled(
            state.decisions + 1,
            command.command_id,
            envelope.fingerprint,
            envelope.now_us,
            number,
            command.outcome,
            hold.modality,
            hold.provider_id,
            hold.sku,
            command.usage,
            hold.period,
            cost,
            from_credit,
            max(0, cost - held),
            late,
            policy.weigh(rules, command.usage),
            held,
            held_credit,
            NO_UNITS if late else hold.units,
            hold.session_id,
            command.vendor_ref,
            state.policy.version,
            hold.price_version,
            budget.standing(
                state.budget,
                state.budget.periods[state.budget.period],
                rules.budget.monthly_hard_limit_nanos,
                committed=cost - from_credit if current else 0,
                held=-(held - held_credit) if current else 0,
                credit=held_credit - from_credit,
            ),
        )
    ]


def extend(state: State, command: ExtendCall, envelope: Envelope) -> list[AnyEvent]:
    rules = state.policy.policy
    refusal = tenant.why_not_active(state.tenant)
    if refusal is not None or rules is None:
        return [refuse_call(state, command, envelope, refusal or TWIN_UNKNOWN)]
    number, hold, refusal = _find_hold(state, command.reservation_id)
    if hold is None:
        return [refuse_call(state, command, envelope, refusal or HOLD_UNKNOWN)]
    more = price_book.cost_nanos(hold.price, command.estimate)
    if more is None:
        return [refuse_call(state, command, envelope, NOT_PRICED)]
    units = policy.weigh(rules, command.estimate)
    offer = Offer(hold.price, more, units)
    money = state.budget
    stopped = _why_not_extend(state, rules, hold, offer)
    if stopped is not None:
        return [refuse_call(state, command, envelope, stopped, offer=offer)]
    limit = rules.budget.monthly_hard_limit_nanos
    credit = budget.fund(money, budget.totals_of(money, hold.period), limit, more).credit_nanos
    current = hold.period == money.period
    return [
        HoldExtended(
            state.decisions + 1,
            command.command_id,
            envelope.fingerprint,
            envelope.now_us,
            number,
            hold.modality,
            hold.period,
            command.estimate,
            more,
            credit,
            units,
            max(hold.expires_at_us, envelope.now_us + command.ttl_ms * 1_000),
            hold.session_id,
            state.policy.version,
            budget.standing(
                money,
                money.periods[money.period],
                limit,
                held=more - credit if current else 0,
                credit=-credit,
            ),
        )
    ]


def _why_not_extend(state: State, rules: Policy, hold: budget.Hold, offer: Offer) -> Refusal | None:
    """Return what stops a running call; its own month pays, as it did when it began."""
    if hold.session_id and session.over_limit(
        state.sessions, rules.session, hold.session_id, offer.units
    ):
        return SESSION_LIMIT
    totals = budget.totals_of(state.budget, hold.period)
    quota = budget.quota_limit_milli(rules, hold.modality)
    more = budget.quota_milli(hold.modality, offer.units)
    if quota is not None and budget.quota_used_milli(totals, hold.modality) + more > quota:
        return QUOTA_EXHAUSTED
    if passes_soft_cap(rules, totals, hold.modality, offer.amount_nanos):
        return SOFT_CAP_REACHED
    limit = rules.budget.monthly_hard_limit_nanos
    if budget.fund(state.budget, totals, limit, offer.amount_nanos).short_nanos:
        return HARD_LIMIT_REACHED
    return None


def release(state: State, command: ReleaseCall, envelope: Envelope) -> list[AnyEvent]:
    number, hold, refusal = _find_hold(state, command.reservation_id)
    if hold is None:
        return [refuse(state, command, envelope, refusal or HOLD_UNKNOWN)]
    rules = state.policy.policy
    assert rules is not None, "a hold was granted under a policy"
    from_limit = hold.amount_nanos - hold.credit_nanos
    return [
        HoldReleased(
            state.decisions + 1,
            command.command_id,
            envelope.fingerprint,
            envelope.now_us,
            number,
            hold.modality,
            hold.period,
            hold.amount_nanos,
            hold.credit_nanos,
            hold.units,
            hold.session_id,
            command.reason,
            budget.standing(
                state.budget,
                state.budget.periods[state.budget.period],
                rules.budget.monthly_hard_limit_nanos,
                held=-from_limit if hold.period == state.budget.period else 0,
                credit=hold.credit_nanos,
            ),
        )
    ]
