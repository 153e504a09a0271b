"""
What the list of decisions shows of a change that is not about one call.

E-mail addresses, passwords and hashes are left out: every member may read the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from contracts import (
    access,
    account,
    data_key,
    deployment,
    knowledge,
    prompt,
    secret,
    session,
    tenant,
    topics,
    twin,
)


class Decided(NamedTuple):
    """
    The command that an event answers, the code of the answer, and which fields are shown.

    *facts* are shown unless they are empty; *versions* always, because 0 says that there was none.
    """

    noun: str
    verb: str
    code: str
    facts: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    def shown(self, event: Any) -> dict[str, Any]:
        """Return the facts that are worth showing."""
        versions = {name: getattr(event, name) for name in self.versions}
        return versions | {name: value for name in self.facts if (value := getattr(event, name))}


_SAVED: Final = ("version", "base_version")
_PUT_BACK: Final = ("version", "previous_version")
_OF_TERMS: Final = ("deployment", "version", "note")
_OF_SWITCH: Final = ("deployment", "note")
_OF_VISITOR: Final = (
    *("deployment", "visitor_id", "origin", "ceiling", "expires_at_us", "disclosure_version"),
)
_OF_REVIEW: Final = ("source", "content_hash", "note")
_OF_APPROVAL: Final = (*_OF_REVIEW, "flags")
_OF_SOURCE: Final = ("source", "note")

DECIDED: Final[Mapping[type, Decided]] = {
    access.MemberInvited: Decided(
        "access", "invite", "invited", ("invitation_id", "role", "expires_at_us")
    ),
    access.InvitationWithdrawn: Decided("access", "withdraw", "withdrawn", ("invitation_id",)),
    access.InvitationAccepted: Decided(
        "access", "accept", "accepted", ("invitation_id", "person", "role")
    ),
    access.RoleChanged: Decided("access", "change_role", "role_changed", ("person", "role", "was")),
    access.MemberRemoved: Decided(
        "access", "remove_member", "member_removed", ("person", "reason")
    ),
    access.KeyIssued: Decided(
        "access", "issue_key", "key_issued", ("key_id", "label", "scopes", "expires_at_us")
    ),
    access.KeyRotated: Decided(
        "access",
        "rotate_key",
        "key_rotated",
        ("key_id", "old_expires_at_us", "new_key_id", "label", "scopes", "expires_at_us"),
    ),
    access.KeyRevoked: Decided("access", "revoke_key", "key_revoked", ("key_id", "reason")),
    access.GlassBroken: Decided(
        "access", "break_glass", "glass_broken", ("person", "reason", "until_us")
    ),
    account.PlatformFounded: Decided("account", "found", "founded", ("person",)),
    account.AccountRegistered: Decided("account", "register", "registered", ("person",)),
    account.PasswordSet: Decided("account", "set_password", "password_set", ("person",)),
    account.PasswordRehashed: Decided(
        "account", "rehash_password", "password_rehashed", ("person",)
    ),
    account.LinkIssued: Decided(
        "account", "issue_link", "link_issued", ("person", "expires_at_us")
    ),
    account.SessionOpened: Decided(
        "account", "open_session", "session_opened", ("person", "expires_at_us", "user_agent")
    ),
    account.SessionsClosed: Decided(
        "account", "close_sessions", "sessions_closed", ("person", "reason")
    ),
    account.SignInFailed: Decided(
        "account",
        "sign_in_failed",
        "sign_in_counted",
        ("person", "failures", "blocked_until_us"),
    ),
    account.AdminGranted: Decided("account", "grant_admin", "admin_granted", ("person",)),
    account.AdminWithdrawn: Decided("account", "withdraw_admin", "admin_withdrawn", ("person",)),
    account.AccountLocked: Decided("account", "lock", "locked", ("person", "reason")),
    account.AccountUnlocked: Decided("account", "unlock", "unlocked", ("person",)),
    tenant.TenantErased: Decided("tenant", "erase", "erased", ("reason",)),
    secret.SecretPut: Decided("secret", "put", "secret_put", ("name", "version")),
    secret.SecretRotated: Decided(
        "secret", "rotate", "secret_rotated", ("name", "version", "replaced", "replaced_until_us")
    ),
    secret.SecretRevoked: Decided(
        "secret", "revoke", "secret_revoked", ("name", "versions", "reason")
    ),
    secret.SecretOpened: Decided("secret", "open", "secret_opened", ("name", "version")),
    data_key.DataKeyRotated: Decided("data_key", "rotate", "data_key_rotated", ("version",)),
    prompt.PromptSaved: Decided("prompt", "save", "prompt_saved", ("note",), _SAVED),
    prompt.PromptActivated: Decided(
        "prompt", "activate", "prompt_activated", ("reason",), _PUT_BACK
    ),
    prompt.PromptRolledBack: Decided(
        "prompt", "roll_back", "prompt_rolled_back", ("reason",), _PUT_BACK
    ),
    topics.TopicsSet: Decided("topics", "set", "topics_set", ("note",), _SAVED),
    topics.TopicsRolledBack: Decided(
        "topics", "roll_back", "topics_rolled_back", ("reason",), _PUT_BACK
    ),
    twin.IdentityDrafted: Decided("twin", "set_identity", "identity_drafted", ("version", "note")),
    twin.IdentityRefined: Decided("twin", "refine", "identity_refined", ("version", "note")),
    twin.PurposeSet: Decided("twin", "set_purpose", "purpose_set", ("version", "note")),
    twin.CalibrationBegun: Decided(
        "twin",
        "begin_calibration",
        "calibration_begun",
        ("version", "calibration", "modality", "provider_id", "sku"),
    ),
    twin.SampleRecorded: Decided(
        "twin",
        "record_sample",
        "sample_recorded",
        ("version", "calibration", "number", "reference"),
    ),
    twin.TwinSignedOff: Decided(
        "twin", "sign_off", "signed_off", ("version", "calibration", "samples", "note")
    ),
    twin.TwinRetired: Decided("twin", "retire", "retired", ("reason",)),
    deployment.DeploymentCreated: Decided("deployment", "create", "deployment_created", _OF_TERMS),
    deployment.DeploymentChanged: Decided("deployment", "change", "deployment_changed", _OF_TERMS),
    deployment.DisclosureSet: Decided("deployment", "set_disclosure", "disclosure_set", _OF_TERMS),
    deployment.DeploymentEnabled: Decided("deployment", "enable", "deployment_enabled", _OF_SWITCH),
    deployment.DeploymentDisabled: Decided(
        "deployment", "disable", "deployment_disabled", _OF_SWITCH
    ),
    deployment.VisitorAdmitted: Decided("deployment", "mint", "visitor_admitted", _OF_VISITOR),
    knowledge.SourceAdded: Decided(
        "knowledge", "add", "source_added", ("source", "kind", "title", "note")
    ),
    knowledge.SourceSubmitted: Decided("knowledge", "submit", "source_submitted", _OF_SOURCE),
    knowledge.IngestionBegun: Decided(
        "knowledge", "begin_ingestion", "ingestion_begun", ("source",)
    ),
    knowledge.IngestionAdvanced: Decided(
        "knowledge", "report_progress", "ingestion_advanced", ("source", "ingestion", "step")
    ),
    knowledge.SourceIngested: Decided(
        "knowledge", "report_ingested", "source_ingested", ("source", "ingestion", "content_hash")
    ),
    knowledge.IngestionFailed: Decided(
        "knowledge", "report_failed", "ingestion_failed", ("source", "ingestion", "code", "reason")
    ),
    knowledge.SourceApproved: Decided("knowledge", "approve", "source_approved", _OF_APPROVAL),
    knowledge.SourceRejected: Decided("knowledge", "reject", "source_rejected", _OF_REVIEW),
    knowledge.SourceRetired: Decided("knowledge", "retire", "source_retired", _OF_SOURCE),
    session.SessionBegun: Decided(
        "session",
        "open",
        "session_begun",
        (
            "deployment",
            "disclosure_version",
            "expires_at_us",
            "ends_at_us",
            "bundle_revision",
            "on_behalf",
        ),
    ),
    session.DisclosureShown: Decided(
        "session", "show_disclosure", "disclosure_shown", ("version",)
    ),
    session.SessionRenewed: Decided(
        "session", "beat", "session_renewed", ("expires_at_us", "bundle_revision")
    ),
    session.SessionStepped: Decided(
        "session", "step", "session_stepped", ("previous", "why", "notice")
    ),
    session.AnswerCited: Decided(
        "session", "cite", "answer_cited", ("turn", "citations", "unapproved")
    ),
    session.SessionEnded: Decided("session", "close", "session_ended", ("reason", "note")),
    session.SessionKilled: Decided("session", "kill", "session_killed", ("note",)),
    session.SessionsKilled: Decided(
        "session", "kill_all", "sessions_killed", ("note",), ("sessions",)
    ),
}
