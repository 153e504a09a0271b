"""
Views: what the gate answers to `qry.<tenant>.<noun>.show`, from its live state.

They contain every decision up to *position*, and nothing that is not durable yet. Of a twin that
was never provisioned, *status* is `absent`, versions are 0 and the rest is empty.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from contracts.access import Role, Scope
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


View: TypeAlias = (
    TenantView | PolicyView | PriceBookView | BudgetView | RateView | AccessView | AccountView
)
ViewNoun: TypeAlias = Literal[
    "tenant", "policy", "price_book", "budget", "rate", "access", "account"
]

VIEWS: dict[ViewNoun, type[View]] = {
    "tenant": TenantView,
    "policy": PolicyView,
    "price_book": PriceBookView,
    "budget": BudgetView,
    "rate": RateView,
    "access": AccessView,
    "account": AccountView,
}
