"""
A tenant's rows in PostgreSQL, held against the fold of its log.

Each projection says how far it has applied the shard's stream. It must show exactly what the
commits up to there say: nothing missing, nothing too many, nothing changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.budget import CallSettled
from domain.state import State
from projections.cells import text
from services.audit import meters
from services.audit.findings import MISSING, Findings, differences
from services.audit.ledger import Ledger
from services.audit.outcomes import OutcomesCheck
from services.audit.read_side import Streams, Tables
from services.audit.refold import Refold
from services.audit.session_rows import NAME as SESSIONS
from services.audit.session_rows import SessionsCheck
from services.audit.usage_rows import NAME as USAGE
from services.audit.usage_rows import UsageCheck

_BEYOND_EVERYTHING = 1 << 62
_OF_TENANT = (
    "position",
    "status",
    "display_name",
    "organisation",
    "policy_version",
    "price_version",
)


class RowsCheck:
    """Compares one snapshot of a tenant's rows with a fold that passes by their positions."""

    def __init__(self, tenant: str, tables: Tables, streams: Streams, findings: Findings) -> None:
        self._tables = tables
        self._findings = findings
        self._outcomes = OutcomesCheck(streams.outcomes, findings)
        self._ledger = Ledger(tenant, tables.shard, tables.applied)
        self._sessions = SessionsCheck(
            streams.sessions, tenant, tables.shard, tables.applied[SESSIONS], findings
        )
        self._usage = UsageCheck(tables.applied[USAGE])
        self._settled = 0
        self._position = 0
        self._waiting = sorted((seq, name) for name, seq in tables.applied.items())
        # Up to which position of the tenant each projection was compared.
        self.positions: dict[str, int] = {}

    @property
    def outcomes_compared(self) -> int:
        """How many rows of the audit log were compared with their settlement."""
        return self._outcomes.compared

    def before_commit(self, seq: int, refold: Refold) -> None:
        """Compare the projections that end before the commit at *seq*."""
        while self._waiting and self._waiting[0][0] < seq:
            _, name = self._waiting.pop(0)
            self._position = self.positions[name] = refold.state.position
            match name:
                case "billing_meters":
                    self._compare_meters(refold)
                case "decisions":
                    self._compare_decisions(refold)
                case "holds":
                    self._compare_holds(refold.state)
                case "tenants":
                    self._compare_tenant(refold.state)
                case _:
                    pass

    async def commit(self, position: int, seq: int, events: Sequence[Any]) -> None:
        """Compare the settlements of a commit with rows of the audit log, and note the rest."""
        self._ledger.commit(position, seq, events)
        self._sessions.commit(position, seq, events)
        self._usage.commit(position, seq, events)
        self._settled += sum(type(event) is CallSettled for event in events)
        if seq <= self._tables.applied["audit_log"]:
            await self._outcomes.commit(position, seq, events)

    async def at_end(self, refold: Refold, stream_end: int) -> None:
        """Compare what ends with the log, or is beyond its end."""
        self.before_commit(_BEYOND_EVERYTHING, refold)
        await self._outcomes.at_end()
        await self._sessions.at_end()
        self._ledger.compare(self._tables.shown, self._findings)
        self._usage.compare(self._tables.usage, self._findings)
        for name, seq in self._tables.applied.items():
            if seq > stream_end:
                what = f"sequence that {name} has applied"
                self._differs(what, f"at most {stream_end}, where the stream ends", seq)

    def _compare_meters(self, refold: Refold) -> None:
        wanted, found = meters.expected(refold), self._tables.meters
        for key in sorted(wanted.keys() | found.keys()):
            row, shown = wanted.get(key), found.get(key)
            if row is None:
                self._differs(f"billing_meters, row of {key[0]} {key[1]}", MISSING, shown)
            elif shown is None:
                if not row.is_nothing:
                    self._differs(f"billing_meters, row of {key[0]} {key[1]}", row, MISSING)
            else:
                for field, *values in differences(row, shown):
                    self._differs(f"billing_meters, {field} of {key[0]} {key[1]}", *values)

    def _compare_decisions(self, refold: Refold) -> None:
        # Settlements are decisions too; their rows are those of the audit log.
        wanted = refold.state.decisions - self._settled
        if self._tables.decisions != wanted:
            self._differs("decisions, number of rows", wanted, self._tables.decisions)
        if self._tables.refusals_counted != refold.refusals_counted:
            self._differs(
                "refusal_counts, sum", refold.refusals_counted, self._tables.refusals_counted
            )

    def _compare_holds(self, state: State) -> None:
        found = self._tables.holds
        wanted = {
            number: (hold.amount_nanos, hold.credit_nanos, hold.period, hold.expires_at_us)
            for number, hold in state.budget.holds.items()
        }
        if wanted == found:
            return
        for number in sorted(wanted.keys() | found.keys()):
            values = (wanted.get(number, MISSING), found.get(number, MISSING))
            if values[0] != values[1]:
                self._differs(f"holds, open hold {number}", *values)

    def _compare_tenant(self, state: State) -> None:
        row = self._tables.tenant
        if row is None and state.position == 0:
            return
        wanted = (
            state.position,
            state.tenant.status,
            text(state.tenant.display_name),
            text(state.tenant.organisation),
            state.policy.version,
            state.prices.version,
        )
        for name, *values in zip(_OF_TENANT, wanted, row or (MISSING,) * len(wanted), strict=True):
            if values[0] != values[1]:
                self._differs(f"tenants, {name}", *values)

    def _differs(self, what: str, expected: object, found: object) -> None:
        self._findings.add(
            "postgres", what, position=self._position, expected=expected, found=found
        )
