"""One valid example of every message; used by the tests of schema, round trip and spelling."""

from __future__ import annotations

from contracts import (
    access,
    account,
    budget,
    bundle,
    data_key,
    deployment,
    knowledge,
    policy,
    price_book,
    prompt,
    questions,
    replies,
    secret,
    tenant,
    topics,
    twin,
    views,
)
from contracts.usage import Units, Usage

AT_US = 1_794_312_000_000_000
PRINT = bytes(range(8))
STANDING = budget.Standing(40_000, 102_300_000, 1_000_000_000, 5_000, 1_796_083_200_000_000)
USAGE = Usage(input_tokens=374, output_tokens=44, turns=1)
UNITS = Units(tokens_milli=418_000, turns_milli=1_000)
HEAD = (42, "req-7f3a", PRINT, AT_US)

POLICY = policy.Policy(
    rate=policy.RatePolicy(requests=50, burst=50, overflow="queue", queue_max_delay_ms=2_000),
    budget=policy.BudgetPolicy(
        monthly_hard_limit_nanos=25_000_000_000, soft_cap_permille=800, soft_cap_modality="text"
    ),
    modalities=["video", "voice", "text", "data"],
    ladder=["video", "voice", "text"],
    quotas=policy.Quotas(video_minute_units=600, data_requests=10_000),
    session=policy.SessionLimits(max_minute_units=60),
    unit_weights=policy.UnitWeights(minute_unit_milli=1_500),
    time_zone="Europe/Madrid",
    currency="EUR",
)
PRICE_BOOK = price_book.PriceBook(
    entries=[
        price_book.PriceEntry(
            provider_id="openai",
            sku="gpt-4o-mini",
            modality="text",
            prices={
                "input_tokens": price_book.Price(150_000_000, 1_000_000),
                "output_tokens": price_book.Price(600_000_000, 1_000_000),
            },
            provenance=price_book.Provenance(
                source="https://example.com/pricing", retrieved_on="2026-11-01", note="list price"
            ),
        )
    ],
    currency="EUR",
)
FALLBACK = budget.CallOption(
    modality="text", provider_id="openai", sku="gpt-4o-mini", estimate=USAGE
)
PROMPT_TEXT = "Saluda a {{user_name}}: ¡Goooool!\n\tCon \\{{calma}}."
VARIABLES = [
    prompt.Variable(name="user_name", required=True, max_length=80),
    prompt.Variable(name="goals", type="integer", default=0),
    prompt.Variable(name="vip", type="boolean", default=False),
    prompt.Variable(
        name="subscription_tier", type="choice", default="free", choices=["free", "pro"]
    ),
]
TOPICS = [topics.Topic(name="apuestas", phrases=["casa de apuestas", "quiniela"])]

HASH = bytes(range(32))
SECRET = "0aZ" * 14 + "9"
ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43
PERSON, KEY_ID, OTHER_KEY_ID, INVITATION_ID = (
    "ana-1",
    "k7f3a9c2d4e5",
    "k8f3a9c2d4e5",
    "i7f3a9c2d4e5",
)
IDENTITY = twin.Identity(
    tone="Euphoric",
    pacing="Fast, high energy",
    language="es-AR",
    accent="Rioplatense Spanish",
    signature_phrases=["¡Goooool!", "¡Gol de mi vida! ⚽"],
)
REFINEMENT = twin.Refinement(pitch_permille=1_050, speed_permille=1_200)
PURPOSE = twin.Purpose(
    audience="Soccer fans aged 18-50",
    conversion_goal="entertainment",
    call_to_action="Download the app!",
    goal_note="maximise watch time",
)

VISITOR = "5f2a9c0d7be14c3f"
TERMS = deployment.DeploymentTerms(
    surface="web_widget",
    ceiling="voice",
    origins=["https://tvazteca.example", "https://xn--ftbol-7ua.example:8443"],
    mints_per_minute=1_200,
    expires_at_us=1_796_083_200_000_000,
)
DISCLOSURE = deployment.Disclosure("Hablas con una IA.\n¡Goooool!", "es-MX")
CONTENT = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

