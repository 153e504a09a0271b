"""Governance: the decisions about a twin that are not about one call."""

from __future__ import annotations

from contracts.access import OPERATOR
from contracts.budget import CreditsAdded, PeriodOpened, TopUpCredits
from contracts.commit import AnyEvent
from contracts.data_key import DataKeyRotated, RotateDataKey
from contracts.policy import Policy, PolicySet, SetPolicy
from contracts.price_book import PriceBook, PriceBookSet, SetPriceBook
from contracts.session import EndReason
from contracts.tenant import (
    RESERVED_NAMES,
    EraseTenant,
    ProvisionTenant,
    ResumeTenant,
    SuspendTenant,
    TenantErased,
    TenantProvisioned,
    TenantResumed,
    TenantSuspended,
)
from domain import budget, data_key, policy, price_book, session, tenant
from domain.period import month_after, month_at
from domain.refusals import (
    CREDITS_TOO_LARGE,
    IMMEDIATE_NOT_ALLOWED,
    NOT_SUSPENDED,
    POLICY_INVALID,
    PRICE_BOOK_INVALID,
    RESERVED_NAME,
    TWIN_EXISTS,
    TWIN_UNKNOWN,
    VERSION_CONFLICT,
    Refusal,
)
from domain.refusing import refuse
from domain.state import Envelope, State, head
from domain.vault_refusals import CONFIRMATION_DIFFERS, KEY_ROTATED_JUST_NOW, TOO_MANY_KEY_VERSIONS

CREDITS_MAX_NANOS = 9_000_000_000_000_000


def open_month(state: State, rules: Policy, now_us: int) -> list[AnyEvent]:
    """
    Return the facts that begin the month of *now_us*. Months never overlap.

    A change of time zone lets the old month end as it was announced. Where that is before the new
    zone's midnight, the next month begins early, once: no hours are left over that would bring a
    whole month's limit of their own.
    """
    money = state.budget
    month = month_at(now_us, rules.time_zone)
    starts_us = month.starts_us
    if money.period:
        following = month_after(money.period, rules.time_zone)
        if month.label <= following.label:
            month, starts_us = following, money.ends_us
    return [
        PeriodOpened(now_us, month.label, starts_us, month.ends_us),
        budget.meter_limits(rules, money.credits_added_nanos, month.label, now_us),
    ]


def top_up(state: State, command: TopUpCredits, envelope: Envelope) -> list[AnyEvent]:
    rules = state.policy.policy
    if rules is None:
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    money = state.budget
    total_nanos = money.credits_added_nanos + command.amount_nanos
    if total_nanos > CREDITS_MAX_NANOS:
        return [refuse(state, command, envelope, CREDITS_TOO_LARGE)]
    limit_nanos = rules.budget.monthly_hard_limit_nanos
    return [
        CreditsAdded(
            *head(state, command, envelope),
            command.amount_nanos,
            command.reason,
            envelope.actor,
            budget.standing(money, limit_nanos, credit=command.amount_nanos),
        ),
        budget.meter_limits(rules, total_nanos, money.period, envelope.now_us),
    ]


