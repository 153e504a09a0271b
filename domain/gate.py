"""
The gate: how a command is decided on one tenant's state.

    due(state, now)              facts that time alone brings: what ran out, a new month
    barred(state, command, ...)  why the caller may not ask this at all
    decide(state, command, ...)  the events that follow from a command, a refusal being one of them
    evolve(state, event)         apply one fact; never refuses

Rules that span two aggregates read the sibling's state, because one writer holds them all.
"""

from __future__ import annotations

from typing import Any, Final

from contracts.access import CallerRefused
from contracts.account import PLATFORM, FoundPlatform
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
    SecretRevoked,
    SecretRotated,
)
from contracts.session import (
    AnswerCited,
    BeatSession,
    BeginSession,
    CiteAnswer,
    DisclosureShown,
    EndSession,
    KillAllSessions,
    KillSession,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsEnded,
    SessionsKilled,
    SessionStepped,
    ShowDisclosure,
    StepSession,
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
from domain import (
    accounts,
    api_keys,
    authorize,
    budget,
    citation,
    conversation,
    curation,
    denial,
    distribution,
    governance,
    holds,
    membership,
    memory,
    onboarding,
    prompt,
    rights,
    session,
    sign_in,
    topics,
    vault,
)
from domain.fold import evolve
from domain.refusal import Refusal
from domain.refusals import (
    COMMAND_ID_REUSED,
    NOT_THE_PLATFORM,
    RESERVED_NAME,
    TWIN_RETIRED,
)
from domain.refusing import refuse
from domain.state import Decide, Envelope, State


def due(state: State, now_us: int) -> list[AnyEvent]:
    """
    Return what has come to pass by *now_us*; empty before the twin exists.

    Apply it before deciding: money of a hold that ran out is used again only after the expiry is
    written, and a new month begins before the first decision in it. At most 500 holds expire and
    500 sessions end at once; the others wait until it is asked again.
    """
    money = state.budget
    leases = state.sessions.deadlines
    if now_us < money.ends_us and now_us < money.deadlines.next_us and now_us < leases.next_us:
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
    gone = session.due(state.sessions, now_us)
    if gone:
        events.append(SessionsEnded(now_us, gone))
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


# Nouns that keep a table of their own, beside the rules; nothing of the last ones changes once a
# twin is retired.
_OF_THE_PLATFORM: Final = (accounts.COMMANDS, sign_in.COMMANDS)
_OF_PEOPLE: Final = (membership.COMMANDS, api_keys.COMMANDS, denial.COMMANDS)
_UNTIL_RETIRED: Final = (
    prompt.COMMANDS,
    topics.COMMANDS,
    onboarding.COMMANDS,
    distribution.COMMANDS,
    curation.COMMANDS,
)
_GRANTS: dict[type[AnyCommand], type[AnyEvent]] = {
    **{
        kind: granted
        for noun in (*_OF_THE_PLATFORM, *_OF_PEOPLE, *_UNTIL_RETIRED)
        for kind, (_, granted) in noun.items()
    },
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
    BeginSession: SessionBegun,
    ShowDisclosure: DisclosureShown,
    BeatSession: SessionRenewed,
    StepSession: SessionStepped,
    CiteAnswer: AnswerCited,
    EndSession: SessionEnded,
    KillSession: SessionKilled,
    KillAllSessions: SessionsKilled,
}
# Nothing of them is in the log: they change nothing that a twin is.
NOT_DECIDED: Final = (RewrapDataKey,)


def why_elsewhere(kind: type[AnyCommand]) -> Refusal | None:
    """Say why a kind of command is refused in the log it is not for; None: it is for every log."""
    if kind in _OF_EVERY_LOG:
        return None
    return NOT_THE_PLATFORM if kind in _PLATFORM_ONLY else RESERVED_NAME


def rule_of(kind: type[AnyCommand]) -> Decide | None:
    """Return the rule that decides a kind of command; None for what is in no log."""
    return _DECIDE.get(kind)


def decide(state: State, command: AnyCommand, envelope: Envelope) -> list[AnyEvent]:
    """
    Say which events follow from *command*. The first is the decision itself.

    The caller has applied what is `due` at this time and has found the command not `known`.
    """
    elsewhere = why_elsewhere(type(command))
    if elsewhere is not None and (state.name == PLATFORM) is (elsewhere is RESERVED_NAME):
        return [refuse(state, command, envelope, elsewhere)]
    return _DECIDE[type(command)](state, command, envelope)


def _until_retired(decides: Decide) -> Decide:
    """Refuse what would still change a retired twin; what its open calls cost is not of these."""

    def decide_or_refuse(state: State, command: Any, envelope: Envelope) -> list[AnyEvent]:
        if state.tenant.status == "retired":
            return [refuse(state, command, envelope, TWIN_RETIRED)]
        return decides(state, command, envelope)

    return decide_or_refuse


_DECIDE: dict[type[AnyCommand], Decide] = {
    **{
        kind: decides
        for noun in (*_OF_THE_PLATFORM, *_OF_PEOPLE)
        for kind, (decides, _) in noun.items()
    },
    **{
        kind: _until_retired(decides)
        for noun in _UNTIL_RETIRED
        for kind, (decides, _) in noun.items()
    },
    AuthorizeCall: authorize.authorize,
    SettleCall: holds.settle,
    ExtendCall: holds.extend,
    ReleaseCall: holds.release,
    TopUpCredits: _until_retired(governance.top_up),
    ProvisionTenant: governance.provision,
    SuspendTenant: _until_retired(governance.suspend),
    ResumeTenant: _until_retired(governance.resume),
    SetPolicy: _until_retired(governance.set_policy),
    SetPriceBook: _until_retired(governance.set_price_book),
    # Of a retired twin as well: it is how one ends for good.
    EraseTenant: governance.erase,
    PutSecret: _until_retired(vault.put),
    RotateSecret: _until_retired(vault.rotate),
    RevokeSecret: vault.revoke,
    OpenSecret: vault.open_secret,
    RotateDataKey: governance.rotate_key,
    BeginSession: conversation.open_session,
    ShowDisclosure: conversation.show_disclosure,
    BeatSession: conversation.beat,
    StepSession: conversation.step,
    CiteAnswer: citation.cite,
    EndSession: conversation.close,
    KillSession: conversation.kill,
    KillAllSessions: conversation.kill_all,
}
_PLATFORM_ONLY = frozenset(kind for noun in _OF_THE_PLATFORM for kind in noun)
# The accounts are sealed as well, with a key of their own.
_OF_EVERY_LOG = frozenset((RotateDataKey, *denial.COMMANDS))


__all__ = ["barred", "decide", "denied", "due", "evolve", "known", "rule_of", "why_elsewhere"]
