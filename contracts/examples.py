"""
An example of every command, as the documents show it: valid, and with every field worth showing.

They belong together: one twin, Andrés Cantor's, on its way from the first day to the last.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

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
from contracts.commands import AnyCommand
from contracts.usage import Usage

AT_US: Final = 1_794_312_000_000_000
USAGE: Final = Usage(input_tokens=374, output_tokens=44, turns=1)
POLICY: Final = policy.Policy(
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
PRICE_BOOK: Final = price_book.PriceBook(
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
FALLBACK: Final = budget.CallOption(
    modality="text", provider_id="openai", sku="gpt-4o-mini", estimate=USAGE
)
PROMPT_TEXT: Final = "Saluda a {{user_name}}: ¡Goooool!\n\tCon \\{{calma}}."
VARIABLES: Final = [
    prompt.Variable(name="user_name", required=True, max_length=80),
    prompt.Variable(name="goals", type="integer", default=0),
    prompt.Variable(name="vip", type="boolean", default=False),
    prompt.Variable(
        name="subscription_tier", type="choice", default="free", choices=["free", "pro"]
    ),
]
TOPICS: Final = [topics.Topic(name="apuestas", phrases=["casa de apuestas", "quiniela"])]

HASH: Final = bytes(range(32))
SECRET: Final = "0aZ" * 14 + "9"
ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$" + "A" * 43
PERSON: Final = "ana-1"
KEY_ID: Final = "k7f3a9c2d4e5"
OTHER_KEY_ID: Final = "k8f3a9c2d4e5"
INVITATION_ID: Final = "i7f3a9c2d4e5"
IDENTITY: Final = twin.Identity(
    tone="Euphoric",
    pacing="Fast, high energy",
    language="es-AR",
    accent="Rioplatense Spanish",
    signature_phrases=["¡Goooool!", "¡Gol de mi vida! ⚽"],
)
REFINEMENT: Final = twin.Refinement(pitch_permille=1_050, speed_permille=1_200)
PURPOSE: Final = twin.Purpose(
    audience="Soccer fans aged 18-50",
    conversion_goal="entertainment",
    call_to_action="Download the app!",
    goal_note="maximise watch time",
)

VISITOR: Final = "5f2a9c0d7be14c3f"
TERMS: Final = deployment.DeploymentTerms(
    surface="web_widget",
    ceiling="voice",
    origins=["https://tvazteca.example", "https://xn--ftbol-7ua.example:8443"],
    mints_per_minute=1_200,
    expires_at_us=1_796_083_200_000_000,
)
DISCLOSURE: Final = deployment.Disclosure("Hablas con una IA.\n¡Goooool!", "es-MX")
CONTENT: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_ALL: Final[tuple[AnyCommand, ...]] = (
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
    access.ReportDenial(
        command_id="a-10",
        principal=f"key_{KEY_ID}",
        door="http",
        noun="budget",
        verb="show",
        code="caller_unknown",
        status=403,
        about="fernandez",
        times=3,
    ),
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
    knowledge.ReportProgress(command_id="k-9", source="rules", ingestion=42, step="reading"),
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
    session.BeginSession(
        command_id="v-1", session_id=VISITOR, modality="voice", deployment="web", lease_ms=60_000
    ),
    session.ShowDisclosure(command_id="v-2", session_id=VISITOR, version=2),
    session.BeatSession(command_id="v-3", session_id=VISITOR),
    session.StepSession(
        command_id="v-4",
        session_id=VISITOR,
        modality="text",
        why="quota_exhausted",
        notice="spoken",
    ),
    session.CiteAnswer(
        command_id="v-8",
        session_id=VISITOR,
        turn="t-1",
        citations=[
            citation.Citation(
                source="rules", content_hash=CONTENT, chunk=3, score_permille=812, page=2
            )
        ],
    ),
    session.EndSession(command_id="v-5", session_id=VISITOR, reason="user_exit", note="¡adiós!"),
    session.KillSession(command_id="v-6", session_id=VISITOR, note="abusive"),
    session.KillAllSessions(command_id="v-7", note="wrong prompt"),
)

EXAMPLES: Final[dict[type[AnyCommand], AnyCommand]] = {type(one): one for one in _ALL}


def shown(command: type[AnyCommand]) -> dict[str, Any]:
    """Return the example of a command as JSON has it."""
    fields: dict[str, Any] = msgspec.to_builtins(EXAMPLES[command])
    return fields
