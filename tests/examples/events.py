"""One valid example of every event."""

from __future__ import annotations

from contracts import (
    access,
    account,
    budget,
    citation,
    data_key,
    deployment,
    knowledge,
    policy,
    price_book,
    prompt,
    secret,
    session,
    tenant,
    topics,
    twin,
)
from contracts.examples import (
    ARGON2ID,
    AT_US,
    CONTENT,
    DISCLOSURE,
    HASH,
    IDENTITY,
    INVITATION_ID,
    KEY_ID,
    OTHER_KEY_ID,
    PERSON,
    POLICY,
    PRICE_BOOK,
    PROMPT_TEXT,
    PURPOSE,
    REFINEMENT,
    TERMS,
    TOPICS,
    USAGE,
    VARIABLES,
    VISITOR,
)
from contracts.usage import Units

PRINT = bytes(range(8))
STANDING = budget.Standing(40_000, 102_300_000, 1_000_000_000, 5_000, 1_796_083_200_000_000)
UNITS = Units(tokens_milli=418_000, turns_milli=1_000)
HEAD = (42, "req-7f3a", PRINT, AT_US)

EVENTS = [
    tenant.TenantProvisioned(*HEAD, "Andrés Cantor", "Telemundo", "owner"),
    tenant.TenantSuspended(*HEAD, "suspended", "", "owner"),
    tenant.TenantResumed(*HEAD, "", "owner"),
    policy.PolicySet(*HEAD, 2, POLICY, "match day", "owner"),
    price_book.PriceBookSet(*HEAD, 2, PRICE_BOOK, "", "owner"),
    budget.PeriodOpened(AT_US, "2026-11", 1_793_491_200_000_000, 1_796_083_200_000_000),
    budget.MeterLimitsSet(AT_US, "2026-11", 25_000_000_000, 5_000, 36_000_000_000, -1, -1, -1),
    budget.CallAuthorized(
        *HEAD,
        "voice",
        "text",
        "soft_cap_reached",
        "openai",
        "gpt-4o-mini",
        USAGE,
        "2026-11",
        82_500,
        2_500,
        UNITS,
        AT_US + 20_000,
        15_000,
        AT_US + 120_000_000,
        "visitor-12",
        2,
        1,
        STANDING,
    ),
    budget.CallRefused(
        *HEAD,
        "authorize",
        "rate_limited",
        429,
        "text",
        "openai",
        "gpt-4o-mini",
        82_500,
        15_000,
        2,
        1,
        {"tried": "text: rate_limited"},
        STANDING,
    ),
    budget.RefusalsCounted(AT_US, AT_US - 1_000_000, AT_US, {"rate_limited": 980}, 80_850_000),
    budget.HoldExtended(
        *HEAD,
        40,
        "text",
        "2026-11",
        USAGE,
        82_500,
        0,
        UNITS,
        AT_US + 60_000_000,
        "visitor-12",
        2,
        STANDING,
    ),
    budget.CallSettled(
        *HEAD,
        40,
        "completed",
        "text",
        "openai",
        "gpt-4o-mini",
        USAGE,
        "2026-11",
        69_000,
        0,
        0,
        False,
        UNITS,
        82_500,
        2_500,
        UNITS,
        "visitor-12",
        "chatcmpl-abc",
        2,
        1,
        STANDING,
    ),
    budget.HoldReleased(
        *HEAD, 40, "text", "2026-11", 82_500, 2_500, UNITS, "visitor-12", "no answer", STANDING
    ),
    budget.HoldsExpired(
        AT_US, [budget.ExpiredHold(40, "text", "2026-11", 82_500, 2_500, UNITS, "visitor-12")]
    ),
    budget.CreditsAdded(*HEAD, 5_000_000_000, "invoice 17", "owner", STANDING),
    budget.CommandRefused(
        *HEAD, "budget", "settle", "hold_unknown", 404, {"field": "usage", "n": 1}, STANDING
    ),
    access.CallerRefused(
        42, "req-7f3a", AT_US, "person_bob", "policy", "set", "caller_not_allowed", 403
    ),
    access.DenialReported(
        *HEAD,
        f"key_{KEY_ID}",
        "http",
        "budget",
        "show",
        "caller_unknown",
        403,
        "fernandez",
        3,
        "operator",
    ),
    access.MemberInvited(
        *HEAD, INVITATION_ID, "ana@example.com", "editor", HASH, AT_US, "person_owner"
    ),
    access.InvitationWithdrawn(*HEAD, INVITATION_ID, "person_owner"),
    access.InvitationAccepted(
        *HEAD, INVITATION_ID, PERSON, "ana@example.com", "editor", "person_ana-1"
    ),
    access.RoleChanged(*HEAD, PERSON, "owner", "editor", "person_owner"),
    access.MemberRemoved(*HEAD, PERSON, "has left", "person_owner"),
    access.KeyIssued(
        *HEAD, KEY_ID, "livekit-agent", ["calls", "agent"], HASH, AT_US, "person_owner"
    ),
    access.KeyRotated(
        *HEAD, KEY_ID, AT_US, OTHER_KEY_ID, "livekit-agent", ["calls"], HASH, 0, "person_owner"
    ),
    access.KeyRevoked(*HEAD, KEY_ID, "leaked", "person_owner"),
    access.GlassBroken(*HEAD, "root", "ticket 4711", AT_US, "admin_root"),
    account.PlatformFounded(*HEAD, PERSON, "ana@example.com", "operator"),
    account.AccountRegistered(*HEAD, PERSON, "ana@example.com", ARGON2ID, "person_ana-1"),
    account.PasswordSet(*HEAD, PERSON, ARGON2ID, "person_ana-1"),
    account.PasswordRehashed(*HEAD, PERSON, ARGON2ID, "operator"),
    account.LinkIssued(*HEAD, PERSON, HASH, AT_US, "operator"),
    account.SessionOpened(*HEAD, PERSON, HASH, AT_US, "Firefox 140", HASH, "person_ana-1"),
    account.SessionsClosed(*HEAD, PERSON, [HASH], "signed out", "person_ana-1"),
    account.SignInFailed(*HEAD, PERSON, 6, AT_US, "person_ana-1"),
    account.AdminGranted(*HEAD, PERSON, "admin_root"),
    account.AdminWithdrawn(*HEAD, PERSON, "admin_root"),
    account.AccountLocked(*HEAD, PERSON, "lost laptop", "admin_root"),
    account.AccountUnlocked(*HEAD, PERSON, "admin_root"),
    twin.IdentityDrafted(*HEAD, 1, IDENTITY, twin.Refinement(), "first", "person_ana"),
    twin.IdentityRefined(*HEAD, 2, IDENTITY, REFINEMENT, "higher", "person_ana"),
    twin.PurposeSet(*HEAD, 1, PURPOSE, "season", "person_ana"),
    twin.CalibrationBegun(*HEAD, 2, 1, "video", "tavus", "cvi", "person_ana"),
    twin.SampleRecorded(*HEAD, 2, 1, 3, 42, "call-7", "key_k1"),
    twin.TwinSignedOff(*HEAD, 2, 1, [40, 41, 42], "active", "¡Soy yo!", "person_andres"),
    twin.TwinRetired(*HEAD, "contract ended", "person_andres"),
    prompt.PromptSaved(*HEAD, 4, 2, PROMPT_TEXT, VARIABLES, "más calma", "person_ana"),
    prompt.PromptActivated(*HEAD, 4, 3, "semifinal", "person_eva"),
    prompt.PromptRolledBack(*HEAD, 3, 4, "too loud", "person_eva"),
    topics.TopicsSet(*HEAD, 2, 1, TOPICS, "legal", "person_ana"),
    topics.TopicsRolledBack(*HEAD, 1, 2, "too wide", "person_ana"),
    deployment.DeploymentCreated(
        *HEAD, "web", 1, TERMS, DISCLOSURE.text, "es-MX", "match day", "person_ana"
    ),
    deployment.DeploymentChanged(*HEAD, "web", 2, TERMS, "one more host", "person_ana"),
    deployment.DisclosureSet(*HEAD, "web", 2, "Soy una IA.", "es", "legal", "person_ana"),
    deployment.DeploymentEnabled(*HEAD, "web", "go", "person_ana"),
    deployment.DeploymentDisabled(*HEAD, "web", "stop", "person_ana"),
    deployment.VisitorAdmitted(
        *HEAD,
        "web",
        VISITOR,
        "https://tvazteca.example",
        "voice",
        AT_US + 900_000_000,
        2,
        "key_web",
    ),
    knowledge.SourceAdded(
        *HEAD, "rules", "web", "Reglas", "https://example.com/reglas", "", "person_ana"
    ),
    knowledge.SourceSubmitted(*HEAD, "rules", "new edition", "person_ana"),
    knowledge.IngestionBegun(*HEAD, "rules", "key_ingest", 2),
    knowledge.IngestionAdvanced(*HEAD, "rules", 41, "reading", CONTENT, "key_ingest"),
    knowledge.SourceIngested(
        *HEAD, "rules", 41, CONTENT, 128, "Las 17 reglas.", True, "key_ingest"
    ),
    knowledge.IngestionFailed(*HEAD, "rules", 41, "404", "key_ingest"),
    knowledge.SourceApproved(*HEAD, "rules", 41, CONTENT, 128, "read it all", "person_bea"),
    knowledge.SourceRejected(*HEAD, "rules", 41, CONTENT, "last year's", "person_bea"),
    knowledge.SourceRetired(*HEAD, "rules", "World Cup is over", "person_bea"),
    secret.SecretPut(*HEAD, "openai", 3, b"box", 1, [1, 2], "person_ana", "4d1f"),
    secret.SecretRotated(
        *HEAD, "openai", 2, b"box", 1, 1, AT_US + 60_000_000, "person_ana", "4d1f"
    ),
    secret.SecretRevoked(*HEAD, "openai", [1, 2], "leaked", "person_ana"),
    secret.SecretOpened(*HEAD, "openai", 2, 40, "key_agent7"),
    secret.SecretReopened(AT_US, 42, "openai", 2, 40, "key_agent7"),
    data_key.DataKeyRotated(*HEAD, 2, "operator"),
    tenant.TenantErased(*HEAD, "contract ended", "admin_eva"),
    session.SessionBegun(
        *HEAD,
        VISITOR,
        "voice",
        "web",
        2,
        DISCLOSURE.text,
        "es-MX",
        60_000_000,
        AT_US + 60_000_000,
        AT_US + 900_000_000,
        42,
        CONTENT,
        3,
        2,
        1,
        1,
        CONTENT,
        [session.PinnedSource("rules", CONTENT)],
        f"visitor_{VISITOR}",
    ),
    session.DisclosureShown(*HEAD, VISITOR, 2, f"visitor_{VISITOR}"),
    session.SessionRenewed(*HEAD, VISITOR, AT_US + 90_000_000, "voice", f"visitor_{VISITOR}"),
    session.SessionStepped(
        *HEAD, VISITOR, "voice", "text", "quota_exhausted", "spoken", f"visitor_{VISITOR}"
    ),
    session.AnswerCited(
        *HEAD,
        VISITOR,
        "t-1",
        [
            citation.Citation(
                source="rules", content_hash=CONTENT, chunk=3, score_permille=812, page=2
            )
        ],
        0,
        "operator",
    ),
    session.SessionEnded(*HEAD, VISITOR, "user_exit", "¡adiós!", f"visitor_{VISITOR}"),
    session.SessionKilled(*HEAD, VISITOR, "abusive", "person_ana"),
    session.SessionsKilled(*HEAD, 2, "wrong prompt", "person_ana"),
    session.SessionsEnded(
        AT_US,
        [
            session.GoneSession(VISITOR, "deployment_disabled"),
            session.GoneSession("s-2", "lease_expired"),
        ],
    ),
]
