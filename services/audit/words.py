"""Events in plain words, one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from contracts.access import CallerRefused, DenialReported
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
from contracts.deployment import DeploymentDisabled, DeploymentEnabled, VisitorAdmitted
from contracts.knowledge import IngestionFailed, SourceApproved, SourceRejected, SourceRetired
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.prompt import PromptActivated, PromptRolledBack, PromptSaved
from contracts.secret import SecretRevoked
from contracts.tenant import TenantErased, TenantProvisioned, TenantResumed, TenantSuspended
from contracts.topics import TopicsRolledBack, TopicsSet
from contracts.twin import (
    SAMPLES,
    CalibrationBegun,
    IdentityDrafted,
    IdentityRefined,
    PurposeSet,
    SampleRecorded,
    TwinRetired,
    TwinSignedOff,
)
from contracts.usage import Usage
from domain.budget_views import SCALES
from domain.refusals import BY_CODE
from services.audit import (
    deployment_words,
    identity_words,
    knowledge_words,
    session_words,
    vault_words,
)
from services.audit.amounts import money, units
from services.audit.teller import Teller, Where, because

_REFUSED = (
    CallerRefused,
    DenialReported,
    TenantErased,
    SecretRevoked,
    *session_words.STOPPED,
)
_CAREFUL = (*identity_words.CAREFUL, *vault_words.CAREFUL, *session_words.CAREFUL)

Mood: TypeAlias = Literal["good", "careful", "refused", "quiet"]


def sentence(event: AnyEvent, where: Where) -> str:
    """Say what happened. Texts of callers are made harmless for a terminal."""
    return printable(_WORDS[type(event)](event, Teller(where)))


def mood(event: AnyEvent) -> Mood:
    """Say how to colour it."""
    match event:
        case (
            CallRefused() | CommandRefused() | RefusalsCounted() | TenantSuspended() | TwinRetired()
        ):
            return "refused"
        case _ if isinstance(event, _REFUSED):
            return "refused"
        case DeploymentDisabled() | IngestionFailed() | SourceRejected() | SourceRetired():
            return "careful"
        case DeploymentEnabled() | VisitorAdmitted() | SourceApproved():
            return "good"
        case CallAuthorized() if event.delay_us or event.stepped_down_for:
            return "careful"
        case CallSettled() if event.overrun_nanos or event.late:
            return "careful"
        case HoldsExpired() | PromptRolledBack() | TopicsRolledBack():
            return "careful"
        case _ if isinstance(event, _CAREFUL):
            return "careful"
        case CallAuthorized() | CallSettled() | HoldExtended() | CreditsAdded() | TwinSignedOff():
            return "good"
        case _:
            return "quiet"


def printable(text: str) -> str:
    """Replace what could move a cursor or end a line."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def _provisioned(event: TenantProvisioned, _tell: Teller) -> str:
    told = f"provisioned {event.display_name!r} of {event.organisation!r}"
    return told if event.activation == "immediate" else f"{told}, to be signed off"


def _suspended(event: TenantSuspended, _tell: Teller) -> str:
    what = "put to sleep" if event.mode == "asleep" else "suspended"
    return f"{what}{because(event.reason)}"


def _resumed(event: TenantResumed, _tell: Teller) -> str:
    return f"resumed{because(event.reason)}"


def _policy_set(event: PolicySet, _tell: Teller) -> str:
    rules = event.policy
    rate, budget = rules.rate, rules.budget
    told = (
        f"policy {event.version} in force: {rate.requests} calls per {rate.period_ms / 1_000:g} s"
        f" (burst {rate.burst}, {rate.overflow}), at most"
        f" {money(budget.monthly_hard_limit_nanos, rules.currency)} a month"
    )
    if budget.soft_cap_permille is not None:
        told += f", from {budget.soft_cap_permille / 10:g} % on only {budget.soft_cap_modality}"
    return f"{told}, clock of {rules.time_zone}{because(event.note)}"


def _prices_set(event: PriceBookSet, _tell: Teller) -> str:
    book = event.price_book
    return (
        f"price book {event.version} in force: {len(book.entries)} products, in {book.currency}"
        f"{because(event.note)}"
    )


def _prompt_saved(event: PromptSaved, _tell: Teller) -> str:
    made_of = f", made from version {event.base_version}" if event.base_version else ""
    return (
        f"prompt {event.version} saved by {event.actor}: {len(event.text)} characters,"
        f" {len(event.variables)} variables{made_of}{because(event.note)}"
    )


