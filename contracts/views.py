"""
Views: what the gate answers to `qry.<tenant>.<noun>.show`, from its live state.

They contain every decision up to *position*, and nothing that is not durable yet. Of a twin that
was never provisioned, *status* is `absent`, versions are 0 and the rest is empty.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from contracts.message import Reply
from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.tenant import TenantStatus

MeterName: TypeAlias = Literal[
    "money",
    "credits",
    "token_unit",
    "minute_unit",
    "interaction_unit",
    "video_minute_unit",
    "voice_minute_unit",
    "text_token_unit",
    "data_request",
]


class TenantView(Reply, frozen=True, kw_only=True):
    """A twin as a whole. *decisions* counts what is recorded of it, refusals included."""

    tenant: str
    position: int
    status: TenantStatus
    display_name: str
    organisation: str
    decisions: int
    last_event_at_us: int | None


class PolicyView(Reply, frozen=True, kw_only=True):
    """The policy in force."""

    tenant: str
    position: int
    version: int
    policy: Policy | None


class PriceBookView(Reply, frozen=True, kw_only=True):
    """The price book in force. Open holds may have been granted at earlier ones."""

    tenant: str
    position: int
    version: int
    price_book: PriceBook | None


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """
    One meter, in whole grains: *scale* of them are one unit (1,000,000,000 nanos are one of money).

    *limit* and *remaining* are null where there is no limit. `credits` have no month.
    """

    meter: MeterName
    committed: int
    held: int
    limit: int | None
    remaining: int | None
    scale: int


class BudgetView(Reply, frozen=True, kw_only=True):
    """
    The current month, [starts, ends), as the gate has it.

    *remaining_nanos* is what a new call could still hold: of the month's limit and of credits.
    Overruns and late settlements are those of the month. *next_expiry_us* is when the next open
    hold runs out.
    """

    tenant: str
    position: int
    period: str
    starts_us: int | None
    resets_at_us: int | None
    currency: str
    policy_version: int
    meters: list[Meter]
    remaining_nanos: int
    open_holds: int
    next_expiry_us: int | None
    overruns: int
    overrun_nanos: int
    late_settlements: int


class RateView(Reply, frozen=True, kw_only=True):
    """
    The leaky bucket at *now_us*. A call that came now would wait *delay_us*.

    When that passes *queue_max_us* it would be refused, and fit after *retry_after_us*.
    """

    tenant: str
    position: int
    now_us: int
    tat_us: int
    interval_us: int
    burst: int
    queue_max_us: int
    delay_us: int
    retry_after_us: int


class SecretVersion(msgspec.Struct, frozen=True, kw_only=True):
    """
    One version that can be opened, until *until_us* if that is not null.

    *openings* counts how often it was, the last time at *last_opened_at_us*.
    """

    version: int
    at_us: int
    actor: str
    until_us: int | None
    openings: int
    last_opened_at_us: int | None


class SecretName(msgspec.Struct, frozen=True, kw_only=True):
    """One name. *last_version* counts all versions there ever were."""

    name: str
    last_version: int
    versions: list[SecretVersion]


class SecretsView(Reply, frozen=True, kw_only=True):
    """
    What is in the vault, by name; no value, and nothing made from one.

    *key_version* is the version of the data key that seals what is new.
    """

    tenant: str
    position: int
    key_version: int
    secrets: list[SecretName]


View: TypeAlias = TenantView | PolicyView | PriceBookView | BudgetView | RateView | SecretsView
ViewNoun: TypeAlias = Literal["tenant", "policy", "price_book", "budget", "rate", "secret"]

VIEWS: dict[ViewNoun, type[View]] = {
    "tenant": TenantView,
    "policy": PolicyView,
    "price_book": PriceBookView,
    "budget": BudgetView,
    "rate": RateView,
    "secret": SecretsView,
}
