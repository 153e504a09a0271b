"""
The SQL that adds up what calls used and cost.

Whole quarters of an hour are sums already (projections/usage.py); what of a range begins or ends
within one is added up from the calls themselves.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, LiteralString

from services.query_api.statements import Row, Snapshot

QUARTER: Final = dt.timedelta(minutes=15)
_EPOCH: Final = dt.datetime.fromtimestamp(0, dt.UTC)

_SUMS: Final[LiteralString] = (
    "sum(u.calls)::bigint AS calls, sum(u.cost_nanos)::numeric AS cost_nanos,"
    " round(sum(u.tokens_milli) * 0.000001, 9) AS token_units,"
    " round(sum(u.stream_ms_milli) / 60000000.0, 9) AS minute_units,"
    " round(sum(u.turns_milli) * 0.001, 9) AS interaction_units,"
    " sum(u.requests)::numeric AS requests"
)
_ADDED: Final[LiteralString] = (
    "calls, cost_nanos, tokens_milli, stream_ms_milli, turns_milli, requests"
)
_WHOLE: Final[LiteralString] = "tenant = %(tenant)s AND quarter >= %(first)s AND quarter < %(last)s"
_EDGES: Final[LiteralString] = (
    "a.tenant = %(tenant)s AND ((a.occurred_at >= %(since)s AND a.occurred_at < %(head)s)"
    " OR (a.occurred_at >= %(tail)s AND a.occurred_at < %(until)s))"
)
_OF_CALL: Final[LiteralString] = (
    "1, a.cost_nanos, a.tokens_milli, a.stream_ms_milli, a.turns_milli, a.requests"
)
# A session of no place, and a call of no session, have the deployment null.
_DAYS: Final[LiteralString] = (
    "(SELECT (quarter AT TIME ZONE %(time_zone)s)::date AS day,"  # noqa: S608 - literals
    f" provider_id, modality, deployment, currency, {_ADDED} FROM usage_sums WHERE {_WHOLE}"
    " UNION ALL"
    " SELECT (a.occurred_at AT TIME ZONE %(time_zone)s)::date, a.provider_id, a.modality,"
    f" s.deployment, a.currency, {_OF_CALL} FROM audit_logs a"
    " LEFT JOIN twin_sessions s ON s.tenant = a.tenant AND s.session_id = a.session_id"
    f" WHERE {_EDGES}) u"
    " GROUP BY day, u.provider_id, u.modality, u.deployment, u.currency"
    " ORDER BY day, u.provider_id, u.modality, u.deployment NULLS FIRST, u.currency"
    " LIMIT %(limit)s"
)
_DAY: Final[LiteralString] = "day, u.provider_id, u.modality, u.deployment, u.currency, "
_SESSIONS: Final[LiteralString] = (
    f"(SELECT u.session_id, u.currency, {_SUMS} FROM"  # noqa: S608 - literals
    f" (SELECT session_id, currency, {_ADDED} FROM usage_sessions WHERE {_WHOLE}"
    f" UNION ALL SELECT a.session_id, a.currency, {_OF_CALL} FROM audit_logs a"
    f" WHERE {_EDGES} AND a.session_id IS NOT NULL) u"
    " GROUP BY u.session_id, u.currency"
    " ORDER BY cost_nanos DESC, u.session_id LIMIT %(limit)s) d"
    " LEFT JOIN twin_sessions s ON s.tenant = %(tenant)s AND s.session_id = d.session_id"
    " ORDER BY d.cost_nanos DESC, d.session_id"
)


class UsageRows(Snapshot):
    """Sums over the calls that were settled in a range."""

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
        columns = "d.*, s.deployment, s.began_at, s.state"
        return await self._all(columns, _SESSIONS, _range(tenant, during, limit))


def _range(tenant: str, during: Mapping[str, Any], limit: int) -> dict[str, Any]:
    since, until = during["since"], during["until"]
    first, last = -(-(since - _EPOCH) // QUARTER), (until - _EPOCH) // QUARTER
    has_whole = first < last
    return {
        "tenant": tenant,
        "since": since,
        "until": until,
        "first": _EPOCH + first * QUARTER,
        "last": _EPOCH + last * QUARTER,
        # Without a whole quarter all of it is one edge.
        "head": _EPOCH + first * QUARTER if has_whole else until,
        "tail": _EPOCH + last * QUARTER if has_whole else until,
        "limit": limit,
    }
