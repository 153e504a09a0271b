"""
Answers: what the caller is told of a decision. A pure function of the event and its position.

So a repeated command gets the very same answer, also from another worker after a crash.
"""

from __future__ import annotations

import msgspec

from contracts import access, account
from contracts.budget import (
    NO_STANDING,
    CallAuthorized,
    CallRefused,
    CallSettled,
    CommandRefused,
    CreditsAdded,
    HoldExtended,
    HoldReleased,
    Standing,
)
from contracts.data_key import DataKeyRotated
from contracts.deployment import (
    DeploymentChanged,
    DeploymentCreated,
    DeploymentDisabled,
    DeploymentEnabled,
    DisclosureSet,
    VisitorAdmitted,
)
from contracts.knowledge import (
    IngestionAdvanced,
    IngestionBegun,
    IngestionFailed,
    SourceAdded,
    SourceApproved,
    SourceIngested,
    SourceRejected,
    SourceRetired,
    SourceSubmitted,
)
from contracts.policy import PolicySet
from contracts.price_book import PriceBookSet
from contracts.prompt import PromptActivated, PromptRolledBack, PromptSaved
from contracts.replies import Decision, OpenedSecret, Receipt, Verdict
from contracts.secret import SecretOpened, SecretPut, SecretRevoked, SecretRotated
from contracts.session import (
    AnswerCited,
    DisclosureShown,
    SessionBegun,
    SessionEnded,
    SessionKilled,
    SessionRenewed,
    SessionsKilled,
    SessionStepped,
)
from contracts.tenant import TenantErased, TenantProvisioned, TenantResumed, TenantSuspended
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
from domain import conversation
from domain.memory import Decided
from domain.refusals import BY_CODE, Refusal

_MS = 1_000


def answer(
    tenant: str, event: Decided, position: int | None, *, replayed: bool = False
) -> Decision | Receipt:
    """Say what was decided. *position* is None for a refusal that is only counted."""
    reply: Decision | Receipt
    if isinstance(event, CallAuthorized):
        reply = _granted(tenant, event, position)
    elif isinstance(event, CallSettled):
        reply = _settled(tenant, event, position)
    elif isinstance(event, HoldExtended):
        reply = _extended(tenant, event, position)
    elif isinstance(event, CallRefused):
        reply = _refused(tenant, event, position)
    else:
        reply = _receipt(tenant, event, position)
    return msgspec.structs.replace(reply, replayed=True) if replayed else reply


def not_decided(command_id: str, refusal: Refusal, *, retry_after_ms: int | None) -> Decision:
    """Answer a command that the gate could not decide: nothing of it is in the log."""
    return Decision(
        decision="DENY",
        status=refusal.status,
        code=refusal.code,
        command_id=command_id,
        decision_id=None,
        position=None,
        retry_after_ms=retry_after_ms,
        message=refusal.message,
        remedy=refusal.remedy,
    )


def with_value(receipt: Receipt, value: str) -> OpenedSecret:
    """Add a secret's value to the receipt of its opening; keep neither."""
    return OpenedSecret(
        receipt.status,
        receipt.code,
        receipt.command_id,
        receipt.decision_id,
        receipt.position,
        receipt.reservation_id,
        str(receipt.facts["name"]),
        receipt.version,
        value,
        replayed=receipt.replayed,
    )


def verdict(event: CallAuthorized) -> Verdict:
    """Name a grant: a step down says more than a delay."""
    if event.modality != event.requested:
        return "DOWNGRADE"
    return "THROTTLE" if event.delay_us else "PASS"


def _granted(tenant: str, event: CallAuthorized, position: int | None) -> Decision:
    name = f"{tenant}.{event.decision}"
    standing = event.standing
    facts: dict[str, int | str] = {}
    if event.stepped_down_for:
        facts["stepped_down_for"] = event.stepped_down_for
    # By position, in the order of the contract: by keyword it takes twice as long (1 us).
    return Decision(
        verdict(event),
        200,
        "granted",
        event.command_id,
        name,
        position,
        name,
        event.requested,
        event.modality,
        event.provider_id,
        event.sku,
        event.delay_us,
        event.expires_at_us,
        event.amount_nanos,
        event.policy_version,
        event.price_version,
        standing.committed_nanos,
        standing.held_nanos,
        standing.limit_nanos,
        standing.credits_nanos,
        standing.remaining_nanos,
        standing.resets_at_us,
        None,
        "",
        "",
        facts,
    )


