"""
Holds: settle what a call cost, extend a call that goes on, release one that was never made.

A reservation is named `<tenant>.<decision number>`. Decision numbers are dense, so a number that
was given and has no open hold is known to be closed, for ever and without remembering it.

An extension is paid by the month and limited by the session in which the call began.
"""

from __future__ import annotations

from contracts.budget import (
    CallSettled,
    ExtendCall,
    HoldExtended,
    HoldReleased,
    ReleaseCall,
    SettleCall,
    Standing,
)
from contracts.commit import AnyEvent
from contracts.questions import FindHold, HoldFound, HoldState
from contracts.usage import NO_UNITS, Units
from domain import budget, conversation, deployment, policy, price_book, tenant, units
from domain.authorize import stops_or_credit
from domain.refusals import (
    BOOKING_TOO_LARGE,
    CALL_IS_NO_SAMPLE,
    HOLD_CLOSED,
    HOLD_EXPIRED,
    HOLD_OF_ANOTHER_TENANT,
    HOLD_UNKNOWN,
    MODALITY_NOT_ALLOWED,
    NOT_PRICED,
    NOT_THE_VISITORS,
    RECONCILIATION_HOLDS_NOTHING,
    TWIN_UNKNOWN,
    Refusal,
)
from domain.refusing import Offer, refuse, refuse_call
from domain.state import Envelope, State

_NO_LIMITS = units.Limits()


def find_hold(state: State, reservation_id: str) -> budget.Hold | Refusal:
    """Return the open hold, or why there is none."""
    owner, _, digits = reservation_id.rpartition(".")
    if owner != state.name:
        return HOLD_OF_ANOTHER_TENANT
    number = int(digits)
    hold = state.budget.holds.get(number)
    if hold is not None:
        return hold
    if number in state.budget.expired:
        return HOLD_EXPIRED
    # Decision numbers are dense, so one that was given and has no hold has been closed.
    return HOLD_CLOSED if 0 < number <= state.decisions else HOLD_UNKNOWN


def answer(state: State, question: FindHold) -> HoldFound:
    """Say how a hold stands, and whether it backs a usage. It changes nothing."""
    found = find_hold(state, question.reservation_id)
    if isinstance(found, budget.Hold):
        return _shown(state, question, found, "open")
    if found is HOLD_EXPIRED:
        number = int(question.reservation_id.rpartition(".")[2])
        return _shown(state, question, state.budget.expired[number], "expired")
    return HoldFound(
        tenant=state.name,
        position=state.position,
        reservation_id=question.reservation_id,
        state="closed" if found is HOLD_CLOSED else "unknown",
    )


def _shown(state: State, question: FindHold, hold: budget.Hold, as_what: HoldState) -> HoldFound:
    tariff = price_book.tariff_of(state.prices, hold)
    cost_nanos = None if tariff is None else price_book.cost_nanos(tariff, question.usage)
    return HoldFound(
        tenant=state.name,
        position=state.position,
        reservation_id=question.reservation_id,
        state=as_what,
        expires_at_us=hold.expires_at_us,
        provider_id=hold.provider_id,
        sku=hold.sku,
        is_backed=cost_nanos is not None and cost_nanos <= hold.amount_nanos,
    )


def settle(state: State, command: SettleCall, envelope: Envelope) -> list[AnyEvent]:
    found = find_hold(state, command.reservation_id)
    late = found is HOLD_EXPIRED
    if late:
        found = state.budget.expired[int(command.reservation_id.rpartition(".")[2])]
    if isinstance(found, Refusal):
        return [refuse(state, command, envelope, found)]
    if not deployment.is_session_of(envelope.actor, found.session_id):
        return [refuse(state, command, envelope, NOT_THE_VISITORS)]
    terms = state.policy.terms
    tariff = price_book.tariff_of(state.prices, found)
    assert terms is not None, "a hold was granted under a policy"
    cost_nanos = None if tariff is None else price_book.cost_nanos(tariff, command.usage)
    if cost_nanos is None:
        rule = "only quantities that the hold's price has"
        return [refuse(state, command, envelope, NOT_PRICED, {"field": "usage", "rule": rule})]
    used = policy.weigh(terms, command.usage)
    totals = budget.totals_of(state.budget, found.period)
    if totals.committed_nanos + cost_nanos > price_book.COST_MAX_NANOS or not units.fits(
        totals.units[found.modality], used, _NO_LIMITS
    ):
        return [refuse(state, command, envelope, BOOKING_TOO_LARGE)]
    return [_settled(state, terms, command, envelope, found, cost_nanos, used, late=late)]


