"""
Views: what the gate answers to `qry.<tenant>.<noun>.show`, from its live state.

They contain every decision up to *position*, and nothing that is not durable yet. Of a twin that
was never provisioned, *status* is `absent`, versions are 0 and the rest is empty.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from contracts.access import Role, Scope
from contracts.bundle import BundleView
from contracts.deployment import DeploymentTerms
from contracts.knowledge import IngestionStep, SourceKind, Stage
from contracts.message import Modality, Reply
from contracts.policy import Policy
from contracts.price_book import PriceBook
from contracts.prompt import Variable
from contracts.secret import SecretsView
from contracts.session import SessionsView
from contracts.tenant import TenantStatus
from contracts.topics import Topic
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


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """
    One step of the ladder. *stopped_by* is the code of what refuses even the smallest call there
    now, empty where calls are granted; *message* says it in words.
    """

    modality: Modality
    stopped_by: str = ""
    message: str = ""


class BudgetView(Reply, frozen=True, kw_only=True):
    """
    The current month, [starts, ends), as the gate has it.

    *remaining_nanos* is what a new call could still hold: of the month's limit and of credits.
    Overruns and late settlements are those of the month. *next_expiry_us* is when the next open
    hold runs out. *ladder* has its steps from the dearest down, or what is allowed where there
    is none: where all are stopped, the twin is asleep until the month ends or somebody tops it up.
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
    ladder: list[Rung] = []


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


class MemberShown(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the twin."""

    person: str
    email: str
    role: Role


class InvitationShown(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that was not accepted yet; it may have run out."""

    invitation_id: str
    email: str
    role: Role
    expires_at_us: int


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """An API key that was not revoked; it may have run out. Null: it never does."""

    key_id: str
    label: str
    scopes: list[Scope]
    issued_at_us: int
    expires_at_us: int | None


class GlassShown(msgspec.Struct, frozen=True, kw_only=True):
    """A super admin who sees what an Owner sees, until *until_us*."""

    person: str
    until_us: int


class AccessView(Reply, frozen=True, kw_only=True):
    """Who belongs to the twin, and what opens it. No secret and no hash of one is shown."""

    tenant: str
    position: int
    members: list[MemberShown]
    invitations: list[InvitationShown]
    keys: list[KeyShown]
    glasses: list[GlassShown]


class AccountShown(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can sign in. *blocked_until_us*: too many passwords were wrong; 0: not so."""

    person: str
    email: str
    is_admin: bool
    locked: bool
    sessions: int
    blocked_until_us: int


class AccountView(Reply, frozen=True, kw_only=True):
    """
    The accounts of the platform, by e-mail address, at most 1,000 of *total*.

    Empty for a twin: accounts are in the log of `platform`.
    """

    tenant: str
    position: int
    total: int
    accounts: list[AccountShown]


class PromptVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the system prompt, as its author saved it."""

    version: int
    base_version: int
    text: str
    variables: list[Variable]
    note: str
    author: str
    saved_at_us: int


class PromptView(Reply, frozen=True, kw_only=True):
    """
    The live version of the system prompt and the latest one, which may be the same.

    *kept_from* is the oldest version that can be made live at once, 0 when there is none.
    *active_by* approved what is live, at *active_since_us*, by the decision *active_decision*:
    bundles of that revision, and later ones, have it.
    """

    tenant: str
    position: int
    active: PromptVersion | None
    active_by: str
    active_since_us: int | None
    latest: PromptVersion | None
    kept_from: int
    active_decision: int = 0


class TopicsView(Reply, frozen=True, kw_only=True):
    """
    The prohibited topics in force; version 0: none were ever set.

    *latest_version* is another one after a rollback. For the rest see PromptView.
    """

    tenant: str
    position: int
    version: int
    topics: list[Topic]
    latest_version: int
    active_by: str
    active_since_us: int | None
    kept_from: int
    active_decision: int = 0


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
    *step* is how far an ingestion is, *upload* the SHA-256 of the file that was brought last.
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
    upload: str | None = None
    step: IngestionStep | None = None
    draft_flags: int = 0


class KnowledgeView(Reply, frozen=True, kw_only=True):
    """Every source of the twin, in the order in which they were added."""

    tenant: str
    position: int
    sources: list[SourceShown]


View: TypeAlias = (
    TenantView
    | PolicyView
    | PriceBookView
    | BudgetView
    | RateView
    | AccessView
    | AccountView
    | PromptView
    | TopicsView
    | BundleView
    | TwinView
    | DeploymentView
    | KnowledgeView
    | SecretsView
    | SessionsView
)
ViewNoun: TypeAlias = Literal[
    "tenant",
    "policy",
    "price_book",
    "budget",
    "rate",
    "access",
    "account",
    "prompt",
    "topics",
    "bundle",
    "twin",
    "deployment",
    "knowledge",
    "secret",
    "session",
]

VIEWS: dict[ViewNoun, type[View]] = {
    "tenant": TenantView,
    "policy": PolicyView,
    "price_book": PriceBookView,
    "budget": BudgetView,
    "rate": RateView,
    "access": AccessView,
    "account": AccountView,
    "prompt": PromptView,
    "topics": TopicsView,
    "bundle": BundleView,
    "twin": TwinView,
    "deployment": DeploymentView,
    "knowledge": KnowledgeView,
    "secret": SecretsView,
    "session": SessionsView,
}