def _settled(tenant: str, event: CallSettled, position: int | None) -> Receipt:
    standing = event.standing
    # By position, as above.
    return Receipt(
        200,
        "settled",
        event.command_id,
        f"{tenant}.{event.decision}",
        position,
        f"{tenant}.{event.reservation}",
        event.cost_nanos,
        event.overrun_nanos,
        event.late,
        None,
        standing.committed_nanos,
        standing.held_nanos,
        standing.limit_nanos,
        standing.credits_nanos,
        standing.remaining_nanos,
        standing.resets_at_us,
    )


def _extended(tenant: str, event: HoldExtended, position: int | None) -> Decision:
    standing = event.standing
    return Decision(
        decision="PASS",
        status=200,
        code="extended",
        command_id=event.command_id,
        decision_id=f"{tenant}.{event.decision}",
        position=position,
        reservation_id=f"{tenant}.{event.reservation}",
        requested=event.modality,
        modality=event.modality,
        expires_at_us=event.expires_at_us,
        amount_nanos=event.amount_nanos,
        policy_version=event.policy_version,
        committed_nanos=standing.committed_nanos,
        held_nanos=standing.held_nanos,
        limit_nanos=standing.limit_nanos,
        credits_nanos=standing.credits_nanos,
        remaining_nanos=standing.remaining_nanos,
        resets_at_us=standing.resets_at_us,
    )


