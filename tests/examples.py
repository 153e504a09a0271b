"""One valid example of every message; used by the tests of schema, round trip and spelling."""

from __future__ import annotations

from contracts import (
    budget,
    deployment,
    knowledge,
    policy,
    price_book,
    replies,
    tenant,
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

MESSAGES = [*COMMANDS, *EVENTS, *REPLIES, *VIEWS]
