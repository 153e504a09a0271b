"""One valid example of every message; used by the tests of schema, round trip and spelling."""

from __future__ import annotations

from contracts import budget, data_key, policy, price_book, replies, secret, tenant, views
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
    views.SecretsView(
        tenant="cantor",
        position=17,
        key_version=1,
        secrets=[
            views.SecretName(
                name="openai",
                last_version=2,
                versions=[
                    views.SecretVersion(
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
]

MESSAGES = [*COMMANDS, *EVENTS, *REPLIES, *VIEWS]
