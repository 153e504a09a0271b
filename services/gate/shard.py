"""
One shard of tenants: loads their state on first use, keeps their time, admits their commands.

A shard is served only while its lease is valid; the fence in the log keeps a shard safe even when
two workers believe that they own it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from contracts.subjects import shard_of
from domain import flood
from domain.refusals import CANNOT_VERIFY, TWIN_UNKNOWN
from services.eventstore.errors import FenceConflict, LogProblem, OutcomeUnknown
from services.gate.committer import Committer
from services.gate.group import Group
from services.gate.key_errands import KEY_COMMANDS, Erased, KeyErrands, of_state
from services.gate.loading import Loader, Loading, begins_log
from services.gate.log import TenantLog
from services.gate.session_notice import Pushed, at_takeover
from services.gate.tasks import end_all
from services.gate.timers import Timers
from services.gate.waiter import Waiter, refuse_all
from services.gate.writer import Clock, TenantWriter

ABSENT_KEPT_MAX = 1_000
WARM_AGAIN_AFTER_S = 1.0
# How often one message is decided anew because its commit was lost to another writer.
LOSSES_MAX = 8
# A lease that is late may still be renewed; until then time is not written down.
_NOT_OWNER_AGAIN_US = 250_000
# A snapshot is due when folding what came after it would take about this long.
SNAPSHOT_DUE_US = 600_000
_FOLD_COMMIT_US = 40
_FOLD_EVENT_US = 4
_DRAIN_POLL_S = 0.005

_TENANT = re.compile(r"[a-z][a-z0-9-]{0,62}")
# After these the log knows what was decided, so it is asked; after others nothing is stored.
_DECIDE_AGAIN = (FenceConflict, OutcomeUnknown)

_log = structlog.get_logger()


class ShardGate:
    """
    The tenants of one shard. *is_owner* says whether the lease is valid at this moment.

    *push* tells running agents what is durable, a bundle or ended sessions; it must not raise.
    *snapshot_due_us* is how much folding, in microseconds, makes a snapshot due.
    """

    def __init__(
        self,
        shard: int,
        log: TenantLog,
        loader: Loader,
        *,
        shards: int,
        clock: Clock,
        is_owner: Callable[[], bool],
        push: Callable[[Pushed], None] = lambda _pushed: None,
        snapshot_due_us: int = SNAPSHOT_DUE_US,
    ) -> None:
        self.shard = shard
        self._shards = shards
        self._loader = loader
        self._clock = clock
        self._is_owner = is_owner
        self._push = push
        self._snapshot_due_us = snapshot_due_us
        self._writers: dict[str, TenantWriter] = {}
        self._committer = Committer(log, self._on_stored, self._on_lost)
        self._loading = Loading(shard, loader, self._spawn, self._on_loaded, self._on_erased)
        self._errands = KeyErrands(
            loader,
            clock,
            spawn=self._spawn,
            writer_of=self._writers.get,
            receive=self.receive,
            gone=self._gone,
            load_again=self._load_again,
        )
        self._timers = Timers(clock, self._wake)
        self._absent: dict[str, None] = {}
        # Tenants that have a log and no writer: nobody keeps their time until they are loaded.
        self._cold: dict[str, None] = {}
        self._is_cold = asyncio.Event()
        # Refusals that a lost writer had counted, for the one after it.
        self._uncounted: dict[str, flood.Tally] = {}
        self._saving: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._warming: asyncio.Task[None] | None = None
        self._is_leaving = False
        self._is_stopped = False

    # -- serving, and its end ----------------------------------------------------

    def start(self, known_tenants: Callable[[], Awaitable[list[str]]]) -> None:
        """Begin to commit, and load every tenant that has a log, so that holds expire in time."""
        self._spawn(self._committer.run())
        self._warming = self._spawn(self._keep_warm(known_tenants))

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new and wait until nothing is in flight, at most *timeout_s*."""
        self._is_leaving = True
        if self._warming is not None:
            self._warming.cancel()
        for writer in self._writers.values():
            writer.close_flood()
            self._committer.ready(writer)
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline_s:
            if self._loading.is_idle and all(writer.is_idle for writer in self._writers.values()):
                return
            await asyncio.sleep(_DRAIN_POLL_S)

    async def stop(self) -> None:
        """Stop; what is not durable is refused with 503 and may be asked again elsewhere."""
        self._is_leaving = self._is_stopped = True
        self._timers.close()
        await end_all(self._tasks)
        await self._committer.close()
        waiters = self._loading.close()
        for writer in self._writers.values():
            waiters += writer.lost(in_flight_is_stored=None)
        for tenant in self._writers:
            # Whoever serves the shard next has its keys; nobody else needs them.
            self._loader.forget(tenant)
        self._writers.clear()
        for waiter in waiters:
            refuse_all(waiter, CANNOT_VERIFY)

    # -- messages of clients -----------------------------------------------------

    def receive(self, tenant: str, waiter: Waiter) -> None:
        """Take one message of a client. It is answered later, or at once when refused."""
        if self._is_leaving or not self._is_owner():
            return  # The owner got the message too; a second answer would only be stale.
        writer = self._writers.get(tenant)
        if writer is None or (writer.is_keyless and begins_log(tenant, waiter)):
            self._load(tenant, [waiter])
            return
        if waiter.commands and type(waiter.commands[0]) in KEY_COMMANDS:
            if not self._errands.takes(writer, waiter):
                self._offer(writer, waiter)
            return
        self._offer(writer, waiter)

    def _offer(self, writer: TenantWriter, waiter: Waiter) -> None:
        try:
            writer.offer(waiter)
        except Exception as problem:  # noqa: BLE001 - a fault in one tenant must not end its shard
            # The state may be half changed now, and is built anew.
            refuse_all(waiter, CANNOT_VERIFY)
            self._on_lost(writer, problem)
            return
        self._committer.ready(writer)
        self._arm(writer)

    # -- loading -----------------------------------------------------------------

    def _load(self, tenant: str, waiters: list[Waiter]) -> None:
        # A client may address a shard directly; a tenant is served only where its log is.
        if not _TENANT.fullmatch(tenant) or shard_of(tenant, self._shards) != self.shard:
            for waiter in waiters:
                refuse_all(waiter, TWIN_UNKNOWN)
            return
        if self._errands.is_erased(tenant):
            for waiter in waiters:
                self._errands.refuse(tenant, waiter)
            return
        self._forget(tenant)
        self._loading.add(tenant, waiters)

    def _on_loaded(self, writer: TenantWriter, waiting: list[Waiter]) -> None:
        tenant = writer.state.name
        if writer.state.tenant.status == "erased":
            self._errands.finish(tenant, of_state(writer), waiting)
            return
        self._writers[tenant] = writer
        self._cold.pop(tenant, None)
        tally = self._uncounted.pop(tenant, None)
        if tally is not None:
            writer.count_again(flood.summary(tally, writer.now_us))
        self._bound_absent(tenant, writer)
        # The worker before this one may have died between a commit and its push.
        current = writer.current_bundle()
        if current is not None:
            self._push(current)
        sessions = at_takeover(writer.state)
        if sessions is not None:
            self._push(sessions)
        for waiter in waiting:
            if self._is_leaving:
                refuse_all(waiter, CANNOT_VERIFY)
            else:
                self.receive(tenant, waiter)
        if self._is_leaving:
            writer.close_flood()
            self._committer.ready(writer)
        self._arm(writer)

    def _on_erased(self, tenant: str, waiting: list[Waiter]) -> None:
        """The keys are gone, or some of them are; nobody can say any more what the log says."""
        self._errands.finish(tenant, Erased(), waiting)

    async def _gone(self, tenant: str) -> None:
        """Forget a tenant that is being erased, and wait until nothing of it is being saved."""
        self._forget(tenant)
        self._uncounted.pop(tenant, None)
        saving = self._saving.get(tenant)
        if saving is not None:
            await asyncio.wait((saving,))

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

    def _load_again(self, tenant: str) -> None:
        """Load a tenant soon, though nobody asks for it."""
        self._cold[tenant] = None
        self._is_cold.set()

    def _forget(self, tenant: str) -> None:
        self._writers.pop(tenant, None)
        self._timers.disarm(tenant)

    async def _keep_warm(self, known_tenants: Callable[[], Awaitable[list[str]]]) -> None:
        """Load the tenants that have a log before anybody asks, and again when one was lost."""
        while True:
            try:
                self._cold.update(dict.fromkeys(await known_tenants()))
                break
            except LogProblem as problem:
                _log.warning("tenants_not_listed", shard=self.shard, reason=str(problem))
                await asyncio.sleep(WARM_AGAIN_AFTER_S)
        while True:
            # One after the other, so that commands waiting for their own tenant are not held up.
            for tenant in list(self._cold):
                if tenant in self._writers or self._errands.is_erased(tenant):
                    self._cold.pop(tenant, None)
                    continue
                self._load(tenant, [])
                await self._loading.ended(tenant)
            if not self._cold:
                self._is_cold.clear()
                await self._is_cold.wait()
            await asyncio.sleep(WARM_AGAIN_AFTER_S)

    # -- time --------------------------------------------------------------------

    def _arm(self, writer: TenantWriter) -> None:
        deadline_us = writer.next_deadline_us()
        if deadline_us is not None and not self._is_stopped:
            self._timers.arm(writer.state.name, deadline_us)

    def _wake(self, tenant: str) -> None:
        writer = self._writers.get(tenant)
        if writer is None or self._is_leaving:
            return
        if not self._is_owner():
            self._timers.arm(tenant, self._clock() + _NOT_OWNER_AGAIN_US)
            return
        writer.pass_time(writer.now_us)
        self._committer.ready(writer)
        self._arm(writer)

    # -- what became of a commit ---------------------------------------------------

    def _on_stored(self, writer: TenantWriter, group: Group) -> None:
        if group.bundle is not None:
            self._push(group.bundle)
        if group.sessions is not None:
            self._push(group.sessions)
        if writer.farewells:
            self._errands.erase(writer)
            return
        if group.frozen_state is not None:
            self._save(writer.state.name, writer.snapshot(group))
        writer.fold_cost_us += _FOLD_COMMIT_US + _FOLD_EVENT_US * len(group.events)
        writer.snapshot_due = writer.fold_cost_us > self._snapshot_due_us

    def _save(self, tenant: str, snapshot: bytes) -> None:
        task = self._saving[tenant] = self._spawn(self._loader.save_snapshot(tenant, snapshot))

        def saved(_task: asyncio.Task[None]) -> None:
            if self._saving.get(tenant) is task:
                del self._saving[tenant]

        task.add_done_callback(saved)

    def _on_lost(self, writer: TenantWriter, problem: Exception) -> None:
        """
        Build the tenant anew, and decide again whatever was not durable.

        A command that did get into the log is found there by its id, so it is not decided twice.
        When nothing was stored and trying again would not help, who waits is told so instead.
        """
        tenant = writer.state.name
        _log.warning(
            "commit_lost",
            tenant=tenant,
            shard=self.shard,
            reason=str(problem) or type(problem).__name__,
            exc_info=None if isinstance(problem, LogProblem) else problem,
        )
        is_told = isinstance(problem, LogProblem) and not isinstance(problem, OutcomeUnknown)
        waiters = writer.lost(in_flight_is_stored=False if is_told else None)
        if self._writers.get(tenant) is writer:
            self._forget(tenant)
            if writer.state.tenant.status != "absent":
                self._load_again(tenant)
        self._inherit(writer)
        for waiter in waiters:
            waiter.undo()
            is_hopeless = waiter.losses > LOSSES_MAX or not isinstance(problem, _DECIDE_AGAIN)
            if self._is_leaving or is_hopeless:
                refuse_all(waiter, CANNOT_VERIFY)
            else:
                self.receive(tenant, waiter)
        if self._is_leaving and tenant in self._uncounted:
            self._load(tenant, [])

    def _inherit(self, writer: TenantWriter) -> None:
        """Keep what a lost writer had counted: the refusals were answered, and are owed a count."""
        counted = writer.uncounted()
        if counted is None:
            return
        heir = self._writers.get(writer.state.name)
        if heir is None:
            flood.put_back(self._uncounted.setdefault(writer.state.name, flood.Tally()), counted)
        else:
            heir.count_again(counted)
            self._arm(heir)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("shard_task_failed", shard=self.shard, exc_info=task.exception())
