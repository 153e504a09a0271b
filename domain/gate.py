"""
The gate: how a command is decided on one tenant's state.

    due(state, now)              facts that time alone brings: holds that ran out, a new month
    barred(state, command, ...)  why the caller may not ask this at all
    decide(state, command, ...)  the events that follow from a command, a refusal being one of them
    evolve(state, event)         apply one fact; never refuses

Rules that span two aggregates read the sibling's state, because one writer holds them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from contracts.access import AccessDecision, CallerRefused
from contracts.account import PLATFORM, AccountEvent, FoundPlatform, PlatformFounded
from contracts.budget import (
    AuthorizeCall,
    CallAuthorized,
    CallRefused,
    CallSettled,
    CommandRefused,
    CreditsAdded,
    ExtendCall,
    HoldExtended,
    HoldReleased,
    HoldsExpired,
    MeterLimitsSet,
    PeriodOpened,
    RefusalsCounted,
    ReleaseCall,
    SettleCall,
    TopUpCredits,
)
from contracts.commands import NOUN_AND_VERB, AnyCommand
from contracts.commit import AnyEvent
from contracts.policy import PolicySet, SetPolicy
from contracts.price_book import PriceBookSet, SetPriceBook
from contracts.tenant import (
    ProvisionTenant,
    ResumeTenant,
    SuspendTenant,
    TenantProvisioned,
    TenantResumed,
    TenantSuspended,
)
from contracts.usage import NO_UNITS
from domain import (
    access,
    account,
    accounts,
    api_keys,
    authorize,
    budget,
    flood,
    governance,
    holds,
    membership,
    memory,
    policy,
    price_book,
    rate,
    rights,
    session,
    sign_in,
    tenant,
)
from domain.refusal import Refusal
from domain.refusals import COMMAND_ID_REUSED, NOT_THE_PLATFORM, RESERVED_NAME
from domain.refusing import refuse
from domain.state import Envelope, State


def due(state: State, now_us: int) -> list[AnyEvent]:
    """
    Return what has come to pass by *now_us*; empty before the twin exists.

    Apply it before deciding: money of a hold that ran out is used again only after the expiry is
    written, and a new month begins before the first decision in it. At most 500 holds expire at
    once; the others stay held until it is asked again.
    """
    money = state.budget
    if now_us < money.ends_us and now_us < money.deadlines.next_us:
        return []
    rules = state.policy.policy
    if rules is None:
        return []
    events: list[AnyEvent] = []
    expired = budget.due(money, now_us)
    if expired:
        events.append(HoldsExpired(now_us, expired))
    if now_us >= money.ends_us:
        events += governance.open_month(state, rules, now_us)
    return events


def barred(
    state: State, command: AnyCommand, envelope: Envelope
) -> tuple[Refusal, CallerRefused] | None:
    """Return why the caller may not ask this at all, and the fact of it; None when it may."""
    refusal = rights.why_not_asked(state, command, envelope)
    if refusal is None:
        return None
    noun, verb = NOUN_AND_VERB[type(command)]
    return refusal, denied(state, command.command_id, envelope, noun, verb, refusal)


def denied(
    state: State, command_id: str, envelope: Envelope, noun: str, verb: str, refusal: Refusal
) -> CallerRefused:
    """Return the fact that a caller may not ask something."""
    return CallerRefused(
        state.decisions + 1,
        command_id,
        envelope.now_us,
        envelope.actor,
        noun,
        verb,
        refusal.code,
        refusal.status,
    )


def begins(tenant_name: str, command: AnyCommand) -> bool:
    """Whether a command can be the first of a log: that of a twin, or the platform's."""
    return type(command) is (FoundPlatform if tenant_name == PLATFORM else ProvisionTenant)


def known(state: State, command: AnyCommand, envelope: Envelope) -> memory.Known | Refusal | None:
    """Return how this command was decided before; a refusal if its id was another command's."""
    found = memory.find(state.memory, command.command_id)
    if found is None:
        return None
    is_same = found.event.fingerprint == envelope.fingerprint and _can_decide(command, found.event)
    return found if is_same else COMMAND_ID_REUSED


def _can_decide(command: AnyCommand, event: memory.Decided) -> bool:
    """Whether *event* is an outcome of such a command; two kinds may have the same payload."""
    noun, verb = NOUN_AND_VERB[type(command)]
    match event:
        case CommandRefused():
            return (event.noun, event.verb) == (noun, verb)
        case CallRefused():
            return event.verb == verb
        case _:
            return type(event) is _GRANTS[type(command)]


_GRANTS: dict[type[AnyCommand], type[AnyEvent]] = {
    AuthorizeCall: CallAuthorized,
    SettleCall: CallSettled,
    ExtendCall: HoldExtended,
    ReleaseCall: HoldReleased,
    TopUpCredits: CreditsAdded,
    ProvisionTenant: TenantProvisioned,
    SuspendTenant: TenantSuspended,
    ResumeTenant: TenantResumed,
    SetPolicy: PolicySet,
    SetPriceBook: PriceBookSet,
    **membership.GRANTS,
    **api_keys.GRANTS,
    **accounts.GRANTS,
    **sign_in.GRANTS,
}


def decide(state: State, command: AnyCommand, envelope: Envelope) -> list[AnyEvent]:
    """
    Say which events follow from *command*. The first is the decision itself.

    The caller has applied what is `due` at this time and has found the command not `known`.
    """
    is_misplaced = (state.name == PLATFORM) is not (type(command) in _OF_THE_PLATFORM)
    if is_misplaced:
        why = RESERVED_NAME if state.name == PLATFORM else NOT_THE_PLATFORM
        return [refuse(state, command, envelope, why)]
    return _DECIDE[type(command)](state, command, envelope)


