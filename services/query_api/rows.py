"""
All SQL of this API, and nothing else of it.

The tables belong to `projections/`; what is read here are their public views, which point to the
version of each projection that serves. Values never become part of a statement's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.query_api.lag import Applied

Connection: TypeAlias = AsyncConnection[DictRow]
Row: TypeAlias = dict[str, Any]
Keys: TypeAlias = tuple[Any, ...]

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
    " price_books, tenant_secrets IN ACCESS SHARE MODE"
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
    " price_version"
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
_CHANGE: Final = "version, actor, note, occurred_at, decision_id, position AS changed_position"
# *age* counts backwards, so that the newest version comes first where names go forwards.
_VAULT: Final = (
    "name, version, age, state, key_version, put_at, put_by, usable_until, ended_by,"
    " reason, openings, last_opened_at, last_opened_by, position AS changed_position,"
    " (usable_until IS NULL OR usable_until > now()) AS usable"
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


class Reader:
    """One snapshot of the public views."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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

    async def tenants(self, after: Keys | None, limit: int) -> list[Row]:
        """Twins by name."""
        page = _Page(_TENANT, "tenants", ("tenant",), "ASC")
        return await self._page(page, after, limit)

    async def audit_log(
        self, tenant: str, filters: Mapping[str, Any], after: Keys | None, limit: int
    ) -> list[Row]:
        """Settlements, newest first."""
        page = _Page(_ENTRY, "audit_logs", newest_first(filters)).of(tenant)
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
        page = _Page(_DECISION, "decisions", newest_first(filters)).of(tenant)
        page.during("occurred_at", filters)
        if filters["verdict"] is not None:
            page.also("verdict = %(verdict)s", verdict=filters["verdict"])
        if filters["code"] is not None:
            page.also("code = %(code)s", code=filters["code"])
        return await self._page(page, after, limit)

    async def refusal_counts(
        self, tenant: str, filters: Mapping[str, Any], after: Keys | None, limit: int
    ) -> list[Row]:
        """Counts of refusals, newest minute first."""
        page = _Page(_COUNT, "refusal_counts", ("minute", "code")).of(tenant)
        page.during("minute", filters)
        if filters["code"] is not None:
            page.also("code = %(only_code)s", only_code=filters["code"])
        return await self._page(page, after, limit)

    async def holds(
        self, tenant: str, state: str | None, after: Keys | None, limit: int
    ) -> list[Row]:
        """Holds, newest first."""
        page = _Page(_HOLD, "holds", ("reservation",)).of(tenant)
        if state is not None:
            page.also("state = %(state)s", state=state)
        return await self._page(page, after, limit)

    async def policies(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Versions of the policy without the documents, newest first."""
        return await self._page(_Page(_CHANGE, "policies", ("version",)).of(tenant), after, limit)

    async def secrets(self, tenant: str, after: Keys | None, limit: int) -> list[Row]:
        """Versions of secrets, by name."""
        vault = "(SELECT *, -version AS age FROM tenant_secrets) AS vault"
        page = _Page(_VAULT, vault, ("name", "age"), "ASC").of(tenant)
        return await self._page(page, after, limit)

    # -- How -------------------------------------------------------------------

    async def _page(self, page: _Page, after: Keys | None, limit: int) -> list[Row]:
        return await self._all(page.columns, *page.build(after, limit))

    async def _all(
        self, columns: LiteralString, rest: LiteralString, values: Mapping[str, Any]
    ) -> list[Row]:
        cursor = await self._connection.execute(_select(columns, rest), values)
        return await cursor.fetchall()

    async def _one(
        self,
        columns: LiteralString,
        rest: LiteralString,
        tenant: str,
        number: int | None = None,
    ) -> Row | None:
        values = {"tenant": tenant, "number": number}
        cursor = await self._connection.execute(_select(columns, rest), values)
        return await cursor.fetchone()


def _select(columns: LiteralString, rest: LiteralString) -> LiteralString:
    # Both are literals of this module, which their type says; values come as parameters.
    return f"SELECT {columns} FROM {rest}"  # noqa: S608


class _Page:
    """
    A statement for one page, put together from literals; the values stay apart.

    It is a method chain and not a template so that a filter that is not asked for is not in the
    statement at all: `x = $1 OR $1 IS NULL` would keep the planner from using an index.
    """

    def __init__(
        self,
        columns: LiteralString,
        view: LiteralString,
        keys: tuple[LiteralString, ...],
        order: LiteralString = "DESC",
    ) -> None:
        self.columns = columns
        self._view = view
        self._keys = keys
        self._order = order
        self._clauses: list[LiteralString] = []
        self._values: dict[str, Any] = {}

    def also(self, clause: LiteralString, **values: Any) -> _Page:
        """Only rows for which *clause* holds."""
        self._clauses.append(clause)
        self._values |= values
        return self

    def of(self, tenant: str) -> _Page:
        """Only rows of this twin."""
        return self.also("tenant = %(tenant)s", tenant=tenant)

    def during(self, column: LiteralString, filters: Mapping[str, Any]) -> _Page:
        """Only rows of [since, until)."""
        if filters["since"] is not None:
            self.also(f"{column} >= %(since)s", since=filters["since"])
        if filters["until"] is not None:
            self.also(f"{column} < %(until)s", until=filters["until"])
        return self

    def build(self, after: Keys | None, limit: int) -> tuple[LiteralString, dict[str, Any]]:
        """What follows FROM, for up to *limit* rows after these keys, and the values."""
        values: dict[str, Any] = {**self._values, "limit": limit}
        clauses = list(self._clauses)
        if after is not None:
            named: list[LiteralString] = [f"%(after_{key})s" for key in self._keys]
            sign: LiteralString = "<" if self._order == "DESC" else ">"
            clauses.append(f"({', '.join(self._keys)}) {sign} ({', '.join(named)})")
            values |= {f"after_{key}": value for key, value in zip(self._keys, after, strict=True)}
        where: LiteralString = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        order: LiteralString = ", ".join([f"{key} {self._order}" for key in self._keys])
        return f"{self._view}{where} ORDER BY {order} LIMIT %(limit)s", values
