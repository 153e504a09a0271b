"""The SQL that adds up what calls used and cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString

from services.query_api.statements import Row, Snapshot

_SUMS: Final[LiteralString] = (
    "count(*) AS calls, sum(a.cost_nanos)::numeric AS cost_nanos,"
    " round(sum(a.tokens_milli) * 0.000001, 9) AS token_units,"
    " round(sum(a.stream_ms_milli) / 60000000.0, 9) AS minute_units,"
    " round(sum(a.turns_milli) * 0.001, 9) AS interaction_units,"
    " sum(a.requests)::bigint AS requests"
)
_DURING: Final[LiteralString] = (
    "a.tenant = %(tenant)s AND a.occurred_at >= %(since)s AND a.occurred_at < %(until)s"
)
# A session of no place, and a call of no session, have the deployment null.
_DAYS: Final[LiteralString] = (
    "audit_logs a LEFT JOIN twin_sessions s ON s.tenant = a.tenant AND s.session_id = a.session_id"
    f" WHERE {_DURING}"
    " GROUP BY day, a.provider_id, a.modality, s.deployment, a.currency"
    " ORDER BY day, a.provider_id, a.modality, s.deployment NULLS FIRST, a.currency"
    " LIMIT %(limit)s"
)
_DAY: Final[LiteralString] = (
    "(a.occurred_at AT TIME ZONE %(time_zone)s)::date AS day, a.provider_id, a.modality,"
    " s.deployment, a.currency, "
)
_SESSIONS: Final[LiteralString] = (
    f"(SELECT a.session_id, a.currency, {_SUMS} FROM audit_logs a"  # noqa: S608 - literals
    f" WHERE {_DURING} AND a.session_id IS NOT NULL"
    " GROUP BY a.session_id, a.currency"
    " ORDER BY cost_nanos DESC, a.session_id LIMIT %(limit)s) u"
    " LEFT JOIN twin_sessions s ON s.tenant = %(tenant)s AND s.session_id = u.session_id"
    " ORDER BY u.cost_nanos DESC, u.session_id"
)


class UsageRows(Snapshot):
    """Sums over the audit log."""

    async def usage(
        self, tenant: str, time_zone: str, during: Mapping[str, Any], limit: int
    ) -> list[Row]:
        """By day, provider, modality and deployment, the first day first."""
        values = {**_range(tenant, during, limit), "time_zone": time_zone}
        return await self._all(_DAY + _SUMS, _DAYS, values)

    async def usage_of_sessions(
        self, tenant: str, during: Mapping[str, Any], limit: int
    ) -> list[Row]:
        """By session, the dearest first."""
        columns = "u.*, s.deployment, s.began_at, s.state"
        return await self._all(columns, _SESSIONS, _range(tenant, during, limit))


def _range(tenant: str, during: Mapping[str, Any], limit: int) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "since": during["since"],
        "until": during["until"],
        "limit": limit,
    }
