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
from typing import Any, Final

import msgspec

from contracts.access import OPERATOR, CallerRefused
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
from contracts.data_key import DataKeyRotated, RewrapDataKey, RotateDataKey
from contracts.policy import PolicySet, SetPolicy
from contracts.price_book import PriceBookSet, SetPriceBook
from contracts.secret import (
    OpenSecret,
    PutSecret,
    RevokeSecret,
    RotateSecret,
    SecretOpened,
    SecretPut,
    SecretReopened,
    SecretRevoked,
    SecretRotated,
)
from contracts.tenant import (
    EraseTenant,
    ProvisionTenant,
    ResumeTenant,
    SuspendTenant,
    TenantErased,
    TenantProvisioned,
    TenantResumed,
    TenantSuspended,
)
from contracts.usage import NO_UNITS
from domain import (
    authorize,
    budget,
    data_key,
    flood,
    governance,
    holds,
    memory,
    policy,
    price_book,
    rate,
    rights,
    secret,
    session,
    tenant,
    vault,
)
from domain.refusals import COMMAND_ID_REUSED, Refusal
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
    if envelope.actor == OPERATOR:
        return None
    noun, verb = NOUN_AND_VERB[type(command)]
    refusal = rights.why_not(state.access, envelope.actor, noun, verb, envelope.now_us)
    if refusal is None:
        return None
    return refusal, CallerRefused(
        state.decisions + 1,
        command.command_id,
        envelope.now_us,
        envelope.actor,
        noun,
        verb,
        refusal.code,
        refusal.status,
    )


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
    EraseTenant: TenantErased,
    PutSecret: SecretPut,
    RotateSecret: SecretRotated,
    RevokeSecret: SecretRevoked,
    OpenSecret: SecretOpened,
    RotateDataKey: DataKeyRotated,
}
# Nothing of them is in the log: they change nothing that a twin is.
NOT_DECIDED: Final = (RewrapDataKey,)


def decide(state: State, command: AnyCommand, envelope: Envelope) -> list[AnyEvent]:
    """
    Say which events follow from *command*. The first is the decision itself.

    The caller has applied what is `due` at this time and has found the command not `known`.
    """
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
    EraseTenant: governance.erase,
    PutSecret: vault.put,
    RotateSecret: vault.rotate,
    RevokeSecret: vault.revoke,
    OpenSecret: vault.open_secret,
    RotateDataKey: governance.rotate_key,
}


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
    secret.close(state.secrets, event.reservation)
    state.decisions = event.decision
    memory.remember(state.memory, event, state.position)


def _hold_released(state: State, event: HoldReleased) -> None:
    budget.hold_released(state.budget, event)
    if event.session_id:
        session.close(state.sessions, event.session_id, event.held_units, NO_UNITS)
    secret.close(state.secrets, event.reservation)
    _decided(state, event)


def _holds_expired(state: State, event: HoldsExpired) -> None:
    budget.holds_expired(state.budget, event)
    for hold in event.holds:
        secret.close(state.secrets, hold.reservation)
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


def _tenant_erased(state: State, event: TenantErased) -> None:
    """Forget everything but the name: nothing of it is decided, timed or shown any more."""
    blank = State(state.name, state.position, event.decision, state.clock_us)
    for field in State.__struct_fields__:
        setattr(state, field, getattr(blank, field))
    state.tenant.status, state.tenant.erased_by = "erased", event.actor


def _secret_stored(state: State, event: SecretPut | SecretRotated) -> None:
    if isinstance(event, SecretPut):
        secret.put(state.secrets, event)
    else:
        secret.rotated(state.secrets, event)
    # The answer needs no box, and a memory full of them would be large.
    _decided(state, msgspec.structs.replace(event, sealed=b""))


def _secret_revoked(state: State, event: SecretRevoked) -> None:
    secret.revoked(state.secrets, event)
    _decided(state, event)


def _secret_opened(state: State, event: SecretOpened) -> None:
    secret.opened(state.secrets, event)
    _decided(state, event)


def _secret_reopened(state: State, event: SecretReopened) -> None:
    secret.reopened(state.secrets, event)


def _key_rotated(state: State, event: DataKeyRotated) -> None:
    data_key.evolve(state.data_key, event)
    _decided(state, event)


def _policy_set(state: State, event: PolicySet) -> None:
    policy.evolve(state.policy, event)
    rate.new_policy(state.rate, rate.bucket(event.policy.rate), event.at_us)
    _decided_unless_part(state, event)


def _price_book_set(state: State, event: PriceBookSet) -> None:
    money = state.budget
    price_book.evolve(state.prices, event, (*money.holds.values(), *money.expired.values()))
    _decided_unless_part(state, event)


def _decided_unless_part(state: State, event: PolicySet | PriceBookSet) -> None:
    # Provisioning brings the first policy and prices under its own decision.
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
    TenantErased: _tenant_erased,
    PolicySet: _policy_set,
    PriceBookSet: _price_book_set,
    SecretPut: _secret_stored,
    SecretRotated: _secret_stored,
    SecretRevoked: _secret_revoked,
    SecretOpened: _secret_opened,
    SecretReopened: _secret_reopened,
    DataKeyRotated: _key_rotated,
    PeriodOpened: _period_opened,
    MeterLimitsSet: _changes_nothing,
    RefusalsCounted: _changes_nothing,
}