def provision(state: State, command: ProvisionTenant, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status != "absent":
        return [refuse(state, command, envelope, TWIN_EXISTS)]
    if state.name in RESERVED_NAMES:
        return [refuse(state, command, envelope, RESERVED_NAME)]
    if command.activation == "immediate" and envelope.actor != OPERATOR:
        return [refuse(state, command, envelope, IMMEDIATE_NOT_ALLOWED)]
    broken = _contradiction(command.policy, command.price_book)
    if broken is not None:
        return [refuse(state, command, envelope, *broken)]
    decided = head(state, command, envelope)
    created = TenantProvisioned(
        *decided,
        command.display_name,
        command.organisation,
        envelope.actor,
        command.activation,
    )
    return [
        created,
        PolicySet(*decided, 1, command.policy, "", envelope.actor),
        PriceBookSet(*decided, 1, command.price_book, "", envelope.actor),
        *open_month(state, command.policy, envelope.now_us),
    ]


def set_policy(state: State, command: SetPolicy, envelope: Envelope) -> list[AnyEvent]:
    if state.policy.policy is None:
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    if command.expected_version not in (None, state.policy.version):
        facts: dict[str, int | str] = {"current_version": state.policy.version}
        return [refuse(state, command, envelope, VERSION_CONFLICT, facts)]
    broken = why_not_policy(state, command.policy)
    if broken is not None:
        return [refuse(state, command, envelope, *broken)]
    return [
        PolicySet(
            *head(state, command, envelope),
            state.policy.version + 1,
            command.policy,
            command.note,
            envelope.actor,
        ),
        budget.meter_limits(
            command.policy,
            state.budget.credits_added_nanos,
            state.budget.period,
            envelope.now_us,
        ),
    ]


def set_price_book(state: State, command: SetPriceBook, envelope: Envelope) -> list[AnyEvent]:
    rules = state.policy.policy
    if rules is None:
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    if command.expected_version not in (None, state.prices.version):
        facts: dict[str, int | str] = {"current_version": state.prices.version}
        return [refuse(state, command, envelope, VERSION_CONFLICT, facts)]
    broken = _contradiction(rules, command.price_book)
    if broken is not None:
        return [refuse(state, command, envelope, *broken)]
    return [
        PriceBookSet(
            *head(state, command, envelope),
            state.prices.version + 1,
            command.price_book,
            command.note,
            envelope.actor,
        )
    ]


def suspend(state: State, command: SuspendTenant, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    ended_for: EndReason = "twin_asleep" if command.mode == "asleep" else "twin_suspended"
    return [
        TenantSuspended(
            *head(state, command, envelope),
            command.mode,
            command.reason,
            envelope.actor,
        ),
        *session.end_all(state.sessions, ended_for, envelope.now_us),
    ]


def resume(state: State, command: ResumeTenant, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    if state.tenant.status not in ("suspended", "asleep"):
        return [refuse(state, command, envelope, NOT_SUSPENDED)]
    return [
        TenantResumed(
            *head(state, command, envelope),
            command.reason,
            envelope.actor,
            tenant.after_resume(state.tenant),
        )
    ]


def erase(state: State, command: EraseTenant, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    if command.confirm != state.name:
        return [refuse(state, command, envelope, CONFIRMATION_DIFFERS)]
    return [
        TenantErased(
            *head(state, command, envelope),
            command.reason,
            envelope.actor,
        )
    ]


def why_not_rotated(state: State, now_us: int) -> Refusal | None:
    """Say why the data key may not be rotated now; versions are many, but not without end."""
    known = state.data_key
    if known.version >= data_key.VERSIONS_MAX:
        return TOO_MANY_KEY_VERSIONS
    if known.rotated_us and now_us < known.rotated_us + data_key.PAUSE_US:
        return KEY_ROTATED_JUST_NOW
    return None


def rotate_key(state: State, command: RotateDataKey, envelope: Envelope) -> list[AnyEvent]:
    if state.tenant.status == "absent":
        return [refuse(state, command, envelope, TWIN_UNKNOWN)]
    stopped = why_not_rotated(state, envelope.now_us)
    if stopped is not None:
        facts: dict[str, int | str] = {"rotated_at_us": state.data_key.rotated_us}
        return [refuse(state, command, envelope, stopped, facts)]
    assert envelope.key_version > state.data_key.version, "the key is made before it is told of"
    return [
        DataKeyRotated(
            *head(state, command, envelope),
            envelope.key_version,
            envelope.actor,
        )
    ]


def why_not_policy(state: State, rules: Policy) -> tuple[Refusal, dict[str, int | str]] | None:
    """Say what is wrong with a policy that the twin is to have, if anything."""
    return _contradiction(rules, None, _currency(state))


def _currency(state: State) -> str:
    return state.prices.book.currency if state.prices.book is not None else ""


_Broken = tuple[Refusal, dict[str, int | str]]


def _contradiction(
    rules: Policy, book: PriceBook | None, currency: str | None = None
) -> _Broken | None:
    """Return what is wrong between the fields of a policy and a price book, if anything."""
    broken = policy.contradiction(rules)
    if broken is not None:
        return POLICY_INVALID, {"field": broken.field, "rule": broken.rule}
    if book is None:
        if currency != rules.currency:
            rule = f"the price book's currency, {currency}"
            return POLICY_INVALID, {"field": "policy.currency", "rule": rule}
        return None
    if book.currency != rules.currency:
        rule = f"the policy's currency, {rules.currency}"
        return PRICE_BOOK_INVALID, {"field": "price_book.currency", "rule": rule}
    index = price_book.duplicate(book)
    if index is not None:
        field = f"price_book.entries[{index}]"
        return PRICE_BOOK_INVALID, {"field": field, "rule": "one entry per provider, sku, modality"}
    return None