COMMANDS = [
    tenant.ProvisionTenant(
        command_id="provision-1",
        display_name="Andrés Cantor",
        organisation="Telemundo",
        policy=POLICY,
        price_book=PRICE_BOOK,
    ),
    tenant.SuspendTenant(command_id="s-1", mode="asleep", reason="match is over"),
    tenant.ResumeTenant(command_id="r-1", reason="next match"),
    policy.SetPolicy(command_id="p-2", policy=POLICY, expected_version=1, note="match day"),
    price_book.SetPriceBook(command_id="b-2", price_book=PRICE_BOOK, expected_version=1),
    budget.AuthorizeCall(
        command_id="req-7f3a",
        modality="voice",
        provider_id="cartesia",
        sku="sonic-2",
        estimate=Usage(stream_ms=30_000, characters=500),
        fallbacks=[FALLBACK],
        ttl_ms=60_000,
        session_id="visitor-12",
        max_delay_ms=500,
    ),
    budget.SettleCall(
        command_id="settle-1",
        reservation_id="cantor.42",
        usage=USAGE,
        outcome="cut_off",
        vendor_ref="chatcmpl-abc",
    ),
    budget.ExtendCall(
        command_id="extend-1", reservation_id="cantor.42", estimate=USAGE, ttl_ms=30_000
    ),
    budget.ReleaseCall(command_id="release-1", reservation_id="cantor.42", reason="no answer"),
    budget.TopUpCredits(command_id="top-1", amount_nanos=5_000_000_000, reason="invoice 17"),
    access.InviteMember(
        command_id="a-1",
        invitation_id=INVITATION_ID,
        email="Ana@Example.com",
        role="editor",
        secret_hash=HASH,
        expires_at_us=AT_US,
    ),
    access.WithdrawInvitation(command_id="a-2", invitation_id=INVITATION_ID),
    access.AcceptInvitation(
        command_id="a-3", invitation_id=INVITATION_ID, secret=SECRET, person=PERSON
    ),
    access.ChangeRole(command_id="a-4", person=PERSON, role="owner"),
    access.RemoveMember(command_id="a-5", person=PERSON, reason="has left"),
    access.IssueKey(
        command_id="a-6",
        key_id=KEY_ID,
        label="livekit-agent",
        scopes=["calls", "agent"],
        secret_hash=HASH,
        expires_at_us=AT_US,
    ),
    access.RotateKey(
        command_id="a-7",
        key_id=KEY_ID,
        new_key_id=OTHER_KEY_ID,
        secret_hash=HASH,
        overlap_ms=60_000,
        expires_at_us=AT_US,
    ),
    access.RevokeKey(command_id="a-8", key_id=KEY_ID, reason="leaked"),
    access.BreakGlass(command_id="a-9", reason="ticket 4711", ttl_s=600),
    account.FoundPlatform(command_id="c-1", person=PERSON, email="ana@example.com"),
    account.RegisterAccount(
        command_id="c-2", person=PERSON, email="ana@example.com", password_hash=ARGON2ID
    ),
    account.SetPassword(command_id="c-3", person=PERSON, password_hash=ARGON2ID, keep_session=HASH),
    account.RehashPassword(command_id="c-12", person=PERSON, password_hash=ARGON2ID, replaces=HASH),
    account.IssueLink(command_id="c-4", person=PERSON, secret_hash=HASH, expires_at_us=AT_US),
    account.OpenSession(
        command_id="c-5",
        person=PERSON,
        session_hash=HASH,
        expires_at_us=AT_US,
        user_agent="Firefox 140 on Linux",
        link=SECRET,
    ),
    account.CloseSessions(command_id="c-6", person=PERSON, session_hash=HASH),
    account.CountSignInFailure(command_id="c-7", person=PERSON),
    account.GrantAdmin(command_id="c-8", person=PERSON),
    account.WithdrawAdmin(command_id="c-9", person=PERSON),
    account.LockAccount(command_id="c-10", person=PERSON, reason="lost laptop"),
    account.UnlockAccount(command_id="c-11", person=PERSON),
    twin.SetIdentity(command_id="i-1", identity=IDENTITY, expected_version=0, note="first"),
    twin.SetPurpose(command_id="u-1", purpose=PURPOSE, expected_version=0, note="season"),
    twin.RefineTwin(command_id="f-1", refinement=REFINEMENT, expected_version=1, note="higher"),
    twin.BeginCalibration(command_id="c-1", version=2, provider_id="tavus", sku="cvi"),
    twin.RecordSample(command_id="m-1", reservation_id="cantor.42", reference="call-7"),
    twin.SignOffTwin(command_id="o-1", version=2, note="¡Soy yo!"),
    twin.RetireTwin(command_id="e-1", reason="contract ended"),
    prompt.SavePrompt(
        command_id="save-1",
        text=PROMPT_TEXT,
        variables=VARIABLES,
        expected_version=3,
        base_version=2,
        note="más calma",
    ),
    prompt.ActivatePrompt(command_id="act-1", version=4, expected_active=3, reason="semifinal"),
    prompt.RollBackPrompt(command_id="back-1", version=3, expected_active=4, reason="too loud"),
    topics.SetTopics(
        command_id="topics-1", topics=TOPICS, expected_version=0, base_version=0, note="legal"
    ),
    topics.RollBackTopics(command_id="back-2", version=1, expected_active=2, reason="too wide"),
    deployment.CreateDeployment(
        command_id="d-1", deployment="web", terms=TERMS, disclosure=DISCLOSURE, note="match day"
    ),
    deployment.ChangeDeployment(
        command_id="d-2", deployment="web", terms=TERMS, expected_version=1, note="one more host"
    ),
    deployment.SetDisclosure(
        command_id="d-3", deployment="web", disclosure=DISCLOSURE, expected_version=1, note="legal"
    ),
    deployment.EnableDeployment(command_id="d-4", deployment="web", note="go"),
    deployment.DisableDeployment(command_id="d-5", deployment="web", note="stop"),
    deployment.MintVisitor(
        command_id="d-6",
        deployment="web",
        visitor_id=VISITOR,
        origin="https://tvazteca.example",
        ttl_s=600,
    ),
    knowledge.AddSource(
        command_id="k-1",
        source="rules",
        kind="web",
        title="Reglas del juego",
        location="https://example.com/reglas?año=2026",
        note="for the World Cup",
    ),
    knowledge.SubmitSource(command_id="k-2", source="rules", note="new edition"),
    knowledge.BeginIngestion(command_id="k-3", source="rules"),
    knowledge.ReportIngested(
        command_id="k-4",
        source="rules",
        ingestion=42,
        content_hash=CONTENT,
        chunks=128,
        summary="Las 17 reglas,\nuna por una.",
    ),
    knowledge.ReportFailed(command_id="k-5", source="rules", ingestion=42, reason="404"),
    knowledge.ApproveSource(
        command_id="k-6", source="rules", content_hash=CONTENT, note="read it all"
    ),
    knowledge.RejectSource(
        command_id="k-7", source="rules", content_hash=CONTENT, note="last year's"
    ),
    knowledge.RetireSource(command_id="k-8", source="rules", note="World Cup is over"),
    secret.PutSecret(command_id="put-1", name="openai", value="sk-¡ñ"),
    secret.RotateSecret(command_id="put-2", name="openai", value="sk-2", overlap_ms=60_000),
    secret.RevokeSecret(command_id="rev-1", name="openai", version=1, reason="leaked"),
    secret.OpenSecret(command_id="open-1", name="openai", reservation_id="cantor.42", version=2),
    data_key.RotateDataKey(command_id="key-1"),
    data_key.RewrapDataKey(command_id="key-2"),
    tenant.EraseTenant(command_id="erase-1", confirm="cantor", reason="contract ended"),
]

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
    knowledge.IngestionBegun(*HEAD, "rules", "key_ingest"),
    knowledge.SourceIngested(
        *HEAD, "rules", 41, CONTENT, 128, "Las 17 reglas.", True, "key_ingest"
    ),
    knowledge.IngestionFailed(*HEAD, "rules", 41, "404", "key_ingest"),
    knowledge.SourceApproved(*HEAD, "rules", 41, CONTENT, 128, "read it all", "person_bea"),
    knowledge.SourceRejected(*HEAD, "rules", 41, CONTENT, "last year's", "person_bea"),
    knowledge.SourceRetired(*HEAD, "rules", "World Cup is over", "person_bea"),
    secret.SecretPut(*HEAD, "openai", 3, b"box", 1, [1, 2], "person_ana"),
    secret.SecretRotated(*HEAD, "openai", 2, b"box", 1, 1, AT_US + 60_000_000, "person_ana"),
    secret.SecretRevoked(*HEAD, "openai", [1, 2], "leaked", "person_ana"),
    secret.SecretOpened(*HEAD, "openai", 2, 40, "key_agent7"),
    secret.SecretReopened(AT_US, 42, "openai", 2, 40, "key_agent7"),
    data_key.DataKeyRotated(*HEAD, 2, "operator"),
    tenant.TenantErased(*HEAD, "contract ended", "admin_eva"),
]