def _prompt_live(event: PromptActivated, _tell: Teller) -> str:
    before = f" in place of {event.previous_version}" if event.previous_version else ""
    return f"prompt {event.version} live{before}, by {event.actor}{because(event.reason)}"


def _prompt_back(event: PromptRolledBack, _tell: Teller) -> str:
    return (
        f"prompt rolled back from {event.previous_version} to {event.version}, by {event.actor}"
        f"{because(event.reason)}"
    )


def _topics_set(event: TopicsSet, _tell: Teller) -> str:
    names = ", ".join(topic.name for topic in event.topics) or "none"
    told = f"prohibited topics {event.version} in force, by {event.actor}: {names}"
    return f"{told}{because(event.note)}"


def _topics_back(event: TopicsRolledBack, _tell: Teller) -> str:
    return (
        f"prohibited topics rolled back from {event.previous_version} to {event.version},"
        f" by {event.actor}{because(event.reason)}"
    )


def _drafted(event: IdentityDrafted, _tell: Teller) -> str:
    who = event.identity
    count = len(who.signature_phrases)
    return (
        f"identity {event.version} drafted: {who.tone}; {who.pacing}; {who.language}"
        f"{because(who.accent)}, {count} phrase{'' if count == 1 else 's'}{because(event.note)}"
    )


def _refined(event: IdentityRefined, _tell: Teller) -> str:
    voice = event.refinement
    return (
        f"identity {event.version} drafted: pitch {voice.pitch_permille / 10:g} %,"
        f" speed {voice.speed_permille / 10:g} %{because(event.note)}"
    )


def _purpose_set(event: PurposeSet, _tell: Teller) -> str:
    what = event.purpose
    return (
        f"purpose {event.version} in force: {what.conversion_goal} for {what.audience},"
        f" “{what.call_to_action}”{because(event.note)}"
    )


def _calibrating(event: CalibrationBegun, _tell: Teller) -> str:
    return (
        f"calibration {event.calibration} of identity {event.version} begins: {SAMPLES}"
        f" {event.modality} samples by {event.provider_id}/{event.sku}"
    )


def _sampled(event: SampleRecorded, _tell: Teller) -> str:
    return (
        f"sample {event.number} of calibration {event.calibration} recorded: call"
        f" {event.reservation}{because(event.reference)}"
    )


def _signed_off(event: TwinSignedOff, _tell: Teller) -> str:
    shown = ", ".join(map(str, event.samples))
    return (
        f"identity {event.version} signed off by {event.actor} after samples {shown}; it is live"
        f"{because(event.note)}"
    )


def _retired(event: TwinRetired, _tell: Teller) -> str:
    return f"retired, for ever{because(event.reason)}"


def _month(event: PeriodOpened, tell: Teller) -> str:
    return f"month {event.period} begins; it ends {tell.day(event.ends_us)}"


def _limits(event: MeterLimitsSet, tell: Teller) -> str:
    quotas = {
        "video_minute_unit": event.video_stream_ms_milli,
        "voice_minute_unit": event.voice_stream_ms_milli,
        "text_token_unit": event.text_tokens_milli,
        "data_request": event.data_requests_milli,
    }
    told = [
        f"{units(limit, SCALES[unit])} {unit}s"  # type: ignore[index]
        for unit, limit in quotas.items()
        if limit >= 0
    ]
    limits = [tell.money(event.money_nanos), *told]
    credit = f"; credits {tell.money(event.credits_nanos)}" if event.credits_nanos else ""
    return f"limits of {event.period}: {', '.join(limits)}{credit}"


def _authorized(event: CallAuthorized, tell: Teller) -> str:
    what = "call" if event.purpose == "live" else event.purpose
    told = f"authorised {event.modality} {what} {event.decision} {event.provider_id}/{event.sku}"
    if event.stepped_down_for:
        told += f" instead of {event.requested} ({event.stepped_down_for})"
    if event.delay_us:
        told += f", to start in {event.delay_us / 1_000:g} ms"
    credit = f" ({tell.money(event.credit_nanos)} on credits)" if event.credit_nanos else ""
    return (
        f"{told}: holds {tell.money(event.amount_nanos)}{credit}"
        f" until {tell.clock(event.expires_at_us)}, {tell.left(event.standing)}"
    )


def _refused(event: CallRefused, tell: Teller) -> str:
    call = f" {event.requested} {event.provider_id}/{event.sku}" if event.requested else ""
    told = f"refused to {event.verb}{call}: {_reason(event.status, event.code)}"
    if event.amount_nanos:
        told += f" It asked for {tell.money(event.amount_nanos)}."
    if event.retry_after_us:
        told += f" It fits in {event.retry_after_us / 1_000:g} ms."
    return f"{told}{_facts(event.facts)} {tell.left(event.standing, 'Remaining')}."


