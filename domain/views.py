"""Views: questions about the live state, answered from it. They change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from contracts.questions import (
    AnyAnswer,
    CheckTopics,
    FindHold,
    FindSessions,
    PreviewPrompt,
)
from contracts.secret import SecretName, SecretsView, SecretVersion
from contracts.views import (
    AccessView,
    AccountShown,
    AccountView,
    Calibration,
    DeploymentShown,
    DeploymentView,
    GlassShown,
    IdentityVersion,
    InvitationShown,
    KeyShown,
    KnowledgeView,
    MemberShown,
    PolicyView,
    PriceBookView,
    PurposeVersion,
    RateView,
    Sample,
    SourceShown,
    Step,
    TenantView,
    TwinView,
    View,
)
from domain import holds, prompt, rate, secret, session_views, topics, twin
from domain.budget_views import budget_view
from domain.bundle import bundle_view
from domain.state import State

ACCOUNTS_SHOWN_MAX: Final = 1_000


def view(noun: str, state: State, now_us: int) -> View:
    """
    Answer `qry.<tenant>.<noun>.show`; raises KeyError for a noun that has no view.

    The caller has applied what is `due` at *now_us*.
    """
    return _VIEWS[noun](state, now_us)


def answer(
    question: PreviewPrompt | CheckTopics | FindSessions | FindHold,
    state: State,
    principal: str,
    now_us: int,
) -> AnyAnswer:
    """Answer a question with parameters that needs no key, to somebody who may ask it."""
    if isinstance(question, PreviewPrompt):
        return prompt.preview(state, question)
    if isinstance(question, FindSessions):
        return session_views.found(state, question, principal, now_us)
    if isinstance(question, FindHold):
        return holds.answer(state, question)
    return topics.answer(state, question)


def tenant_view(state: State, _now_us: int) -> TenantView:
    """Show the twin as a whole."""
    return TenantView(
        tenant=state.name,
        position=state.position,
        status=state.tenant.status,
        display_name=state.tenant.display_name,
        organisation=state.tenant.organisation,
        decisions=state.decisions,
        last_event_at_us=state.clock_us or None,
    )


def policy_view(state: State, _now_us: int) -> PolicyView:
    """Show the policy in force."""
    return PolicyView(
        tenant=state.name,
        position=state.position,
        version=state.policy.version,
        policy=state.policy.policy,
    )


def price_book_view(state: State, _now_us: int) -> PriceBookView:
    """Show the prices in force."""
    return PriceBookView(
        tenant=state.name,
        position=state.position,
        version=state.prices.version,
        price_book=state.prices.book,
    )


def rate_view(state: State, now_us: int) -> RateView:
    """Show what the leaky bucket would say to a call that came now."""
    terms, rules = state.policy.terms, state.policy.policy
    bucket = terms.bucket if terms else rate.Bucket(0, 0, 0)
    slot = rate.check(state.rate, bucket, now_us)
    return RateView(
        tenant=state.name,
        position=state.position,
        now_us=now_us,
        tat_us=state.rate.tat_us,
        interval_us=bucket.interval_us,
        burst=rules.rate.burst if rules else 0,
        queue_max_us=bucket.queue_us,
        delay_us=slot.delay_us if slot.fits else slot.retry_after_us + bucket.queue_us,
        retry_after_us=slot.retry_after_us,
    )


def access_view(state: State, _now_us: int) -> AccessView:
    """Show who belongs to the twin and which keys open it."""
    known = state.access
    return AccessView(
        tenant=state.name,
        position=state.position,
        members=[
            MemberShown(person=person, email=member.email, role=member.role)
            for person, member in sorted(known.members.items())
        ],
        invitations=[
            InvitationShown(
                invitation_id=name,
                email=invited.email,
                role=invited.role,
                expires_at_us=invited.expires_at_us,
            )
            for name, invited in known.invitations.items()
        ],
        keys=[
            KeyShown(
                key_id=name,
                label=key.label,
                scopes=key.scopes,
                issued_at_us=key.issued_at_us,
                expires_at_us=key.expires_at_us or None,
            )
            for name, key in known.keys.items()
        ],
        glasses=[GlassShown(person=who, until_us=until) for who, until in known.opened.items()],
    )


def account_view(state: State, _now_us: int) -> AccountView:
    """Show the accounts of the platform."""
    known = state.account
    shown = sorted(known.people.items())[:ACCOUNTS_SHOWN_MAX]
    return AccountView(
        tenant=state.name,
        position=state.position,
        total=len(known.accounts),
        accounts=[
            AccountShown(
                person=person,
                email=email,
                is_admin=known.accounts[person].is_admin,
                locked=known.accounts[person].locked,
                sessions=len(known.accounts[person].sessions),
                blocked_until_us=known.accounts[person].blocked_until_us,
            )
            for email, person in shown
        ],
    )


def twin_view(state: State, _now_us: int) -> TwinView:
    """Show who the twin is, what it is for, and what its draft still needs."""
    dna = state.twin
    return TwinView(
        tenant=state.name,
        position=state.position,
        status=state.tenant.status,
        live=_identity(dna.live),
        draft=_identity(dna.draft),
        purpose=None
        if dna.purpose is None
        else PurposeVersion(
            version=dna.purposes,
            purpose=dna.purpose,
            set_by=dna.purpose_by,
            set_at_us=dna.purpose_at_us,
        ),
        calibration=None if dna.calibration is None else _calibration(state.name, dna.calibration),
        missing=[
            Step(command=command, why=why)
            for command, why in twin.steps(
                twin.progress(dna, is_activated=state.tenant.is_activated), state.tenant.status
            )
        ],
    )


def _identity(draft: twin.Draft) -> IdentityVersion | None:
    if draft.identity is None:
        return None
    return IdentityVersion(
        version=draft.version,
        identity=draft.identity,
        refinement=draft.refinement,
        drafted_by=draft.drafted_by,
        drafted_at_us=draft.drafted_at_us,
        signed_off_by=draft.signed_off_by,
        signed_off_at_us=draft.signed_off_at_us or None,
    )


def _calibration(tenant: str, calibration: twin.Calibration) -> Calibration:
    numbers = {reservation: n for n, reservation in enumerate(calibration.samples, 1)}
    return Calibration(
        number=calibration.number,
        version=calibration.version,
        modality=calibration.modality,
        provider_id=calibration.provider_id,
        sku=calibration.sku,
        calls_left=twin.calls_left(calibration),
        samples=[
            Sample(
                reservation_id=f"{tenant}.{reservation}",
                state=outcome,
                number=numbers.get(reservation, 0),
                reference=calibration.samples.get(reservation, ""),
            )
            for reservation, outcome in calibration.calls.items()
        ],
    )


def deployment_view(state: State, _now_us: int) -> DeploymentView:
    """Show every deployment; at most 50."""
    return DeploymentView(
        tenant=state.name,
        position=state.position,
        deployments=[
            DeploymentShown(
                deployment=name,
                enabled=one.enabled,
                version=one.version,
                terms=one.terms,
                disclosure_version=one.disclosure_version,
                disclosure=one.disclosure,
                language=one.language,
            )
            for name, one in state.deployments.deployments.items()
        ],
    )


def knowledge_view(state: State, _now_us: int) -> KnowledgeView:
    """Show every source; at most 1,000."""
    return KnowledgeView(
        tenant=state.name,
        position=state.position,
        sources=[
            SourceShown(
                source=name,
                kind=one.kind,
                title=one.title,
                stage=one.stage,
                ingestion=one.ingestion or None,
                draft_hash=one.draft_hash or None,
                draft_chunks=one.draft_chunks,
                approved_hash=one.approved_hash or None,
                approved_chunks=one.approved_chunks,
                approved_by=one.approved_by,
                approved_at_us=one.approved_at_us or None,
                upload=one.upload or None,
                step=one.step or None,
                draft_flags=one.draft_flags,
            )
            for name, one in state.knowledge.sources.items()
        ],
    )


def secrets_view(state: State, _now_us: int) -> SecretsView:
    """Show what is in the vault. The boxes stay here."""
    return SecretsView(
        tenant=state.name,
        position=state.position,
        key_version=state.data_key.version,
        secrets=[
            SecretName(
                name=name,
                last_version=found.last,
                versions=[_secret_version(held) for held in found.held],
            )
            for name, found in sorted(state.secrets.secrets.items())
        ],
    )


def _secret_version(held: secret.Held) -> SecretVersion:
    return SecretVersion(
        version=held.version,
        at_us=held.at_us,
        actor=held.actor,
        until_us=held.until_us or None,
        openings=held.openings,
        last_opened_at_us=held.last_opened_us or None,
    )


_VIEWS: dict[str, Callable[[State, int], View]] = {
    "tenant": tenant_view,
    "policy": policy_view,
    "price_book": price_book_view,
    "budget": budget_view,
    "rate": rate_view,
    "access": access_view,
    "account": account_view,
    "prompt": prompt.prompt_view,
    "topics": topics.topics_view,
    "bundle": bundle_view,
    "twin": twin_view,
    "deployment": deployment_view,
    "knowledge": knowledge_view,
    "secret": secrets_view,
    "session": session_views.sessions_view,
}