def _refused(tenant: str, event: CallRefused, position: int | None) -> Decision:
    refusal = BY_CODE[event.code]
    standing = event.standing
    retry_after_ms = -(-event.retry_after_us // _MS) if event.retry_after_us else None
    return Decision(
        decision="DENY",
        status=event.status,
        code=event.code,
        command_id=event.command_id,
        decision_id=f"{tenant}.{event.decision}" if position is not None else None,
        position=position,
        requested=event.requested,
        provider_id=event.provider_id,
        sku=event.sku,
        amount_nanos=event.amount_nanos,
        policy_version=event.policy_version,
        price_version=event.price_version,
        committed_nanos=standing.committed_nanos,
        held_nanos=standing.held_nanos,
        limit_nanos=standing.limit_nanos,
        credits_nanos=standing.credits_nanos,
        remaining_nanos=standing.remaining_nanos,
        resets_at_us=standing.resets_at_us or None,
        retry_after_ms=retry_after_ms,
        message=refusal.message,
        remedy=refusal.remedy,
        facts=event.facts,
    )


def _receipt(tenant: str, event: Decided, position: int | None) -> Receipt:
    refusal = BY_CODE[event.code] if isinstance(event, CommandRefused) else None
    standing = _standing(event)
    return Receipt(
        status=refusal.status if refusal else 200,
        code=refusal.code if refusal else _DONE[type(event)],
        command_id=event.command_id,
        decision_id=f"{tenant}.{event.decision}" if position is not None else None,
        position=position,
        reservation_id=(
            f"{tenant}.{event.reservation}"
            if isinstance(event, HoldReleased | SampleRecorded | SecretOpened)
            else None
        ),
        version=getattr(event, "version", None),
        committed_nanos=standing.committed_nanos,
        held_nanos=standing.held_nanos,
        limit_nanos=standing.limit_nanos,
        credits_nanos=standing.credits_nanos,
        remaining_nanos=standing.remaining_nanos,
        resets_at_us=standing.resets_at_us or None,
        message=refusal.message if refusal else "",
        remedy=refusal.remedy if refusal else "",
        facts=_facts(event),
    )


def _standing(event: Decided) -> Standing:
    if isinstance(event, HoldReleased | CommandRefused | CreditsAdded):
        return event.standing
    return NO_STANDING


def _facts(event: Decided) -> dict[str, int | str]:
    """Return what a caller cannot know by itself, because the gate has decided it."""
    if isinstance(event, CommandRefused):
        return event.facts
    if isinstance(event, IngestionBegun):
        return {
            "source": event.source,
            "ingestion": event.decision,
            "attempt": event.attempt,
        }
    if isinstance(event, SampleRecorded):
        return {"calibration": event.calibration, "sample": event.number}
    if isinstance(event, SecretRevoked):
        return {"versions": ", ".join(map(str, event.versions))}
    return {name: getattr(event, name) for name in _TOLD.get(type(event), ())}


_TOLD: dict[type[Decided], tuple[str, ...]] = {
    access.KeyRotated: ("old_expires_at_us",),
    access.InvitationAccepted: ("role",),
    access.GlassBroken: ("until_us",),
    account.SignInFailed: ("failures", "blocked_until_us"),
    PromptActivated: ("previous_version",),
    PromptRolledBack: ("previous_version",),
    TopicsRolledBack: ("previous_version",),
    PromptSaved: ("base_version",),
    TopicsSet: ("base_version",),
    CalibrationBegun: ("calibration", "modality"),
    VisitorAdmitted: (
        "deployment",
        "visitor_id",
        "origin",
        "ceiling",
        "expires_at_us",
        "disclosure_version",
    ),
    IngestionAdvanced: ("source", "step"),
    SourceIngested: ("source", "content_hash"),
    SourceApproved: ("source", "content_hash"),
    SourceRejected: ("source", "content_hash"),
    SecretOpened: ("name",),
    SecretRotated: ("replaced", "replaced_until_us"),
    SessionBegun: (
        "session_id",
        "modality",
        "deployment",
        "disclosure_version",
        "disclosure",
        "language",
        "expires_at_us",
        "ends_at_us",
        "bundle_revision",
        "bundle_hash",
        "identity_version",
        "policy_version",
        "price_version",
        "knowledge_sources",
        "knowledge_hash",
    ),
    DisclosureShown: ("session_id",),
    SessionRenewed: ("session_id", "modality", "expires_at_us"),
    SessionStepped: ("session_id", "previous", "modality"),
    AnswerCited: ("session_id", "turn", "unapproved"),
    SessionEnded: ("session_id", "reason"),
    SessionKilled: ("session_id",),
    SessionsKilled: ("sessions",),
}
_DONE: dict[type[Decided], str] = {
    HoldReleased: "released",
    CreditsAdded: "topped_up",
    TenantProvisioned: "provisioned",
    TenantSuspended: "suspended",
    TenantResumed: "resumed",
    PolicySet: "policy_set",
    PriceBookSet: "price_book_set",
    access.MemberInvited: "invited",
    access.InvitationWithdrawn: "withdrawn",
    access.InvitationAccepted: "accepted",
    access.RoleChanged: "role_changed",
    access.MemberRemoved: "member_removed",
    access.KeyIssued: "key_issued",
    access.KeyRotated: "key_rotated",
    access.KeyRevoked: "key_revoked",
    access.GlassBroken: "glass_broken",
    access.DenialReported: "denial_reported",
    account.PlatformFounded: "founded",
    account.AccountRegistered: "registered",
    account.PasswordSet: "password_set",
    account.PasswordRehashed: "password_rehashed",
    account.LinkIssued: "link_issued",
    account.SessionOpened: "session_opened",
    account.SessionsClosed: "sessions_closed",
    account.SignInFailed: "sign_in_counted",
    account.AdminGranted: "admin_granted",
    account.AdminWithdrawn: "admin_withdrawn",
    account.AccountLocked: "locked",
    account.AccountUnlocked: "unlocked",
    PromptSaved: "prompt_saved",
    PromptActivated: "prompt_activated",
    PromptRolledBack: "prompt_rolled_back",
    TopicsSet: "topics_set",
    TopicsRolledBack: "topics_rolled_back",
    IdentityDrafted: "identity_drafted",
    IdentityRefined: "identity_refined",
    PurposeSet: "purpose_set",
    CalibrationBegun: "calibration_begun",
    SampleRecorded: "sample_recorded",
    TwinSignedOff: "signed_off",
    TwinRetired: "retired",
    DeploymentCreated: "deployment_created",
    DeploymentChanged: "deployment_changed",
    DisclosureSet: "disclosure_set",
    DeploymentEnabled: "deployment_enabled",
    DeploymentDisabled: "deployment_disabled",
    VisitorAdmitted: "visitor_admitted",
    SourceAdded: "source_added",
    SourceSubmitted: "source_submitted",
    IngestionBegun: "ingestion_begun",
    IngestionAdvanced: "ingestion_advanced",
    SourceIngested: "source_ingested",
    IngestionFailed: "ingestion_failed",
    SourceApproved: "source_approved",
    SourceRejected: "source_rejected",
    SourceRetired: "source_retired",
    SecretPut: "secret_put",
    SecretRotated: "secret_rotated",
    SecretRevoked: "secret_revoked",
    SecretOpened: "secret_opened",
    DataKeyRotated: "data_key_rotated",
    TenantErased: "erased",
    SessionBegun: "session_begun",
    DisclosureShown: "disclosure_shown",
    SessionRenewed: conversation.BEATEN,
    SessionStepped: "session_stepped",
    AnswerCited: "answer_cited",
    SessionEnded: "session_ended",
    SessionKilled: "session_killed",
    SessionsKilled: "sessions_killed",
}