_DECIDE: dict[type[AnyCommand], Callable[[State, Any, Envelope], list[AnyEvent]]] = {
    AuthorizeCall: authorize.authorize,
    SettleCall: holds.settle,
    ExtendCall: holds.extend,
    ReleaseCall: holds.release,
    TopUpCredits: governance.top_up,
    ProvisionTenant: governance.provision,
    SuspendTenant: governance.suspend,
    ResumeTenant: governance.resume,
    SetPolicy: governance.set_policy,
    SetPriceBook: governance.set_price_book,
    **membership.DECIDE,
    **api_keys.DECIDE,
    **accounts.DECIDE,
    **sign_in.DECIDE,
}
_OF_THE_PLATFORM = frozenset((*accounts.DECIDE, *sign_in.DECIDE))


# -- evolve -------------------------------------------------------------------


def evolve(state: State, event: AnyEvent) -> State:
    """Apply one fact. No choices here: a stored event cannot be refused."""
    at_us = event.at_us
    if at_us > state.clock_us:  # noqa: PLR1730 - max() costs four times this, on every event
        state.clock_us = at_us
    _EVOLVE[type(event)](state, event)
    return state


def _decided(state: State, event: memory.Decided) -> None:
    state.decisions = event.decision
    memory.remember(state.memory, event, state.position)


def _call_authorized(state: State, event: CallAuthorized) -> None:
    budget.call_authorized(state.budget, event)
    state.rate.tat_us = event.tat_us
    if event.session_id:
        session.hold(state.sessions, event.session_id, event.units)
    state.decisions = event.decision
    memory.remember(state.memory, event, state.position)


def _call_refused(state: State, event: CallRefused | CommandRefused) -> None:
    flood.recorded(state.flood, event.at_us)
    _decided(state, event)


def _caller_refused(state: State, event: CallerRefused) -> None:
    flood.recorded(state.flood, event.at_us)
    state.decisions = event.decision


def _hold_extended(state: State, event: HoldExtended) -> None:
    budget.hold_extended(state.budget, event)
    if event.session_id:
        session.extend(state.sessions, event.session_id, event.units)
    _decided(state, event)


def _call_settled(state: State, event: CallSettled) -> None:
    budget.call_settled(state.budget, event)
    if event.session_id:
        if event.late:
            session.extend(state.sessions, event.session_id, event.units)
        else:
            session.close(state.sessions, event.session_id, event.held_units, event.units)
    state.decisions = event.decision
    memory.remember(state.memory, event, state.position)


def _hold_released(state: State, event: HoldReleased) -> None:
    budget.hold_released(state.budget, event)
    if event.session_id:
        session.close(state.sessions, event.session_id, event.held_units, NO_UNITS)
    _decided(state, event)


def _holds_expired(state: State, event: HoldsExpired) -> None:
    budget.holds_expired(state.budget, event)
    for hold in event.holds:
        if hold.session_id:
            session.close(state.sessions, hold.session_id, hold.held_units, NO_UNITS)


def _credits_added(state: State, event: CreditsAdded) -> None:
    budget.credits_added(state.budget, event)
    _decided(state, event)


def _tenant_changed(
    state: State, event: TenantProvisioned | TenantSuspended | TenantResumed
) -> None:
    tenant.evolve(state.tenant, event)
    _decided(state, event)


def _policy_set(state: State, event: PolicySet) -> None:
    policy.evolve(state.policy, event)
    rate.new_policy(state.rate, rate.bucket(event.policy.rate), event.at_us)
    _decided_unless_part(state, event)


def _price_book_set(state: State, event: PriceBookSet) -> None:
    money = state.budget
    price_book.evolve(state.prices, event, (*money.holds.values(), *money.expired.values()))
    _decided_unless_part(state, event)


def _access_changed(state: State, event: AccessDecision) -> None:
    access.evolve(state.access, event)
    _decided(state, event)


def _account_changed(state: State, event: AccountEvent) -> None:
    account.evolve(state.account, event)
    if isinstance(event, PlatformFounded):
        tenant.founded(state.tenant)
    _decided_unless_part(state, event)


def _decided_unless_part(state: State, event: memory.Decided) -> None:
    # Provisioning brings the first policy and prices under its own decision; so does whatever ends
    # sessions beside what it is about.
    if event.decision > state.decisions:
        _decided(state, event)


def _period_opened(state: State, event: PeriodOpened) -> None:
    budget.period_opened(state.budget, event)


def _changes_nothing(_state: State, _event: MeterLimitsSet | RefusalsCounted) -> None:
    """Written for the meters; the gate itself reads the policy and the credits."""


_EVOLVE: dict[type[AnyEvent], Callable[[State, Any], None]] = {
    CallAuthorized: _call_authorized,
    CallRefused: _call_refused,
    CommandRefused: _call_refused,
    CallerRefused: _caller_refused,
    HoldExtended: _hold_extended,
    CallSettled: _call_settled,
    HoldReleased: _hold_released,
    HoldsExpired: _holds_expired,
    CreditsAdded: _credits_added,
    TenantProvisioned: _tenant_changed,
    TenantSuspended: _tenant_changed,
    TenantResumed: _tenant_changed,
    PolicySet: _policy_set,
    PriceBookSet: _price_book_set,
    PeriodOpened: _period_opened,
    MeterLimitsSet: _changes_nothing,
    RefusalsCounted: _changes_nothing,
    **dict.fromkeys(get_args(AccessDecision), _access_changed),
    **dict.fromkeys(get_args(AccountEvent), _account_changed),
}
