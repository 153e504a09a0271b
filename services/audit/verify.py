"""
Verify: what was proved of each tenant, what was found, and what was not looked at.

    log        every commit follows the one before it, from 1, in its own tenant's subjects
    content    every box opens, and the fold of its events agrees with what they say of themselves
    live       the gate shows exactly the fold
    snapshot   what workers start from is exactly the fold
    postgres   the tables show exactly the fold

What the gate and the tables show is read before the log, and compared where the fold passes by, so
a system at work can be verified too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

import psycopg

from contracts.subjects import shard_of
from services.audit import live as live_gate
from services.audit import read_side, snapshot
from services.audit.access import PATIENCE, Access
from services.audit.findings import Findings
from services.audit.live import LiveCheck, LiveDown
from services.audit.read_side import PostgresDown, ReadSide
from services.audit.report import ERASED, Area, Plan, Report, report
from services.audit.rows import RowsCheck
from services.audit.snapshot import SnapshotCheck
from services.audit.tenant_audit import TenantAudit
from services.client.patience import Patience
from services.eventstore.errors import ForeignMessage
from services.sealing.wrapped_keys import KeyErased


class Verifier:
    """Verifies tenants one after another. Use it as an async context manager."""

    def __init__(
        self,
        access: Access,
        *,
        with_live: bool = True,
        with_postgres: bool = True,
        patience: Patience = PATIENCE,
        progress: Callable[[int, int], None] | None = None,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._access = access
        self._with_live = with_live
        self._with_postgres = with_postgres
        self._patience = patience
        self._progress = progress
        self._clock_s = clock_s
        self._read_side: ReadSide | None = None
        self._postgres_is_down = ""
        # Shards whose gate did not answer: every further question would wait as long again.
        self._silent: dict[int, str] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._with_postgres:
            dsn = self._access.settings.postgres_reader()
            try:
                self._read_side = await self._stack.enter_async_context(read_side.connected(dsn))
            except PostgresDown as problem:
                self._postgres_is_down = str(problem)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._stack.aclose()

    async def tenants(self) -> list[str]:
        """Return every tenant that has a log, or rows without one."""
        found: set[str] = set()
        for store in self._access.stores:
            found.update(await store.originators())
        if self._read_side is not None:
            found.update(await self._read_side.tenants())
        return sorted(found)

    async def stream(self, shard: int) -> Findings:
        """Check what can be said of a whole stream: nothing was removed, nothing is misplaced."""
        store = self._access.stores[shard]
        findings = Findings(store.names.stream)
        info = await self._access.connection.api(f"STREAM.INFO.{store.names.stream}")
        state = info["state"]
        wanted = {"messages": state["last_seq"], "num_deleted": 0}
        if state["last_seq"]:
            wanted["first_seq"] = 1
        for name, value in wanted.items():
            if state.get(name, 0) != value:
                findings.add("log", name, expected=value, found=state.get(name, 0))
        for tenant in await store.originators():
            home = shard_of(tenant, len(self._access.stores))
            if home != shard:
                findings.add("log", f"shard of {tenant}", expected=home, found=shard)
        return findings

    async def tenant(self, tenant: str) -> Report:
        """Verify one tenant."""
        started_s = self._clock_s()
        access, findings = self._access, Findings(tenant)
        store = access.store_of(tenant)
        audit = TenantAudit(tenant, store.names.prefix, store, access.keys, findings)
        plan = Plan()
        await self._tell_progress(audit)
        try:
            async with AsyncExitStack() as stack:
                await self._prepare(audit, plan, stack)
                await audit.run(await access.end_of(access.shard_of(tenant)))
        except psycopg.OperationalError as problem:
            self._read_side, self._postgres_is_down = None, read_side.reason(problem)
            return await self.tenant(tenant)
        return report(audit, plan, self._clock_s() - started_s)

    async def _tell_progress(self, audit: TenantAudit) -> None:
        progress = self._progress
        if progress is None:
            return
        last = await self._access.store_of(audit.tenant).last(audit.tenant)
        end = last.version if last else 0
        audit.note = lambda position: progress(position, end)

    async def _prepare(self, audit: TenantAudit, plan: Plan, stack: AsyncExitStack) -> None:
        """Read what is to be compared with the log, before the log is read."""
        if await self._is_erased(audit.tenant):
            plan.live = plan.snapshot = Area("none", ERASED)
            plan.postgres = await self._rows_left(audit)
            return
        await self._ask_live(audit, plan)
        await self._find_snapshot(audit, plan)
        if not self._with_postgres:
            plan.postgres = Area("not_checked", "--no-postgres", wanted=False)
        elif self._read_side is None:
            plan.postgres = Area("not_checked", self._postgres_is_down)
        else:
            shard = self._access.shard_of(audit.tenant)
            tables, streams = await stack.enter_async_context(
                self._read_side.snapshot(audit.tenant, shard)
            )
            audit.rows = RowsCheck(audit.tenant, tables, streams, audit.findings)

    async def _rows_left(self, audit: TenantAudit) -> Area:
        """Of an erased twin no row may be left, but an empty one in `tenants`."""
        if not self._with_postgres:
            return Area("not_checked", "--no-postgres", wanted=False)
        if self._read_side is None:
            return Area("not_checked", self._postgres_is_down)
        is_told, left = await self._read_side.left_of(audit.tenant)
        if not left:
            return Area("none", ERASED)
        if not is_told:
            return Area("not_checked", "the projector has not removed its rows yet")
        for view, count in left.items():
            what = f"{view}, rows of an erased twin"
            audit.findings.add("postgres", what, expected=0, found=count)
        return Area("differs", f"{len(left)} tables still have rows of it")

    async def _ask_live(self, audit: TenantAudit, plan: Plan) -> None:
        shard = self._access.shard_of(audit.tenant)
        if not self._with_live:
            plan.live = Area("not_checked", "--no-live", wanted=False)
            return
        if shard in self._silent:
            plan.live = Area("not_checked", self._silent[shard])
            return
        try:
            last = await self._access.store_of(audit.tenant).last(audit.tenant)
            views = await live_gate.ask(self._access, audit.tenant, self._patience)
        except LiveDown as problem:
            self._silent[shard] = f"the gate does not answer: {problem}"
            plan.live = Area("not_checked", self._silent[shard])
        except ForeignMessage as problem:
            plan.live = Area("not_checked", str(problem))
        else:
            audit.live = LiveCheck(views, audit.findings)
            audit.live.is_not_behind(last.version if last else 0)

    async def _find_snapshot(self, audit: TenantAudit, plan: Plan) -> None:
        if self._access.snapshots is None:
            plan.snapshot = Area("none", "there is no bucket for them")
            return
        found = await snapshot.find(audit.tenant, self._access.snapshots, self._access.keys)
        if isinstance(found, str):
            plan.snapshot = Area("none", found)
        else:
            audit.snapshot = SnapshotCheck(found, audit.findings)

    async def _is_erased(self, tenant: str) -> bool:
        try:
            await self._access.keys.versions(tenant)
        except KeyErased:
            return True
        return False