def _settled(
    state: State,
    terms: policy.Terms,
    command: SettleCall,
    envelope: Envelope,
    hold: budget.Hold,
    cost_nanos: int,
    used: Units,
    *,
    late: bool,
) -> CallSettled:
    held, held_credit = (0, 0) if late else (hold.amount_nanos, hold.credit_nanos)
    # The month's limit pays first, so that credits are the ones that come back.
    credit_nanos = min(max(0, cost_nanos - (held - held_credit)), held_credit)
    money = state.budget
    totals = money.periods[money.period]
    committed_nanos, held_nanos = totals.committed_nanos, totals.held_nanos
    if hold.period == money.period:
        committed_nanos += cost_nanos - credit_nanos
        held_nanos -= held - held_credit
    return CallSettled(
        state.decisions + 1,
        command.command_id,
        envelope.fingerprint,
        envelope.now_us,
        hold.decision,
        command.outcome,
        hold.modality,
        hold.provider_id,
        hold.sku,
        command.usage,
        hold.period,
        cost_nanos,
        credit_nanos,
        max(0, cost_nanos - held),
        late,
        used,
        held,
        held_credit,
        NO_UNITS if late else hold.units,
        hold.session_id,
        command.vendor_ref,
        state.policy.version,
        hold.price_version,
        Standing(
            committed_nanos,
            held_nanos,
            terms.limit_nanos,
            budget.credits_free_nanos(money) + held_credit - credit_nanos,
            totals.ends_us,
        ),
    )


def extend(state: State, command: ExtendCall, envelope: Envelope) -> list[AnyEvent]:
    terms = state.policy.terms
    refusal = tenant.why_not_active(state.tenant)
    if refusal is not None or terms is None:
        return [refuse_call(state, command, envelope, refusal or TWIN_UNKNOWN)]
    hold = find_hold(state, command.reservation_id)
    if isinstance(hold, Refusal):
        return [refuse_call(state, command, envelope, hold)]
    if hold.purpose == "calibration":
        rule = {"field": "reservation_id", "rule": "a live call: a sample does not go on"}
        return [refuse_call(state, command, envelope, CALL_IS_NO_SAMPLE, facts=dict(rule))]
    if hold.purpose == "reconciliation":
        nothing: dict[str, int | str] = {"field": "estimate", "rule": "it is never extended"}
        return [refuse_call(state, command, envelope, RECONCILIATION_HOLDS_NOTHING, facts=nothing)]
    if hold.session_id or envelope.actor.startswith(deployment.VISITOR):
        stopped = conversation.why_no_call(state, envelope, hold.session_id, hold.modality)
        if stopped is not None:
            return [refuse_call(state, command, envelope, stopped.refusal, facts=stopped.facts)]
    allowed = terms.modalities.get(hold.modality)
    if allowed is None:
        return [refuse_call(state, command, envelope, MODALITY_NOT_ALLOWED)]
    tariff = price_book.tariff_of(state.prices, hold)
    more_nanos = None if tariff is None else price_book.cost_nanos(tariff, command.estimate)
    if more_nanos is None:
        return [refuse_call(state, command, envelope, NOT_PRICED)]
    offer = Offer(more_nanos, policy.weigh(terms, command.estimate))
    month = state.budget.periods[hold.period]
    found = stops_or_credit(state, terms, hold.session_id, allowed, offer, month)
    if isinstance(found, Refusal):
        return [refuse_call(state, command, envelope, found, offer=offer)]
    current = hold.period == state.budget.period
    return [
        HoldExtended(
            state.decisions + 1,
            command.command_id,
            envelope.fingerprint,
            envelope.now_us,
            hold.decision,
            hold.modality,
            hold.period,
            command.estimate,
            more_nanos,
            found,
            offer.units,
            max(hold.expires_at_us, envelope.now_us + command.ttl_ms * 1_000),
            hold.session_id,
            state.policy.version,
            budget.standing(
                state.budget,
                terms.limit_nanos,
                held=more_nanos - found if current else 0,
                credit=-found,
            ),
        )
    ]


def release(state: State, command: ReleaseCall, envelope: Envelope) -> list[AnyEvent]:
    hold = find_hold(state, command.reservation_id)
    if isinstance(hold, Refusal):
        return [refuse(state, command, envelope, hold)]
    if not deployment.is_session_of(envelope.actor, hold.session_id):
        return [refuse(state, command, envelope, NOT_THE_VISITORS)]
    terms = state.policy.terms
    assert terms is not None, "a hold was granted under a policy"
    from_limit = hold.amount_nanos - hold.credit_nanos
    return [
        HoldReleased(
            state.decisions + 1,
            command.command_id,
            envelope.fingerprint,
            envelope.now_us,
            hold.decision,
            hold.modality,
            hold.period,
            hold.amount_nanos,
            hold.credit_nanos,
            hold.units,
            hold.session_id,
            command.reason,
            budget.standing(
                state.budget,
                terms.limit_nanos,
                held=-from_limit if hold.period == state.budget.period else 0,
                credit=hold.credit_nanos,
            ),
        )
    ]
