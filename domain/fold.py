"""
Fold: what each fact of the log does to a tenant's state.

No choices here: a stored event cannot be refused. The worker folds what it has just decided, and a
replay folds the whole log, with the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec

from contracts.access import AccessDecision, CallerRefused, DenialReported
from contracts.account import AccountEvent, PlatformFounded
from contracts.budget import (
    CallAuthorized,
    CallRefused,
    CallSettled,
    CommandRefused,
    CreditsAdded,
    HoldExtended,
    HoldReleased,
    HoldsExpired,
    MeterLimitsSet,
    PeriodOpened,
    RefusalsCounted,
)
from contracts.commit import AnyEvent
from contracts.data_key import DataKeyRotated
from contracts.deployment import DeploymentEvent
from contracts.knowledge import KnowledgeEvent, SourceApproved, SourceRetired
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.prompt import (
    PromptActivated,
    PromptRolledBack,
    PromptSaved,
)
from contracts.secret import SecretOpened, SecretPut, SecretReopened, SecretRevoked, SecretRotated
from contracts.session import (
    AnswerCited,
    DisclosureShown,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsEnded,
    SessionsKilled,
    SessionStepped,
)
from contracts.tenant import (
    TenantErased,
    TenantProvisioned,
    TenantResumed,
    TenantSuspended,
)
from contracts.topics import TopicsRolledBack, TopicsSet
from contracts.twin import (
    CalibrationBegun,
    IdentityDrafted,
    IdentityRefined,
    PurposeSet,
    SampleRecorded,
    TwinRetired,
    TwinSignedOff,
)
from domain import (
    access,
    account,
    budget,
    data_key,
    deployment,
    flood,
    knowledge,
    memory,
    policy,
    price_book,
    prompt,
    rate,
    secret,
    session,
    tenant,
    topics,
    twin,
)
from domain.state import State


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
        session.held(state.sessions, event)
    if event.purpose == "calibration" and state.twin.calibration is not None:
        twin.call_authorized(state.twin.calibration, event)
    state.decisions = event.decision
    memory.remember(state.memory, event, state.position)


def _call_refused(state: State, event: CallRefused | CommandRefused | DenialReported) -> None:
    flood.recorded(state.flood, event.at_us)
    _decided(state, event)


def _caller_refused(state: State, event: CallerRefused) -> None:
    flood.recorded(state.flood, event.at_us)
    state.decisions = event.decision


def _hold_extended(state: State, event: HoldExtended) -> None:
    budget.hold_extended(state.budget, event)
    if event.session_id:
        session.extended(state.sessions, event)
    _decided(state, event)


def _call_settled(state: State, event: CallSettled) -> None:
    budget.call_settled(state.budget, event)
    if event.session_id:
        session.settled(state.sessions, event)
    secret.close(state.secrets, event.reservation)
    if state.twin.calibration is not None:
        twin.call_settled(state.twin.calibration, event)
    state.decisions = event.decision
    memory.remember(state.memory, event, state.position)


def _hold_released(state: State, event: HoldReleased) -> None:
    budget.hold_released(state.budget, event)
    if event.session_id:
        session.given_back(state.sessions, event)
    secret.close(state.secrets, event.reservation)
    if state.twin.calibration is not None:
        twin.hold_released(state.twin.calibration, event)
    _decided(state, event)


def _holds_expired(state: State, event: HoldsExpired) -> None:
    budget.holds_expired(state.budget, event)
    for hold in event.holds:
        secret.close(state.secrets, hold.reservation)
        if hold.session_id:
            session.given_back(state.sessions, hold)
    if state.twin.calibration is not None:
        twin.holds_expired(state.twin.calibration, event)


def _credits_added(state: State, event: CreditsAdded) -> None:
    budget.credits_added(state.budget, event)
    state.sessions.room += 1
    _decided(state, event)


def _tenant_changed(
    state: State, event: TenantProvisioned | TenantSuspended | TenantResumed | TwinRetired
) -> None:
    tenant.evolve(state.tenant, event)
    _decided(state, event)


def _drafted(state: State, event: IdentityDrafted | IdentityRefined) -> None:
    twin.drafted(state.twin, event)
    _decided(state, event)


def _purpose_set(state: State, event: PurposeSet) -> None:
    twin.purpose_set(state.twin, event)
    state.bundle_revision = event.decision
    _decided(state, event)


def _calibration_begun(state: State, event: CalibrationBegun) -> None:
    twin.calibration_begun(state.twin, event)
    _decided(state, event)


def _sample_recorded(state: State, event: SampleRecorded) -> None:
    twin.sample_recorded(state.twin, event)
    _decided(state, event)


def _signed_off(state: State, event: TwinSignedOff) -> None:
    twin.signed_off(state.twin, event)
    state.bundle_revision = event.decision
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


def _data_key_rotated(state: State, event: DataKeyRotated) -> None:
    data_key.evolve(state.data_key, event)
    _decided(state, event)


def _policy_set(state: State, event: PolicySet) -> None:
    policy.evolve(state.policy, event)
    rate.new_policy(state.rate, rate.bucket(event.policy.rate), event.at_us)
    state.sessions.room += 1
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


def _prompt_saved(state: State, event: PromptSaved) -> None:
    prompt.evolve(state, event)
    # What is remembered for a repetition needs no second copy of the text.
    _decided(state, msgspec.structs.replace(event, text="", variables=[]))


def _prompt_in_force(state: State, event: PromptActivated | PromptRolledBack) -> None:
    prompt.evolve(state, event)
    state.bundle_revision = event.decision
    _decided(state, event)


def _topics_set(state: State, event: TopicsSet) -> None:
    topics.evolve(state, event)
    state.bundle_revision = event.decision
    _decided(state, msgspec.structs.replace(event, topics=[]))


def _topics_rolled_back(state: State, event: TopicsRolledBack) -> None:
    topics.evolve(state, event)
    state.bundle_revision = event.decision
    _decided(state, event)


def _distributed(state: State, event: DeploymentEvent) -> None:
    deployment.evolve(state.deployments, event)
    _decided(state, event)


def _curated(state: State, event: KnowledgeEvent) -> None:
    if isinstance(event, SourceApproved | SourceRetired) and event.changes_bundle:
        state.bundle_revision = event.decision
    knowledge.evolve(state.knowledge, event)
    _decided(state, event)


def _period_opened(state: State, event: PeriodOpened) -> None:
    budget.period_opened(state.budget, event)
    state.sessions.room += 1


def _session_begun(state: State, event: SessionBegun) -> None:
    session.begun(state.sessions, event)
    # The answer has the text, but not what was pinned of the knowledge.
    _decided(state, msgspec.structs.replace(event, knowledge=[]))


def _disclosure_shown(state: State, event: DisclosureShown) -> None:
    session.disclosed(state.sessions, event)
    _decided(state, event)


def _session_renewed(state: State, event: SessionRenewed) -> None:
    session.renewed(state.sessions, event)
    _decided(state, event)


def _session_stepped(state: State, event: SessionStepped) -> None:
    session.stepped(state.sessions, event)
    _decided(state, event)


def _answer_cited(state: State, event: AnswerCited) -> None:
    # It is for whoever asks later; the answer to a repetition does not need it.
    _decided(state, msgspec.structs.replace(event, citations=[]))


def _session_ended(state: State, event: SessionEnded | SessionKilled) -> None:
    session.ended(state.sessions, event)
    _decided(state, event)


def _sessions_ended(state: State, event: SessionsEnded) -> None:
    session.many_ended(state.sessions, event)


def _changes_nothing(_state: State, _event: MeterLimitsSet | RefusalsCounted) -> None:
    """Written for the meters; the gate itself reads the policy and the credits."""


_EVOLVE: dict[type[AnyEvent], Callable[[State, Any], None]] = {
    CallAuthorized: _call_authorized,
    CallRefused: _call_refused,
    CommandRefused: _call_refused,
    CallerRefused: _caller_refused,
    DenialReported: _call_refused,
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
    PromptSaved: _prompt_saved,
    PromptActivated: _prompt_in_force,
    PromptRolledBack: _prompt_in_force,
    TopicsSet: _topics_set,
    TopicsRolledBack: _topics_rolled_back,
    IdentityDrafted: _drafted,
    IdentityRefined: _drafted,
    PurposeSet: _purpose_set,
    CalibrationBegun: _calibration_begun,
    SampleRecorded: _sample_recorded,
    TwinSignedOff: _signed_off,
    TwinRetired: _tenant_changed,
    TenantErased: _tenant_erased,
    SecretPut: _secret_stored,
    SecretRotated: _secret_stored,
    SecretRevoked: _secret_revoked,
    SecretOpened: _secret_opened,
    SecretReopened: _secret_reopened,
    DataKeyRotated: _data_key_rotated,
    PeriodOpened: _period_opened,
    SessionBegun: _session_begun,
    DisclosureShown: _disclosure_shown,
    SessionRenewed: _session_renewed,
    SessionStepped: _session_stepped,
    SessionEnded: _session_ended,
    SessionKilled: _session_ended,
    AnswerCited: _answer_cited,
    SessionsKilled: _decided,
    SessionsEnded: _sessions_ended,
    MeterLimitsSet: _changes_nothing,
    RefusalsCounted: _changes_nothing,
    **dict.fromkeys(get_args(DeploymentEvent), _distributed),
    **dict.fromkeys(get_args(KnowledgeEvent), _curated),
    **dict.fromkeys(get_args(AccessDecision), _access_changed),
    **dict.fromkeys(get_args(AccountEvent), _account_changed),
}
