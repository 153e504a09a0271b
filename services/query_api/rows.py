"""
All SQL of this API that is about calls and their rules, and nothing else of it.

The tables belong to `projections/`; what is read here are their public views, which point to the
version of each projection that serves. Values never become part of a statement's text. The SQL
about other nouns is in `<noun>_rows.py`; a `Reader` has all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

from contracts.account import PLATFORM
from services.query_api.deployment_rows import DeploymentRows
from services.query_api.knowledge_rows import KnowledgeRows
from services.query_api.lag import Applied
from services.query_api.log_rows import LogRows
from services.query_api.secret_rows import SecretRows
from services.query_api.session_rows import SessionRows
from services.query_api.statements import Keys, Page, Row
from services.query_api.usage_rows import UsageRows

# Run outside of any snapshot, before the first one of a connection.
CONFIGURE: Final = (
    "SELECT set_config('default_transaction_read_only', 'on', false),"
    " set_config('statement_timeout', %s, false),"
    " set_config('idle_in_transaction_session_timeout', '10000', false),"
    " set_config('timezone', 'UTC', false)"
)
# A rebuilt projection is shown by replacing its views. The snapshot begins after the locks are
# there, so it cannot be older than the rows behind any of the views: without them an answer in the
# moment of the switch could claim a position whose rows it does not show.
BEGIN_SNAPSHOT: Final = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
    " LOCK TABLE tenants, billing_meters, audit_logs, decisions, refusal_counts, holds, policies,"
    " price_books, twin_system_prompts, twin_prompt_activations, twin_prohibited_topics,"
    " twin_topics_rollbacks, twins, twin_dna, twin_samples, members, invitations, api_keys,"
    " twin_deployments, twin_disclosures, twin_knowledge_sources,"
    " twin_knowledge_reviews, tenant_secrets, twin_sessions, usage_sums,"
    " usage_sessions IN ACCESS SHARE MODE"
)

_TENANT: Final = (
    "tenant, position, status, reason, display_name, organisation, currency, time_zone, shard,"
    " policy_version, price_version, provisioned_at, last_commit_at"
)
_METER: Final = (
    "m.period, m.unit, m.committed, m.held, m.limit_value AS limit, m.scale, m.starts_at,"
    " m.ends_at, m.updated_at, m.position AS changed_position"
)
_ENTRY: Final = (
    "decision, reservation, decision_id, reservation_id, position, occurred_at, provider_id, sku,"
    " modality, outcome, period, input_tokens, output_tokens, stream_ms, characters, requests,"
    " turns, token_units, minute_units, interaction_units, cost_amount, cost_nanos, currency,"
    " credit_nanos, overrun_nanos, held_nanos, late, session_id, vendor_ref, policy_version,"
    " price_version, command_id"
)
_DECISION: Final = (
    "decision, decision_id, position, occurred_at, command_id, noun, verb, verdict, status, code,"
    " reservation, reservation_id, requested, modality, provider_id, sku, amount_nanos,"
    " credit_nanos, delay_us, retry_after_us, expires_at, session_id, policy_version,"
    " price_version, committed_nanos, held_nanos, limit_nanos, credits_nanos, resets_at, actor,"
    " facts"
)
_COUNT: Final = "minute, code, refusals, position AS changed_position"
_HOLD: Final = (
    "reservation, reservation_id, state, period, modality, provider_id, sku, session_id,"
    " amount_nanos, credit_nanos, tokens_milli, stream_ms_milli, turns_milli, requests_milli,"
    " extensions, granted_at, expires_at, closed_at, settlement_id, late,"
    " position AS changed_position"
)
_TWIN: Final = (
    "t.status, w.live_version, w.draft_version, w.purpose_version, w.calibration,"
    " w.calibration_version, w.modality, w.provider_id, w.sku, w.samples, w.activated_at,"
    " w.retired_at"
)
_DNA: Final = (
    "version, document, pitch_permille, speed_permille, actor, note, occurred_at, decision_id,"
    " position AS changed_position, signed_off_by, signed_off_at, sign_off_id, sign_off_note"
)
_SAMPLE: Final = (
    "reservation, reservation_id, calibration, version, number, reference, actor, occurred_at,"
    " decision_id, position AS changed_position"
)
_CHANGE: Final = "version, actor, note, occurred_at, decision_id, position AS changed_position"
_SAVED: Final = _CHANGE + ", base_version, active"
_IN_FORCE: Final = (
    "decision, decision_id, version, previous_version, reason, actor, occurred_at,"
    " position AS changed_position"
)
_MEMBER: Final = "person, email, role, joined_at, position AS changed_position"
_INVITATION: Final = (
    "invitation_id, email, role, state, invited_by, invited_at, expires_at,"
    " position AS changed_position"
)
_KEY: Final = (
    "key_id, label, scopes, issued_by, issued_at, expires_at, revoked_at, replaced_by,"
    " (SELECT used_at FROM key_last_used u WHERE u.tenant = k.tenant AND u.key_id = k.key_id)"
    " AS last_used_at, position AS changed_position"
)
# The types of the columns that pages are ordered by.
KEY_TYPES: Final[Mapping[str, type]] = {"decision": int, "occurred_at": datetime}


def newest_first(filters: Mapping[str, Any]) -> tuple[LiteralString, ...]:
    """
    The columns that decisions and settlements are ordered by.

    By time where a time range is asked for: only then the index on time leads to the page, however
    long ago it was. Otherwise by number: the order of the log, even where a clock stepped back.
    """
    if filters["since"] is None and filters["until"] is None:
        return ("decision",)
    return ("occurred_at", "decision")


class Reader(DeploymentRows, KnowledgeRows, LogRows, SecretRows, SessionRows, UsageRows):
    """One snapshot of the public views."""

    # -- The read side itself --------------------------------------------------

    async def positions(self, tenants: Sequence[str]) -> dict[str, int]:
        """The position of each twin that is known."""
        rows = await self._all(
            "tenant, position",
            "tenants WHERE tenant = ANY(%(tenants)s)",
            {"tenants": list(tenants)},
        )
        return {row["tenant"]: row["position"] for row in rows}

    async def position(self, tenant: str) -> int:
        """The position of one twin, 0 if it is unknown."""
        row = await self._one("position", "tenants WHERE tenant = %(tenant)s", tenant)
        return row["position"] if row else 0

    async def applied(self) -> list[Applied]:
        """How far the serving projections are."""
        rows = await self._all(
            "projection, shard, stream_seq, state",
            "projection_lag ORDER BY projection, shard",
            {},
        )
        return [Applied(**row) for row in rows]

    # -- One row ---------------------------------------------------------------

    async def tenant(self, tenant: str) -> Row | None:
        """A twin."""
        return await self._one(_TENANT, "tenants WHERE tenant = %(tenant)s", tenant)

    async def decision(self, tenant: str, decision: int) -> Row | None:
        """A decision that is not a settlement."""
        return await self._one(
            _DECISION,
            "decisions WHERE tenant = %(tenant)s AND decision = %(number)s",
            tenant,
            decision,
        )

    async def decided(self, tenant: str, command_id: str) -> Row | None:
        """The decision that answers this command, which is no settlement; the first of several."""
        return await self._one(
            _DECISION + ", fingerprint",
            "decisions WHERE tenant = %(tenant)s AND command_id = %(name)s"
            " AND fingerprint IS NOT NULL ORDER BY decision LIMIT 1",
            tenant,
            name=command_id,
        )

    async def settlement(self, tenant: str, decision: int) -> Row | None:
        """The settlement with this number."""
        return await self._one(
            _ENTRY,
            "audit_logs WHERE tenant = %(tenant)s AND decision = %(number)s",
            tenant,
            decision,
        )

    async def settlement_of(self, tenant: str, reservation: int | None) -> Row | None:
        """The settlement of a reservation."""
        return await self._one(
            _ENTRY,
            "audit_logs WHERE tenant = %(tenant)s AND reservation = %(number)s",
            tenant,
            reservation,
        )

    async def hold(self, tenant: str, reservation: int | None) -> Row | None:
        """A hold."""
        return await self._one(
            _HOLD,
            "holds WHERE tenant = %(tenant)s AND reservation = %(number)s",
            tenant,
            reservation,
        )

    async def policy(self, tenant: str, version: int | None) -> Row | None:
        """A version of the policy, the latest without a number."""
        return await self._one(
            _CHANGE + ", policy",
            "policies WHERE tenant = %(tenant)s AND version = coalesce(%(number)s,"
            " (SELECT max(version) FROM policies WHERE tenant = %(tenant)s))",
            tenant,
            version,
        )

    async def price_book(self, tenant: str) -> Row | None:
        """The latest price book."""
        return await self._one(
            _CHANGE + ", price_book",
            "price_books WHERE tenant = %(tenant)s ORDER BY version DESC LIMIT 1",
            tenant,
        )

    async def prompt(self, tenant: str, version: int | None) -> Row | None:
        """A version of the system prompt, the live one without a number."""
        return await self._one(
            _SAVED + ", text, variables",
            "twin_system_prompts WHERE tenant = %(tenant)s AND version = coalesce(%(number)s,"
            " (SELECT version FROM twin_prompt_activations WHERE tenant = %(tenant)s"
            " ORDER BY decision DESC LIMIT 1))",
            tenant,
            version,
        )

    async def topics(self, tenant: str, version: int | None) -> Row | None:
        """A version of the prohibited topics, the one in force without a number."""
        rest: LiteralString = "twin_prohibited_topics WHERE tenant = %(tenant)s AND "
        which: LiteralString = "active" if version is None else "version = %(number)s"
        return await self._one(_SAVED + ", topics", rest + which, tenant, version)

    async def twin(self, tenant: str) -> Row | None:
        """Which DNA a twin has, and how far its draft is; None before it is provisioned."""
        return await self._one(
            _TWIN, "twins w JOIN tenants t USING (tenant) WHERE w.tenant = %(tenant)s", tenant
        )

    async def dna(self, tenant: str, part: LiteralString, version: int) -> Row | None:
        """One version of a part of the DNA."""
        found = await self._all(
            _DNA,
            "twin_dna WHERE tenant = %(tenant)s AND part = %(part)s AND version = %(version)s",
            {"tenant": tenant, "part": part, "version": version},
        )
        return found[0] if found else None

    # -- Many rows -------------------------------------------------------------

    async def meters(self, tenant: str, period: str | None) -> list[Row]:
        """The meters of a month (the latest without one) and of no month, with the currency."""
        return await self._all(
            _METER + ", t.currency",
            "billing_meters m JOIN tenants t USING (tenant)"
            " WHERE m.tenant = %(tenant)s AND m.period IN ('all', coalesce(%(period)s,"
            " (SELECT max(period) FROM billing_meters WHERE tenant = %(tenant)s"
            " AND period <> 'all'))) ORDER BY m.period, m.unit",
            {"tenant": tenant, "period": period},
        )

    async def tenants(
        self,
        names: Sequence[str] | None,
        filters: Mapping[str, Any],
        after: Keys | None,
        limit: int,
    ) -> list[Row]:
        """Twins by name, only those of *names* if there are any; the platform is none."""
        page = Page(_TENANT, "tenants", ("tenant",), "ASC")
        page.also("tenant <> %(platform)s", platform=PLATFORM)
        if names is not None:
            page.also("tenant = ANY(%(names)s)", names=list(names))
        if filters["search"] is not None:
            # Not LIKE: in what somebody searches for, % and _ are letters like others.
            page.also(
                "(strpos(lower(tenant), %(search)s) > 0 OR strpos(lower(display_name), %(search)s)"
                " > 0 OR strpos(lower(organisation), %(search)s) > 0)",
                search=filters["search"].lower(),
            )
        if filters["status"] is not None:
            page.also("status = %(status)s", status=filters["status"])
        return await self._page(page, after, limit)

    async def audit_log(
        self, tenant: str, filters: Mapping[str, Any], after: Keys | None, limit: int
    ) -> list[Row]:
        """Settlements, newest first."""
        page = Page(_ENTRY, "audit_logs", newest_first(filters)).of(tenant)
        page.during("occurred_at", filters)
        if filters["provider_id"] is not None:
            page.also("provider_id = %(provider_id)s", provider_id=filters["provider_id"])
        if filters["decision_id"] is not None:
            owner, _, number = filters["decision_id"].rpartition(".")
            if owner != tenant:
                return []
            page.also("(decision = %(number)s OR reservation = %(number)s)", number=int(number))
        return await self._page(page, after, limit)

    async def decisions(
        self, tenant: str, filters: Mapping[str, Any], after: Keys | None, limit: int
    ) -> list[Row]:
        """Decisions, newest first."""
        page = Page(_DECISION, "decisions", newest_first(filters)).of(tenant)
        page.during("occurred_at", filters)
        if filters["verdict"] is not None:
            page.also("verdict = %(verdict)s", verdict=filters["verdict"])
        if filters["verdict"] == "DENY":
            # It says no more, in the words of the index: refusals are few among so many calls.
            page.also("status >= 400")
        if filters["code"] is not None:
            page.also("code = %(code)s", code=filters["code"])
        return await self._page(page, after, limit)

    async def refusal_counts(
        self, tenant: str, filters: Mapping[str, Any], after: Keys | None, limit: int
    ) -> list[Row]:
        """Counts of refusals, newest minute first."""
        page = Page(_COUNT, "refusal_counts", ("minute", "code")).of(tenant)
        page.during("minute", filters)
        if filters["code"] is not None:
            page.also("code = %(only_code)s", only_code=filters["code"])
        return await self._page(page, after, limit)

    async def holds(
        self, tenant: str, state: str | None, after: Keys | None, limit: int
    ) -> list[Row]:
        """Holds, newest first."""
        page = Page(_HOLD, "holds", ("reservation",)).of(tenant)
        if state is not None:
            page.also("state = %(state)s", state=state)
        return await self._page(page, after, limit)

    async def policies(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Versions of the policy without the documents, newest first."""
        return await self._page(Page(_CHANGE, "policies", ("version",)).of(tenant), after, limit)

    async def prompts(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Versions of the system prompt without their texts, newest first."""
        page = Page(_SAVED, "twin_system_prompts", ("version",)).of(tenant)
        return await self._page(page, after, limit)

    async def prompt_activations(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Each time that a version went live, newest first."""
        page = Page(_IN_FORCE + ", rolled_back", "twin_prompt_activations", ("decision",))
        return await self._page(page.of(tenant), after, limit)

    async def topics_versions(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Versions of the prohibited topics without their content, newest first."""
        page = Page(_SAVED, "twin_prohibited_topics", ("version",)).of(tenant)
        return await self._page(page, after, limit)

    async def topics_rollbacks(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Each time that the topics were rolled back, newest first."""
        page = Page(_IN_FORCE, "twin_topics_rollbacks", ("decision",)).of(tenant)
        return await self._page(page, after, limit)

    async def dna_versions(
        self, tenant: str, part: str, after: Keys | None, limit: int
    ) -> list[Row]:
        """Versions of a part of the DNA, newest first."""
        page = Page(_DNA, "twin_dna", ("version",)).of(tenant)
        return await self._page(page.also("part = %(part)s", part=part), after, limit)

    async def samples_of(self, tenant: str, calibration: int) -> list[Row]:
        """Samples of one calibration, in their order."""
        return await self._all(
            _SAMPLE,
            "twin_samples WHERE tenant = %(tenant)s AND calibration = %(calibration)s"
            " ORDER BY number",
            {"tenant": tenant, "calibration": calibration},
        )

    async def samples(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Samples of all calibrations, newest first."""
        page = Page(_SAMPLE, "twin_samples", ("reservation",)).of(tenant)
        return await self._page(page, after, limit)

    async def members(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Members by person."""
        return await self._page(
            Page(_MEMBER, "members", ("person",), "ASC").of(tenant), after, limit
        )

    async def invitations(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Invitations by id."""
        page = Page(_INVITATION, "invitations", ("invitation_id",), "ASC")
        return await self._page(page.of(tenant), after, limit)

    async def api_keys(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """API keys by id, without the hashes."""
        return await self._page(
            Page(_KEY, "api_keys k", ("key_id",), "ASC").of(tenant), after, limit
        )
