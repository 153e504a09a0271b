"""
The SQL about the log as a list: what was decided and what was settled, in one order.

Settlements are in the audit log and every other decision among the decisions, so a page is made of
a page of each. That keeps each statement on an index of its own table: what people did is rare
among so many calls, and is found by its noun or its actor.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any, Final, LiteralString

from services.query_api.statements import Keys, Page, Row, Snapshot

_DECIDED: Final = (
    "decision, decision_id, position, occurred_at, command_id, noun, verb, verdict, status, code,"
    " reservation_id, requested, modality, provider_id, sku, amount_nanos, NULL::bigint AS"
    " cost_nanos, NULL AS outcome, session_id, policy_version, price_version, committed_nanos,"
    " held_nanos, limit_nanos, credits_nanos, actor, facts"
)
_SETTLED: Final = (
    "decision, decision_id, position, occurred_at, command_id, 'budget' AS noun, 'settle' AS verb,"
    " NULL AS verdict, 200 AS status, 'settled' AS code, reservation_id, NULL AS requested,"
    " modality, provider_id, sku, held_nanos AS amount_nanos, cost_nanos, outcome, session_id,"
    " policy_version, price_version, NULL::numeric AS committed_nanos, NULL::numeric AS held_nanos,"
    " NULL::bigint AS limit_nanos, NULL::bigint AS credits_nanos, NULL AS actor,"
    " '{}'::jsonb AS facts"
)


class LogRows(Snapshot):
    """Everything that was decided about a twin, newest first."""

    async def currency(self, tenant: str) -> str | None:
        """The currency of a twin's money; None before it has a policy."""
        row = await self._one("currency", "tenants WHERE tenant = %(tenant)s", tenant)
        return row["currency"] if row else None

    async def log(
        self,
        tenant: str,
        filters: Mapping[str, Any],
        keys: tuple[LiteralString, ...],
        after: Keys | None,
        limit: int,
    ) -> list[Row]:
        """Up to *limit* rows after the one with these *keys*."""
        rows = await self._page(_decided(tenant, filters, keys), after, limit)
        if _may_be_settlements(filters):
            page = Page(_SETTLED, "audit_logs", keys).of(tenant).during("occurred_at", filters)
            settled = await self._page(page, after, limit)
            merged = heapq.merge(
                rows, settled, key=lambda row: tuple(row[k] for k in keys), reverse=True
            )
            rows = list(merged)[:limit]
        return rows


def _decided(tenant: str, filters: Mapping[str, Any], keys: tuple[LiteralString, ...]) -> Page:
    page = Page(_DECIDED, "decisions", keys).of(tenant).during("occurred_at", filters)
    noun, actor = filters["noun"], filters["actor"]
    if noun is not None:
        page.also("noun = %(noun)s", noun=noun)
        if noun != "budget":
            # It says what `noun` says already, in the words of the index.
            page.also("noun <> 'budget'")
    if filters["verb"] is not None:
        page.also("verb = %(verb)s", verb=filters["verb"])
    if actor is not None:
        page.also("actor = %(actor)s", actor=actor)
    if filters["refused"]:
        page.also("status >= 400")
    return page


def _may_be_settlements(filters: Mapping[str, Any]) -> bool:
    """Whether a settlement can be among what is asked for: it is nobody's but the call's."""
    return (
        filters["noun"] in (None, "budget")
        and filters["verb"] in (None, "settle")
        and filters["actor"] is None
        and not filters["refused"]
    )