REPLIES = [
    replies.Decision(
        decision="DOWNGRADE",
        status=200,
        code="granted",
        command_id="req-7f3a",
        decision_id="cantor.42",
        position=17,
        reservation_id="cantor.42",
        requested="voice",
        modality="text",
        provider_id="openai",
        sku="gpt-4o-mini",
        delay_us=15_000,
        expires_at_us=AT_US + 120_000_000,
        amount_nanos=82_500,
        policy_version=2,
        price_version=1,
        committed_nanos=40_000,
        held_nanos=102_300_000,
        limit_nanos=1_000_000_000,
        credits_nanos=5_000,
        remaining_nanos=897_665_000,
        resets_at_us=1_796_083_200_000_000,
        facts={"stepped_down_for": "soft_cap_reached"},
    ),
    replies.Receipt(
        status=200,
        code="settled",
        command_id="settle-1",
        decision_id="cantor.43",
        position=18,
        reservation_id="cantor.42",
        cost_nanos=69_000,
    ),
    replies.OpenedSecret(
        status=200,
        code="secret_opened",
        command_id="open-1",
        decision_id="cantor.44",
        position=19,
        reservation_id="cantor.42",
        name="openai",
        version=2,
        value="sk-2",
    ),
    replies.Problem(
        type="about:blank",
        title="The message is not a valid command",
        status=400,
        code="malformed_command",
        detail="Object missing required field `command_id`",
        remedy="Send what contracts/asyncapi.json says of AuthorizeCall.",
    ),
]

