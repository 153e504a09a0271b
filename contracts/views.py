"""
Views: what the gate answers to `qry.<tenant>.<noun>.show`, from its live state.

They contain every decision up to *position*, and nothing that is not durable yet. Of a twin that
was never provisioned, *status* is `absent`, versions are 0 and the rest is empty.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from contracts.message import Modality, Reply
from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.tenant import TenantStatus
from contracts.twin import Identity, Purpose, Refinement

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


class IdentityVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the identity. *signed_off_by* is empty for a draft."""

    version: int
    identity: Identity
    refinement: Refinement
    drafted_by: str
    drafted_at_us: int
    signed_off_by: str = ""
    signed_off_at_us: int | None = None


class PurposeVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The version of the purpose that is in force."""

    version: int
    purpose: Purpose
    set_by: str
    set_at_us: int


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A calibration call. *number* is 0 until it is recorded as a sample."""

    reservation_id: str
    state: Literal["open", "settled", "recorded", "lost"]
    number: int = 0
    reference: str = ""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The round that is under way. *calls_left*: calls that may still be granted in it."""

    number: int
    version: int
    modality: Modality
    provider_id: str
    sku: str
    calls_left: int
    samples: list[Sample]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is missing: the *command* that would do it, and *why*."""

    command: str
    why: str


class TwinView(Reply, frozen=True, kw_only=True):
    """
    Who the twin is and what it is for. *missing*, in order: what its draft needs to go live.

    *live* is what agents play; *draft* is what waits for its sign-off.
    """

    tenant: str
    position: int
    status: TenantStatus
    live: IdentityVersion | None
    draft: IdentityVersion | None
    purpose: PurposeVersion | None
    calibration: Calibration | None
    missing: list[Step]


View: TypeAlias = TenantView | PolicyView | PriceBookView | BudgetView | RateView | TwinView
ViewNoun: TypeAlias = Literal["tenant", "policy", "price_book", "budget", "rate", "twin"]

VIEWS: dict[ViewNoun, type[View]] = {
    "tenant": TenantView,
    "policy": PolicyView,
    "price_book": PriceBookView,
    "budget": BudgetView,
    "rate": RateView,
    "twin": TwinView,
}