def _counted(event: RefusalsCounted, tell: Teller) -> str:
    counts = ", ".join(f"{count} {code}" for code, count in sorted(event.counts.items()))
    return (
        f"refused {sum(event.counts.values())} more since {tell.clock(event.from_us)},"
        f" counted only: {counts}; they asked for {tell.money(event.amount_nanos)}"
    )


def _extended(event: HoldExtended, tell: Teller) -> str:
    return (
        f"extended {event.modality} call {event.reservation}: holds"
        f" {tell.money(event.amount_nanos)} more until {tell.clock(event.expires_at_us)},"
        f" {tell.left(event.standing)}"
    )


def _settled(event: CallSettled, tell: Teller) -> str:
    flags = [] if event.outcome == "completed" else [event.outcome.replace("_", " ")]
    if event.late:
        flags.append("late: its hold had run out")
    if event.overrun_nanos:
        flags.append(f"{tell.money(event.overrun_nanos)} that no hold backed")
    if event.credit_nanos:
        flags.append(f"{tell.money(event.credit_nanos)} from credits")
    flagged = f" ({'; '.join(flags)})" if flags else ""
    return (
        f"settled {event.modality} call {event.reservation} {event.provider_id}/{event.sku}:"
        f" {_usage(event.usage)} cost {tell.money(event.cost_nanos)}{flagged},"
        f" {tell.left(event.standing)}"
    )


def _released(event: HoldReleased, tell: Teller) -> str:
    return (
        f"released {event.modality} call {event.reservation}: {tell.money(event.held_nanos)} free"
        f" again{because(event.reason)}, {tell.left(event.standing)}"
    )


def _expired(event: HoldsExpired, tell: Teller) -> str:
    freed = sum(hold.held_nanos for hold in event.holds)
    calls = ", ".join(str(hold.reservation) for hold in event.holds[:5])
    more = f" and {len(event.holds) - 5} more" if len(event.holds) > 5 else ""  # noqa: PLR2004
    return f"ran out unsettled: call {calls}{more}; {tell.money(freed)} free again"


def _topped_up(event: CreditsAdded, tell: Teller) -> str:
    return (
        f"topped up {tell.money(event.amount_nanos)} of credits{because(event.reason)},"
        f" {tell.left(event.standing)}"
    )


def _command_refused(event: CommandRefused, _tell: Teller) -> str:
    told = f"refused {event.noun} {event.verb}: {_reason(event.status, event.code)}"
    return f"{told}{_facts(event.facts)}"


def _reason(status: int, code: str) -> str:
    known = BY_CODE.get(code)
    return f"{status} {code}. {known.message}" if known else f"{status} {code}."


def _facts(facts: dict[str, int | str]) -> str:
    return f" [{', '.join(f'{name}: {value}' for name, value in facts.items())}]" if facts else ""


def _usage(usage: Usage) -> str:
    named = {
        "input tokens": usage.input_tokens,
        "output tokens": usage.output_tokens,
        "ms": usage.stream_ms,
        "characters": usage.characters,
        "requests": usage.requests,
        "turns": usage.turns,
    }
    return ", ".join(f"{count:,} {name}" for name, count in named.items() if count) or "nothing"


_WORDS: dict[type[AnyEvent], Callable[[Any, Teller], str]] = {
    TenantProvisioned: _provisioned,
    TenantSuspended: _suspended,
    TenantResumed: _resumed,
    PolicySet: _policy_set,
    PriceBookSet: _prices_set,
    IdentityDrafted: _drafted,
    IdentityRefined: _refined,
    PurposeSet: _purpose_set,
    CalibrationBegun: _calibrating,
    SampleRecorded: _sampled,
    TwinSignedOff: _signed_off,
    TwinRetired: _retired,
    PeriodOpened: _month,
    MeterLimitsSet: _limits,
    CallAuthorized: _authorized,
    CallRefused: _refused,
    RefusalsCounted: _counted,
    HoldExtended: _extended,
    CallSettled: _settled,
    HoldReleased: _released,
    HoldsExpired: _expired,
    CreditsAdded: _topped_up,
    CommandRefused: _command_refused,
    **identity_words.WORDS,
    PromptSaved: _prompt_saved,
    PromptActivated: _prompt_live,
    PromptRolledBack: _prompt_back,
    TopicsSet: _topics_set,
    TopicsRolledBack: _topics_back,
    **deployment_words.WORDS,
    **knowledge_words.WORDS,
    **vault_words.WORDS,
    **session_words.WORDS,
}
