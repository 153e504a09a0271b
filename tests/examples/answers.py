"""One valid example of every question and of every answer: replies, views."""

from __future__ import annotations

from contracts import bundle, lookup, questions, replies, secret, session, twin, views
from contracts.examples import (
    AT_US,
    CONTENT,
    DISCLOSURE,
    IDENTITY,
    INVITATION_ID,
    KEY_ID,
    PERSON,
    POLICY,
    PRICE_BOOK,
    PROMPT_TEXT,
    PURPOSE,
    REFINEMENT,
    TERMS,
    TOPICS,
    VARIABLES,
    VISITOR,
)
from contracts.usage import Usage

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

_SESSION = session.SessionShown(
    session_id=VISITOR,
    status="open",
    deployment="web",
    wanted="video",
    modality="voice",
    disclosure_version=2,
    disclosed_at_us=AT_US,
    began_at_us=AT_US,
    beat_at_us=AT_US,
    expires_at_us=AT_US + 60_000_000,
    ends_at_us=None,
    bundle_revision=42,
    bundle_hash=CONTENT,
    identity_version=3,
    policy_version=2,
    price_version=1,
    knowledge_hash=CONTENT,
    committed_nanos=69_000,
    held_nanos=82_500,
    open_holds=1,
)
VIEWS += [session.SessionsView(tenant="cantor", position=17, total=1, room=3, sessions=[_SESSION])]

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

_PASSAGE = lookup.FoundPassage(
    source="rules",
    title="Reglas",
    text="Es fuera de juego…",
    where=lookup.Where(page=2, headings=["Regla 11"]),
    content_hash=CONTENT,
    chunk=3,
    score_permille=812,
    language="es",
)
QUESTIONS = [
    lookup.SearchKnowledge(question="¿Qué es fuera de juego?", pinned=[CONTENT]),
    lookup.ReviewKnowledge(source="rules", questions=["¿Qué es?"]),
    lookup.UploadPiece(upload="u-1", number=0, data=b"%PDF", last=True),
    questions.PreviewPrompt(
        text=PROMPT_TEXT,
        variables=VARIABLES,
        values={"user_name": "Ana", "goals": 3, "vip": True},
    ),
    questions.CheckTopics(text="¿En qué casa de apuestas?"),
    questions.FindSessions(session_ids=[VISITOR, "s-2"]),
    questions.FindHold(reservation_id="cantor.40", usage=Usage(stream_ms=60_000)),
    questions.CompareSecret(
        fingerprint=bytes(range(16)),
        rotate=secret.RotateSecret(command_id="c-1", name="openai", value="sk-¡Goooool!"),
    ),
]
ANSWERS = [
    lookup.KnowledgeFound(tenant="cantor", passages=[_PASSAGE]),
    lookup.KnowledgeReviewed(
        tenant="cantor",
        source="rules",
        kind="pdf",
        title="Reglas",
        location="reglas.pdf",
        stage="review",
        content_hash=CONTENT,
        approved_hash=None,
        summary="Cómo se juega.",
        language="es",
        pages=12,
        flags=[
            lookup.ReviewFlag(
                kind="zero_width", excerpt="fue<U+200B>ra", where=lookup.Where(page=2)
            )
        ],
        chunks_total=1,
        chunks=[
            lookup.ReviewChunk(
                number=3,
                text="Es fuera de juego…",
                where=lookup.Where(page=2, headings=["Regla 11"]),
                until=lookup.Where(page=3),
                is_new=True,
                also_in=["faq"],
            )
        ],
        gone=["La regla vieja."],
        gone_total=1,
        samples=[lookup.Sample(question="¿Qué es?", here=[_PASSAGE], today=[])],
    ),
    lookup.PieceTaken(tenant="cantor", upload="u-1", received=3, content_hash=CONTENT),
    questions.HoldFound(
        tenant="cantor",
        position=17,
        reservation_id="cantor.40",
        state="open",
        expires_at_us=1_795_336_800_000_000,
        provider_id="tavus",
        sku="cvi",
        is_backed=True,
    ),
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
    questions.SecretComparison(tenant="cantor", position=17, is_same=True),
    session.SessionsFound(
        tenant="cantor",
        position=17,
        room=3,
        sessions=[
            _SESSION,
            session.SessionShown(
                session_id="s-2", status="ended", reason="killed", ended_at_us=AT_US
            ),
        ],
    ),
]
PUSHED = [
    session.SessionNotice(
        tenant="cantor",
        position=17,
        room=3,
        ended=[session.GoneSession(VISITOR, "killed")],
    )
]
