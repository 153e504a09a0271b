"""
One shard of tenants: loads their state on first use, keeps their time, admits their commands.

A shard is served only while its lease is valid; the fence in the log keeps a shard safe even when
two workers believe that they own it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol

import structlog

from contracts.subjects import shard_of
from contracts.tenant import ProvisionTenant
from domain.refusals import CANNOT_VERIFY, OVERLOADED, TWIN_UNKNOWN
from services.eventstore.errors import LogProblem
from services.gate.committer import Committer
from services.gate.log import TenantLog
from services.gate.writer import Clock, Group, TenantWriter, Waiter, refuse_all
from services.tenant_log.codec import BrokenLog

LOADING_WAITERS_MAX = 4_096
ABSENT_KEPT_MAX = 1_000
WARM_AGAIN_AFTER_S = 1.0
# A snapshot is due when folding what came after it would take about this long.
SNAPSHOT_DUE_US = 600_000
_FOLD_COMMIT_US = 40
_FOLD_EVENT_US = 4

_TENANT = re.compile(r"[a-z][a-z0-9-]{0,62}")

_log = structlog.get_logger()


class Loader(Protocol):
    """Builds a tenant's writer from its log."""

    async def load(self, tenant: str, *, create_key: bool) -> TenantWriter:
        """Return the writer; raises LogProblem or BrokenLog."""
        ...

    async def save_snapshot(self, tenant: str, snapshot: bytes) -> None:
        """Store a snapshot; never raises for want of it."""
        ...