VIEWS = [
    views.TenantView(
        tenant="cantor",
        position=17,
        status="active",
        display_name="Andrés Cantor",
        organisation="Telemundo",
        decisions=42,
        last_event_at_us=AT_US,
    ),
    views.PolicyView(tenant="cantor", position=17, version=2, policy=POLICY),
    views.PriceBookView(tenant="cantor", position=17, version=1, price_book=PRICE_BOOK),
    views.BudgetView(
        tenant="cantor",
        position=17,
        period="2026-11",
        starts_us=1_793_491_200_000_000,
        resets_at_us=1_796_083_200_000_000,
        currency="EUR",
        policy_version=2,
        meters=[
            views.Meter(
                meter="money",
                committed=69_000,
                held=0,
                limit=10**9,
                remaining=999_931_000,
                scale=10**9,
            ),
            views.Meter(
                meter="token_unit", committed=1, held=2, limit=None, remaining=None, scale=10**6
            ),
        ],
        remaining_nanos=999_931_000,
        open_holds=3,
        next_expiry_us=AT_US + 60_000_000,
        overruns=0,
        overrun_nanos=0,
        late_settlements=0,
    ),
    views.RateView(
        tenant="cantor",
        position=17,
        now_us=AT_US,
        tat_us=AT_US + 20_000,
        interval_us=20_000,
        burst=50,
        queue_max_us=2_000_000,
        delay_us=0,
        retry_after_us=0,
    ),
    secret.SecretsView(
        tenant="cantor",
        position=17,
        key_version=1,
        secrets=[
            secret.SecretName(
                name="openai",
                last_version=2,
                versions=[
                    secret.SecretVersion(
                        version=2,
                        at_us=AT_US,
                        actor="person_ana",
                        until_us=None,
                        openings=7,
                        last_opened_at_us=AT_US,
                    )
                ],
            )
        ],
    ),
    views.AccessView(
        tenant="cantor",
        position=17,
        members=[views.MemberShown(person=PERSON, email="ana@example.com", role="owner")],
        invitations=[
            views.InvitationShown(
                invitation_id=INVITATION_ID,
                email="bob@example.com",
                role="viewer",
                expires_at_us=AT_US,
            )
        ],
        keys=[
            views.KeyShown(
                key_id=KEY_ID,
                label="livekit-agent",
                scopes=["calls"],
                issued_at_us=AT_US,
                expires_at_us=None,
            )
        ],
        glasses=[views.GlassShown(person="root", until_us=AT_US)],
    ),
    views.AccountView(
        tenant="platform",
        position=17,
        total=1,
        accounts=[
            views.AccountShown(
                person=PERSON,
                email="ana@example.com",
                is_admin=True,
                locked=False,
                sessions=2,
                blocked_until_us=0,
            )
        ],
    ),
    views.TwinView(
        tenant="cantor",
        position=17,
        status="active",
        live=views.IdentityVersion(
            version=1,
            identity=IDENTITY,
            refinement=twin.Refinement(),
            drafted_by="person_ana",
            drafted_at_us=AT_US,
            signed_off_by="person_andres",
            signed_off_at_us=AT_US,
        ),
        draft=views.IdentityVersion(
            version=2,
            identity=IDENTITY,
            refinement=REFINEMENT,
            drafted_by="person_ana",
            drafted_at_us=AT_US,
        ),
        purpose=views.PurposeVersion(
            version=1, purpose=PURPOSE, set_by="person_ana", set_at_us=AT_US
        ),
        calibration=views.Calibration(
            number=1,
            version=2,
            modality="video",
            provider_id="tavus",
            sku="cvi",
            calls_left=2,
            samples=[
                views.Sample(
                    reservation_id="cantor.42", state="recorded", number=1, reference="call-7"
                )
            ],
        ),
        missing=[
            views.Step(command="twin.record_sample", why="1 of 3 samples are recorded."),
            views.Step(command="twin.sign_off", why="The Owner has not signed the draft off."),
        ],
    ),
    views.DeploymentView(
        tenant="cantor",
        position=17,
        deployments=[
            views.DeploymentShown(
                deployment="web",
                enabled=True,
                version=2,
                terms=TERMS,
                disclosure_version=1,
                disclosure=DISCLOSURE.text,
                language="es-MX",
            )
        ],
    ),
    views.KnowledgeView(
        tenant="cantor",
        position=17,
        sources=[
            views.SourceShown(
                source="rules",
                kind="web",
                title="Reglas del juego",
                stage="review",
                ingestion=41,
                draft_hash=CONTENT,
                draft_chunks=128,
                approved_hash=None,
                approved_chunks=0,
                approved_by="",
                approved_at_us=None,
            )
        ],
    ),
]

