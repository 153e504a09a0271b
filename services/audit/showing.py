"""Views of a twin as an operator reads them: the same for the live gate and for a replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from contracts.bundle import BundleView
from contracts.policy import Policy
from contracts.secret import SecretsView
from contracts.session import SessionsView
from contracts.views import (
    AccessView,
    AccountView,
    BudgetView,
    Calibration,
    DeploymentView,
    IdentityVersion,
    KnowledgeView,
    Meter,
    PolicyView,
    PriceBookView,
    PromptVersion,
    PromptView,
    RateView,
    TenantView,
    TopicsView,
    TwinView,
    View,
    ViewNoun,
)
from services.audit.amounts import money, units
from services.audit.moments import local
from services.audit.words import printable

_NANOS = ("money", "credits")


def screen(views: Mapping[ViewNoun, View], zone: tzinfo | None) -> Group:
    """Lay views out, one below the other, times on the clock of *zone*."""
    return Group(*(_TABLES[type(view)](view, zone) for view in views.values()))


def twin_facts(view: TwinView, zone: tzinfo | None) -> Group:
    """Lay out who a twin is, what it is for and what it still needs."""
    facts: dict[str, Any] = {"status": view.status}
    for name, version in (("live", view.live), ("draft", view.draft)):
        facts[name] = "none" if version is None else _identity(version, zone)
    purpose = view.purpose
    if purpose is not None:
        said = purpose.purpose
        goal = said.conversion_goal + (f" ({said.goal_note})" if said.goal_note else "")
        facts["purpose"] = (
            f"version {purpose.version}: for {said.audience}; {goal}; “{said.call_to_action}”"
        )
    if view.calibration is not None:
        facts["calibration"] = _calibration(view.calibration)
    for number, step in enumerate(view.missing, 1):
        facts[f"missing {number}"] = f"{step.command}: {step.why}"
    return _facts(f"twin {view.tenant}", facts)


def _identity(version: IdentityVersion, zone: tzinfo | None) -> str:
    who, voice = version.identity, version.refinement
    phrases = ", ".join(f"“{phrase}”" for phrase in who.signature_phrases) or "no phrases"
    accent = f" ({who.accent})" if who.accent else ""
    told = (
        f"version {version.version}: {who.tone}; {who.pacing}; {who.language}{accent}; {phrases};"
        f" pitch {voice.pitch_permille} ‰, speed {voice.speed_permille} ‰"
    )
    if version.signed_off_by:
        told += f"; signed off by {version.signed_off_by}, {_when(version.signed_off_at_us, zone)}"
    return told


def _calibration(calibration: Calibration) -> str:
    recorded = [sample.reservation_id for sample in calibration.samples if sample.number]
    return (
        f"round {calibration.number} of version {calibration.version}:"
        f" {calibration.provider_id}/{calibration.sku} ({calibration.modality}),"
        f" {len(recorded)} samples recorded, {calibration.calls_left} more may be granted"
    )


def _facts(title: str, facts: Mapping[str, Any]) -> Group:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), Text(printable(str(value))))
    return Group(Text(title, style="bold"), table, Text())


def _when(at_us: int | None, zone: tzinfo | None) -> str:
    return f"{local(at_us, zone):%Y-%m-%d %H:%M:%S %z}" if at_us else "-"


def _tenant(view: TenantView, zone: tzinfo | None) -> Group:
    return _facts(
        f"tenant {view.tenant}",
        {
            "status": view.status,
            "name": f"{view.display_name}, {view.organisation}",
            "position": view.position,
            "decisions": view.decisions,
            "last event": _when(view.last_event_at_us, zone),
        },
    )


def _policy(view: PolicyView) -> dict[str, str]:
    policy = view.policy
    if policy is None:
        return {"version": "none"}
    return {
        "version": str(view.version),
        **_rules(policy),
        "modalities": ", ".join(policy.modalities),
        "ladder": " → ".join(policy.ladder) or "none",
        "clock": policy.time_zone,
    }


def _rules(policy: Policy) -> dict[str, str]:
    rate, budget = policy.rate, policy.budget
    overflow = (
        f"queued for at most {rate.queue_max_delay_ms} ms"
        if rate.overflow == "queue"
        else "dropped"
    )
    soft = budget.soft_cap_permille
    return {
        "rate": f"{rate.requests} calls per {rate.period_ms} ms, burst {rate.burst}, {overflow}",
        "hard limit": f"{money(budget.monthly_hard_limit_nanos, policy.currency)} a month",
        "soft cap": "none"
        if soft is None
        else f"from {soft / 10:g} % on only {budget.soft_cap_modality} and below",
    }


def _price_book(view: PriceBookView) -> Group:
    book = view.price_book
    if book is None:
        return _facts("price book", {"version": "none"})
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("product", "modality", "price", "source"):
        table.add_column(heading)
    for entry in book.entries:
        prices = ", ".join(
            f"{money(price.nanos, book.currency)} per {price.per:,} {quantity}"
            for quantity, price in entry.prices.items()
        )
        source = f"{entry.provenance.source} ({entry.provenance.retrieved_on})"
        cells = (f"{entry.provider_id}/{entry.sku}", entry.modality, prices, source)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return Group(Text(f"price book, version {view.version}", style="bold"), table, Text())


def _deployments(view: DeploymentView, zone: tzinfo | None) -> Group:
    table = _listing("id", "state", "surface", "up to", "origins", "until", "disclosure")
    for one in view.deployments:
        terms = one.terms
        cells = (
            one.deployment,
            "enabled" if one.enabled else "disabled",
            terms.surface,
            terms.ceiling,
            ", ".join(terms.origins) or "none",
            _when(terms.expires_at_us, zone),
            f"{one.disclosure_version} ({one.language}): {one.disclosure}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return Group(Text(f"deployments: {len(view.deployments)}", style="bold"), table, Text())


def _sources(view: KnowledgeView) -> Group:
    table = _listing("id", "kind", "title", "stage", "draft", "approved", "approved by")
    for one in view.sources:
        cells = (
            one.source,
            one.kind,
            one.title,
            one.stage,
            one.draft_hash or "-",
            one.approved_hash or "-",
            one.approved_by or "-",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return Group(Text(f"knowledge: {len(view.sources)} sources", style="bold"), table, Text())


def _listing(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _secrets(view: SecretsView, zone: tzinfo | None) -> Group:
    table = _listing("name", "version", "put by", "until", "opened", "last")
    for found in view.secrets:
        for version in found.versions:
            cells = (
                found.name,
                str(version.version),
                version.actor,
                _when(version.until_us, zone),
                f"{version.openings:,} times",
                _when(version.last_opened_at_us, zone),
            )
            table.add_row(*(Text(printable(cell)) for cell in cells))
        if not found.versions:
            table.add_row(Text(printable(found.name)), "revoked")
    title = f"secret: {len(view.secrets)} names; data key, version {view.key_version}"
    return Group(Text(title, style="bold"), table, Text())


def _budget(view: BudgetView, zone: tzinfo | None) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("meter")
    for heading in ("committed", "held", "limit", "remaining"):
        table.add_column(heading, justify="right")
    for meter in view.meters:
        table.add_row(*_meter(meter, view.currency))
    title = f"budget of {view.period or 'no month yet'}"
    if view.resets_at_us:
        title += f", until {_when(view.resets_at_us, zone)}"
    facts = {
        "a new call could hold": money(view.remaining_nanos, view.currency),
        "ladder": " > ".join(
            f"{one.modality} ({one.stopped_by})" if one.stopped_by else one.modality
            for one in view.ladder
        ),
        "open holds": view.open_holds,
        "next runs out": _when(view.next_expiry_us, zone),
        "beyond their holds": f"{view.overruns} calls, {money(view.overrun_nanos, view.currency)}",
        "settled late": view.late_settlements,
    }
    return Group(Text(title, style="bold"), table, _facts("", facts))


def _meter(meter: Meter, currency: str) -> tuple[str, ...]:
    def spelled(grains: int | None) -> str:
        if grains is None:
            return "-"
        if meter.meter in _NANOS:
            return money(grains, currency)
        return units(grains, meter.scale)

    amounts = (meter.committed, meter.held, meter.limit, meter.remaining)
    return (meter.meter, *map(spelled, amounts))


def _rate(view: RateView, zone: tzinfo | None) -> Group:
    if view.retry_after_us:
        answer = f"refused; it fits in {view.retry_after_us / 1_000:g} ms"
    elif view.delay_us:
        answer = f"granted, to start in {view.delay_us / 1_000:g} ms"
    else:
        answer = "granted at once"
    return _facts(
        f"rate at {_when(view.now_us, zone)}",
        {
            "one more call would be": answer,
            "bucket": f"a call each {view.interval_us / 1_000:g} ms, burst {view.burst},"
            f" queue {view.queue_max_us / 1_000:g} ms",
        },
    )


def _access(view: AccessView, zone: tzinfo | None) -> Group:
    facts = {
        **{f"member {one.person}": f"{one.role}, {one.email}" for one in view.members},
        **{
            f"invitation {one.invitation_id}": f"{one.role}, {one.email},"
            f" until {_when(one.expires_at_us, zone)}"
            for one in view.invitations
        },
        **{
            f"key {one.key_id}": f"{one.label}, {' '.join(one.scopes)},"
            f" until {_when(one.expires_at_us, zone)}"
            for one in view.keys
        },
        **{f"glass of {one.person}": f"until {_when(one.until_us, zone)}" for one in view.glasses},
    }
    return _facts("access", facts)


def _accounts(view: AccountView, zone: tzinfo | None) -> Group:
    facts = {
        one.person: ", ".join(
            (
                one.email,
                *(["super admin"] if one.is_admin else []),
                *(["locked"] if one.locked else []),
                *(
                    [f"no password until {_when(one.blocked_until_us, zone)}"]
                    if one.blocked_until_us
                    else []
                ),
                f"{one.sessions} sessions",
            )
        )
        for one in view.accounts
    }
    return _facts(f"account: {view.total} on the platform", facts)


def _prompt(view: PromptView, zone: tzinfo | None) -> Group:
    live, latest = view.active, view.latest
    facts = {
        "live": _version(live),
        "since": f"{_when(view.active_since_us, zone)}, by {view.active_by or 'nobody'}",
        "latest": _version(latest),
        "kept": f"from version {view.kept_from} on" if view.kept_from else "none",
    }
    return Group(_facts("prompt", facts), *(_paragraphs(live.text) if live else ()))


def _version(saved: PromptVersion | None) -> str:
    if saved is None:
        return "none"
    note = f" ({saved.note})" if saved.note else ""
    return f"version {saved.version} by {saved.author}, from version {saved.base_version}{note}"


def _paragraphs(text: str) -> list[Text]:
    return [*(Text(f"    {printable(row)}") for row in text.expandtabs(4).split("\n")), Text()]


def _topics(view: TopicsView, zone: tzinfo | None) -> Group:
    facts = {
        "version": f"{view.version} of {view.latest_version}",
        "since": f"{_when(view.active_since_us, zone)}, by {view.active_by or 'nobody'}",
        **{topic.name: ", ".join(topic.phrases) for topic in view.topics},
    }
    return _facts("topics", facts if view.latest_version else {"version": "none"})


def _bundle(view: BundleView) -> Group:
    content = view.content
    prompt = content.prompt if content else None
    dna = content.dna if content else None
    facts = {
        "revision": view.revision,
        "hash": view.hash,
        "prompt": f"version {prompt.version}" if prompt else "none",
        "identity": f"version {dna.identity.version}" if dna and dna.identity else "none",
        "purpose": f"version {dna.purpose.version}" if dna and dna.purpose else "none",
        "topics": f"version {content.topics.version}" if content else "not shown",
    }
    return _facts("bundle", facts)


def _sessions(view: SessionsView, zone: tzinfo | None) -> Group:
    table = _listing(
        "session", "at", "rung", "began", "last beat", "until", "calls", "held", "cost"
    )
    for one in view.sessions:
        cells = (
            one.session_id,
            one.deployment or "-",
            one.modality or "-",
            _when(one.began_at_us, zone),
            _when(one.beat_at_us, zone),
            _when(one.expires_at_us, zone),
            str(one.open_holds),
            f"{one.held_nanos:,}",
            f"{one.committed_nanos:,}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    first = f", the first {len(view.sessions)}" if len(view.sessions) < view.total else ""
    return Group(Text(f"open sessions: {view.total}{first} (nanos)", style="bold"), table, Text())


_TABLES: Mapping[type[View], Callable[[Any, tzinfo | None], Group]] = {
    TenantView: _tenant,
    BudgetView: _budget,
    RateView: _rate,
    PolicyView: lambda view, _zone: _facts("policy", _policy(view)),
    PriceBookView: lambda view, _zone: _price_book(view),
    AccessView: _access,
    AccountView: _accounts,
    PromptView: _prompt,
    TopicsView: _topics,
    BundleView: lambda view, _zone: _bundle(view),
    TwinView: twin_facts,
    DeploymentView: _deployments,
    KnowledgeView: lambda view, _zone: _sources(view),
    SecretsView: _secrets,
    SessionsView: _sessions,
}