class ShardGate:
    """The tenants of one shard. *is_owner* says whether the lease is valid at this moment."""

    def __init__(
        self,
        shard: int,
        log: TenantLog,
        loader: Loader,
        *,
        shards: int,
        clock: Clock,
        is_owner: Callable[[], bool],
    ) -> None:
        self.shard = shard
        self._shards = shards
        self._loader = loader
        self._clock = clock
        self._is_owner = is_owner
        self._committer = Committer(log, self._on_stored, self._on_lost)
        self._writers: dict[str, TenantWriter] = {}
        self._absent: dict[str, None] = {}
        self._loading: dict[str, list[Waiter]] = {}
        self._loaded = asyncio.Event()
        self._timers: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, known_tenants: Callable[[], Awaitable[list[str]]]) -> None:
        """Begin to commit, and load every tenant that has a log, so that holds expire in time."""
        self._spawn(self._committer.run())
        self._spawn(self._warm_all(known_tenants))

    async def _warm_all(self, known_tenants: Callable[[], Awaitable[list[str]]]) -> None:
        while True:
            try:
                tenants = await known_tenants()
                break
            except LogProblem as problem:
                _log.warning("tenants_not_listed", shard=self.shard, reason=str(problem))
                await asyncio.sleep(WARM_AGAIN_AFTER_S)
        for tenant in tenants:
            self.warm(tenant)
            # One after the other, so that commands waiting for their own tenant are not held up.
            await self._loaded.wait()

    async def stop(self) -> None:
        """Stop; what is not durable is refused with 503 and may be asked again elsewhere."""
        for _, timer in self._timers.values():
            timer.cancel()
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        waiters = [w for writer in self._writers.values() for w in writer.lost()]
        waiters += [w for queue in self._loading.values() for w in queue]
        self._writers.clear()
        self._loading.clear()
        for waiter in waiters:
            refuse_all(waiter, CANNOT_VERIFY)

    async def drain(self, timeout_s: float) -> None:
        """Wait until nothing is in flight, at most *timeout_s*."""
        for writer in self._writers.values():
            writer.close_flood()
            self._committer.ready(writer)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            if all(writer.is_idle for writer in self._writers.values()) and not self._loading:
                return
            await asyncio.sleep(0.005)

    def receive(self, tenant: str, waiter: Waiter) -> None:
        """Take one message of a client. It is answered later, or at once when refused."""
        if not self._is_owner():
            return  # The owner got the message too; a second answer would only be stale.
        writer = self._writers.get(tenant)
        if writer is None or (writer.is_keyless and _provisions(waiter)):
            self._load(tenant, [waiter])
            return
        self._offer(writer, waiter)

    def warm(self, tenant: str) -> None:
        """Load a tenant before anybody asks, so that its holds expire in time."""
        if tenant not in self._writers:
            self._load(tenant, [])

    def _offer(self, writer: TenantWriter, waiter: Waiter) -> None:
        writer.offer(waiter)
        self._committer.ready(writer)
        self._arm(writer)

    # -- loading ----------------------------------------------------------------

    def _load(self, tenant: str, waiters: list[Waiter]) -> None:
        # A client may address a shard directly; a tenant is served only where its log is.
        if not _TENANT.fullmatch(tenant) or shard_of(tenant, self._shards) != self.shard:
            for waiter in waiters:
                refuse_all(waiter, TWIN_UNKNOWN)
            return
        queue = self._loading.get(tenant)
        if queue is None:
            self._loading[tenant] = list(waiters)
            self._loaded.clear()
            self._forget(tenant)
            self._spawn(self._load_now(tenant))
            return
        for waiter in waiters:
            if len(queue) >= LOADING_WAITERS_MAX:
                refuse_all(waiter, OVERLOADED)
            else:
                queue.append(waiter)

    async def _load_now(self, tenant: str) -> None:
        try:
            await self._load_or_refuse(tenant)
        finally:
            if not self._loading:
                self._loaded.set()

    async def _load_or_refuse(self, tenant: str) -> None:
        try:
            create_key = any(_provisions(waiter) for waiter in self._loading[tenant])
            writer = await self._loader.load(tenant, create_key=create_key)
        except (LogProblem, BrokenLog, LookupError, OSError, TimeoutError) as problem:
            _log.error("tenant_not_loaded", tenant=tenant, shard=self.shard, reason=str(problem))
            for waiter in self._loading.pop(tenant):
                refuse_all(waiter, CANNOT_VERIFY)
            return
        waiting = self._loading.pop(tenant)
        self._writers[tenant] = writer
        self._bound_absent(tenant, writer)
        for waiter in waiting:
            self.receive(tenant, waiter)
        self._arm(writer)

    def _bound_absent(self, tenant: str, writer: TenantWriter) -> None:
        """Names that nobody provisioned are remembered, but only so many of them."""
        if writer.state.tenant.status != "absent":
            return
        self._absent[tenant] = None
        while len(self._absent) > ABSENT_KEPT_MAX:
            name = next(iter(self._absent))
            del self._absent[name]
            other = self._writers.get(name)
            if other is not None and other.state.tenant.status == "absent" and other.is_idle:
                self._forget(name)

    def _forget(self, tenant: str) -> None:
        self._writers.pop(tenant, None)
        timer = self._timers.pop(tenant, None)
        if timer is not None:
            timer[1].cancel()

    # -- time -------------------------------------------------------------------

    def _arm(self, writer: TenantWriter) -> None:
        """See to it that the writer is woken when time brings something by itself."""
        deadline_us = writer.next_deadline_us()
        if deadline_us is None:
            return
        name = writer.state.name
        armed = self._timers.get(name)
        if armed is not None:
            if armed[0] <= deadline_us:
                return
            armed[1].cancel()
        delay_s = max(0.001, (deadline_us - self._clock()) / 1_000_000)
        handle = asyncio.get_running_loop().call_later(delay_s, self._wake, name)
        self._timers[name] = (deadline_us, handle)

    def _wake(self, tenant: str) -> None:
        self._timers.pop(tenant, None)
        writer = self._writers.get(tenant)
        if writer is None or not self._is_owner():
            return
        writer.pass_time(writer.now_us)
        self._committer.ready(writer)
        self._arm(writer)

    # -- what became of a commit --------------------------------------------------

    def _on_stored(self, writer: TenantWriter, group: Group) -> None:
        if group.frozen_state is not None:
            snapshot = writer.snapshot(group)
            self._spawn(self._loader.save_snapshot(writer.state.name, snapshot))
        writer.fold_cost_us += _FOLD_COMMIT_US + _FOLD_EVENT_US * len(group.events)
        writer.snapshot_due = writer.fold_cost_us > SNAPSHOT_DUE_US

    def _on_lost(self, writer: TenantWriter, problem: Exception) -> None:
        """
        Build the tenant anew and decide again whatever was not durable.

        A command that did get into the log is found there by its id, so it is not decided twice.
        """
        tenant = writer.state.name
        _log.warning("commit_lost", tenant=tenant, shard=self.shard, reason=str(problem))
        waiters = writer.lost()
        if self._writers.get(tenant) is writer:
            self._forget(tenant)
        for waiter in waiters:
            waiter.answers.clear()
        self._load(tenant, waiters)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("shard_task_failed", shard=self.shard, exc_info=task.exception())


def _provisions(waiter: Waiter) -> bool:
    return any(isinstance(command, ProvisionTenant) for command in waiter.commands)