_SAVED = views.PromptVersion(
    version=4,
    base_version=2,
    text=PROMPT_TEXT,
    variables=VARIABLES,
    note="más calma",
    author="person_ana",
    saved_at_us=AT_US,
)
VIEWS += [
    views.PromptView(
        tenant="cantor",
        position=17,
        active=_SAVED,
        active_by="person_eva",
        active_since_us=AT_US,
        latest=_SAVED,
        kept_from=1,
    ),
    views.TopicsView(
        tenant="cantor",
        position=17,
        version=1,
        topics=TOPICS,
        latest_version=2,
        active_by="person_ana",
        active_since_us=AT_US,
        kept_from=1,
    ),
    bundle.BundleView(
        tenant="cantor",
        position=17,
        revision=42,
        hash="0" * 64,
        content=bundle.BundleContent(
            prompt=bundle.LivePrompt(version=4, text=PROMPT_TEXT, variables=VARIABLES),
            dna=bundle.LiveDna(
                identity=bundle.LiveIdentity(version=3, identity=IDENTITY, refinement=REFINEMENT),
                purpose=bundle.LivePurpose(version=2, purpose=PURPOSE),
            ),
            topics=bundle.LiveTopics(version=1, topics=TOPICS),
        ),
    ),
]

QUESTIONS = [
    questions.PreviewPrompt(
        text=PROMPT_TEXT,
        variables=VARIABLES,
        values={"user_name": "Ana", "goals": 3, "vip": True},
    ),
    questions.CheckTopics(text="¿En qué casa de apuestas?"),
]
ANSWERS = [
    questions.PromptPreview(
        tenant="cantor",
        position=17,
        version=None,
        text=None,
        faults=[questions.Fault("values.goals", "must be a whole number")],
    ),
    questions.TopicsCheck(
        tenant="cantor",
        position=17,
        version=1,
        findings=[questions.Finding("apuestas", "casa de apuestas", 8, 24)],
    ),
]

MESSAGES = [*COMMANDS, *EVENTS, *REPLIES, *VIEWS, *QUESTIONS, *ANSWERS]
