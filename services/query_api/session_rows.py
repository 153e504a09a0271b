"""The SQL about sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString

from services.query_api.statements import Keys, Page, Row, Snapshot

_SESSION: Final = (
    "session_id, decision, decision_id, deployment, wanted, modality, state, reason, note,"
    " began_at, opened_by, beat_at, ended_at, ended_by, disclosure_version, disclosed_at, steps,"
    " grants, denials, settlements, turns, text_nanos, voice_nanos, video_nanos, data_nanos,"
    " cost_nanos, bundle_revision, bundle_hash, identity_version, policy_version, price_version,"
    " knowledge_sources, knowledge_hash, position AS changed_position"
)
_MOMENT: Final = (
    "decision, decision_id, position, occurred_at, noun, verb, verdict, status, code, requested,"
    " modality, provider_id, sku, reservation_id, amount_nanos, delay_us, cost_nanos, turns,"
    " outcome, late, hold, hold_closed_at, facts, actor, committed_nanos, held_nanos, limit_nanos,"
    " credits_nanos, session_id"
)
# A settlement is in the audit log, every other decision among the decisions. With a grant comes
# what became of its hold, because an expiry has no number of its own.
_STORY: Final[LiteralString] = (
    "(SELECT d.tenant, d.session_id, d.decision, d.decision_id, d.position, d.occurred_at, d.noun,"
    " d.verb, d.verdict, d.status, d.code, d.requested, d.modality, d.provider_id, d.sku,"
    " d.reservation_id, d.amount_nanos, d.delay_us, NULL::bigint AS cost_nanos,"
    " NULL::bigint AS turns, NULL AS outcome, NULL::boolean AS late, h.state AS hold,"
    " h.closed_at AS hold_closed_at, d.facts, d.actor,"
    " d.committed_nanos, d.held_nanos, d.limit_nanos, d.credits_nanos"
    " FROM decisions d LEFT JOIN holds h ON h.tenant = d.tenant AND h.reservation = d.decision"
    " UNION ALL SELECT tenant, session_id, decision, decision_id, position, occurred_at, 'budget',"
    " 'settle', NULL, 200, 'settled', NULL, modality, provider_id, sku, reservation_id,"
    " held_nanos::numeric, 0, cost_nanos, turns, outcome, late, NULL, NULL, '{}'::jsonb, NULL,"
    " NULL::numeric, NULL::numeric, NULL::bigint, NULL::bigint FROM audit_logs) AS story"
)


class SessionRows(Snapshot):
    """Sessions, and what happened in each."""

    async def session(self, tenant: str, session_id: str) -> Row | None:
        """A session, with what was pinned of the knowledge."""
        return await self._one(
            _SESSION + ", knowledge",
            "twin_sessions WHERE tenant = %(tenant)s AND session_id = %(name)s",
            tenant,
            name=session_id,
        )

    async def sessions(
        self, tenant: str, filters: Mapping[str, Any], after: Keys | None, limit: int
    ) -> list[Row]:
        """Sessions, the one that began last first."""
        page = Page(_SESSION, "twin_sessions", ("began_at", "decision")).of(tenant)
        page.during("began_at", filters)
        if filters["state"] is not None:
            page.also("state = %(state)s", state=filters["state"])
        if filters["deployment"] is not None:
            page.also("deployment = %(deployment)s", deployment=filters["deployment"])
        return await self._page(page, after, limit)

    async def story(
        self, tenant: str, session_id: str, after: Keys | None, limit: int
    ) -> list[Row]:
        """What was decided about a session and its calls, from the first on."""
        page = Page(_MOMENT, _STORY, ("decision",), "ASC").of(tenant)
        page.also("session_id = %(session_id)s", session_id=session_id)
        return await self._page(page, after, limit)
