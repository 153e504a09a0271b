"""
Views: what the gate answers to `qry.<tenant>.<noun>.show`, from its live state.

They contain every decision up to *position*, and nothing that is not durable yet. Of a twin that
was never provisioned, *status* is `absent`, versions are 0 and the rest is empty.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from contracts.deployment import DeploymentTerms
from contracts.knowledge import SourceKind, Stage
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


class DeploymentShown(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment. *version* is that of its terms; the disclosure has its own."""

    deployment: str
    enabled: bool
    version: int
    terms: DeploymentTerms
    disclosure_version: int
    disclosure: str
    language: str


class DeploymentView(Reply, frozen=True, kw_only=True):
    """Every deployment of the twin, in the order in which they were created."""

    tenant: str
    position: int
    deployments: list[DeploymentShown]


class SourceShown(msgspec.Struct, frozen=True, kw_only=True):
    """
    One source. Of it the content *approved_hash* may be used, and nothing when that is null.

    *draft_hash* waits for a review when *stage* says so; it is null when there is no draft.
    """

    source: str
    kind: SourceKind
    title: str
    stage: Stage
    ingestion: int | None
    draft_hash: str | None
    draft_chunks: int
    approved_hash: str | None
    approved_chunks: int
    approved_by: str
    approved_at_us: int | None


class KnowledgeView(Reply, frozen=True, kw_only=True):
    """Every source of the twin, in the order in which they were added."""

    tenant: str
    position: int
    sources: list[SourceShown]


View: TypeAlias = (
    TenantView | PolicyView | PriceBookView | BudgetView | RateView | DeploymentView | KnowledgeView
)
ViewNoun: TypeAlias = Literal[
    "tenant", "policy", "price_book", "budget", "rate", "deployment", "knowledge"
]

VIEWS: dict[ViewNoun, type[View]] = {
    "tenant": TenantView,
    "policy": PolicyView,
    "price_book": PriceBookView,
    "budget": BudgetView,
    "rate": RateView,
    "deployment": DeploymentView,
    "knowledge": KnowledgeView,
}
