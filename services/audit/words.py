"""Events in plain words, one line each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any, Literal, TypeAlias

import msgspec

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
    Standing,
)
from contracts.commit import AnyEvent
from contracts.data_key import DataKeyRotated
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.secret import (
    SecretOpened,
    SecretPut,
    SecretReopened,
    SecretRevoked,
    SecretRotated,
)
from contracts.tenant import TenantErased, TenantProvisioned, TenantResumed, TenantSuspended
from contracts.usage import Usage
from domain.refusals import BY_CODE
from domain.views import SCALES
from services.audit.amounts import money, units
from services.audit.moments import local

Mood: TypeAlias = Literal["good", "careful", "refused", "quiet"]


class Where(msgspec.Struct, frozen=True):
    """On whose clock times are told (None: this machine's) and in whose currency money is."""

    zone: tzinfo | None = None
    currency: str = ""


def sentence(event: AnyEvent, where: Where) -> str:
    """Say what happened. Texts of callers are made harmless for a terminal."""
    return printable(_WORDS[type(event)](event, _Teller(where)))


def mood(event: AnyEvent) -> Mood:
    """Say how to colour it."""
    match event:
        case CallRefused() | CommandRefused() | RefusalsCounted() | TenantSuspended():
            return "refused"
        case TenantErased() | SecretRevoked():
            return "refused"
        case SecretPut() | SecretRotated() | SecretOpened() | SecretReopened() | DataKeyRotated():
            return "careful"
        case CallAuthorized() if event.delay_us or event.stepped_down_for:
            return "careful"
        case CallSettled() if event.overrun_nanos or event.late:
            return "careful"
        case HoldsExpired():
            return "careful"
        case CallAuthorized() | CallSettled() | HoldExtended() | CreditsAdded():
            return "good"
        case _:
            return "quiet"


def printable(text: str) -> str:
    """Replace what could move a cursor or end a line."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


class _Teller:
    """Spells money and times as the tenant would."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def money(self, nanos: int) -> str:
        return money(nanos, self._where.currency)

    def clock(self, at_us: int) -> str:
        return f"{local(at_us, self._where.zone):%H:%M:%S}"

    def day(self, at_us: int) -> str:
        return f"{local(at_us, self._where.zone):%Y-%m-%d %H:%M}"

    def left(self, standing: Standing, word: str = "remaining") -> str:
        return f"{word} {self.money(standing.remaining_nanos)}"


def _provisioned(event: TenantProvisioned, _tell: _Teller) -> str:
    return f"provisioned {event.display_name!r} of {event.organisation!r}"


def _suspended(event: TenantSuspended, _tell: _Teller) -> str:
    what = "put to sleep" if event.mode == "asleep" else "suspended"
    return f"{what}{_because(event.reason)}"


def _resumed(event: TenantResumed, _tell: _Teller) -> str:
    return f"resumed{_because(event.reason)}"


def _policy_set(event: PolicySet, _tell: _Teller) -> str:
    rules = event.policy
    rate, budget = rules.rate, rules.budget
    told = (
        f"policy {event.version} in force: {rate.requests} calls per {rate.period_ms / 1_000:g} s"
        f" (burst {rate.burst}, {rate.overflow}), at most"
        f" {money(budget.monthly_hard_limit_nanos, rules.currency)} a month"
    )
    if budget.soft_cap_permille is not None:
        told += f", from {budget.soft_cap_permille / 10:g} % on only {budget.soft_cap_modality}"
    return f"{told}, clock of {rules.time_zone}{_because(event.note)}"


def _prices_set(event: PriceBookSet, _tell: _Teller) -> str:
    book = event.price_book
    return (
        f"price book {event.version} in force: {len(book.entries)} products, in {book.currency}"
        f"{_because(event.note)}"
    )


def _month(event: PeriodOpened, tell: _Teller) -> str:
    return f"month {event.period} begins; it ends {tell.day(event.ends_us)}"


def _limits(event: MeterLimitsSet, tell: _Teller) -> str:
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


def _authorized(event: CallAuthorized, tell: _Teller) -> str:
    told = f"authorised {event.modality} call {event.decision} {event.provider_id}/{event.sku}"
    if event.stepped_down_for:
        told += f" instead of {event.requested} ({event.stepped_down_for})"
    if event.delay_us:
        told += f", to start in {event.delay_us / 1_000:g} ms"
    credit = f" ({tell.money(event.credit_nanos)} on credits)" if event.credit_nanos else ""
    return (
        f"{told}: holds {tell.money(event.amount_nanos)}{credit}"
        f" until {tell.clock(event.expires_at_us)}, {tell.left(event.standing)}"
    )


def _refused(event: CallRefused, tell: _Teller) -> str:
    call = f" {event.requested} {event.provider_id}/{event.sku}" if event.requested else ""
    told = f"refused to {event.verb}{call}: {_reason(event.status, event.code)}"
    if event.amount_nanos:
        told += f" It asked for {tell.money(event.amount_nanos)}."
    if event.retry_after_us:
        told += f" It fits in {event.retry_after_us / 1_000:g} ms."
    return f"{told}{_facts(event.facts)} {tell.left(event.standing, 'Remaining')}."


def _counted(event: RefusalsCounted, tell: _Teller) -> str:
    counts = ", ".join(f"{count} {code}" for code, count in sorted(event.counts.items()))
    return (
        f"refused {sum(event.counts.values())} more since {tell.clock(event.from_us)},"
        f" counted only: {counts}; they asked for {tell.money(event.amount_nanos)}"
    )


def _extended(event: HoldExtended, tell: _Teller) -> str:
    return (
        f"extended {event.modality} call {event.reservation}: holds"
        f" {tell.money(event.amount_nanos)} more until {tell.clock(event.expires_at_us)},"
        f" {tell.left(event.standing)}"
    )


def _settled(event: CallSettled, tell: _Teller) -> str:
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


def _released(event: HoldReleased, tell: _Teller) -> str:
    return (
        f"released {event.modality} call {event.reservation}: {tell.money(event.held_nanos)} free"
        f" again{_because(event.reason)}, {tell.left(event.standing)}"
    )


def _expired(event: HoldsExpired, tell: _Teller) -> str:
    freed = sum(hold.held_nanos for hold in event.holds)
    calls = ", ".join(str(hold.reservation) for hold in event.holds[:5])
    more = f" and {len(event.holds) - 5} more" if len(event.holds) > 5 else ""  # noqa: PLR2004
    return f"ran out unsettled: call {calls}{more}; {tell.money(freed)} free again"


def _topped_up(event: CreditsAdded, tell: _Teller) -> str:
    return (
        f"topped up {tell.money(event.amount_nanos)} of credits{_because(event.reason)},"
        f" {tell.left(event.standing)}"
    )


def _command_refused(event: CommandRefused, _tell: _Teller) -> str:
    told = f"refused {event.noun} {event.verb}: {_reason(event.status, event.code)}"
    return f"{told}{_facts(event.facts)}"


def _erased(event: TenantErased, _tell: _Teller) -> str:
    return f"erased by {event.actor}{_because(event.reason)}; its keys are destroyed next"


def _secret_put(event: SecretPut, _tell: _Teller) -> str:
    return f"put secret {event.name}, version {event.version}, by {event.actor}"


def _secret_rotated(event: SecretRotated, tell: _Teller) -> str:
    return (
        f"rotated secret {event.name} to version {event.version}, by {event.actor};"
        f" version {event.replaced} until {tell.day(event.replaced_until_us)}"
    )


def _secret_revoked(event: SecretRevoked, _tell: _Teller) -> str:
    versions = ", ".join(map(str, event.versions))
    return (
        f"revoked secret {event.name}, version {versions}, by {event.actor}{_because(event.reason)}"
    )


def _secret_opened(event: SecretOpened, _tell: _Teller) -> str:
    return (
        f"opened secret {event.name}, version {event.version}, to {event.actor}"
        f" for call {event.reservation}"
    )


def _secret_reopened(event: SecretReopened, _tell: _Teller) -> str:
    return (
        f"opened secret {event.name}, version {event.version}, to {event.actor} again"
        f" for call {event.reservation}, as decision {event.opening} did"
    )


def _key_rotated(event: DataKeyRotated, _tell: _Teller) -> str:
    return f"rotated the data key to version {event.version}, by {event.actor}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


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


_WORDS: dict[type[AnyEvent], Callable[[Any, _Teller], str]] = {
    TenantProvisioned: _provisioned,
    TenantSuspended: _suspended,
    TenantResumed: _resumed,
    PolicySet: _policy_set,
    PriceBookSet: _prices_set,
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
    TenantErased: _erased,
    SecretPut: _secret_put,
    SecretRotated: _secret_rotated,
    SecretRevoked: _secret_revoked,
    SecretOpened: _secret_opened,
    SecretReopened: _secret_reopened,
    DataKeyRotated: _key_rotated,
}
