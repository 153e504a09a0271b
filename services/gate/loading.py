"""
The tenants whose state is being built from the log, and who waits for each.

Whatever keeps a tenant from being loaded, everybody who waits is answered. What will not pass by
itself (a broken log, a lost key) is remembered for a while: folding the same log again for every
command would starve the other tenants of the shard.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Protocol

import structlog
from nats.errors import Error as NatsError

from domain.gate import begins
from domain.refusals import CANNOT_VERIFY, OVERLOADED, Refusal
from services.eventstore.errors import LogProblem
from services.gate.waiter import Waiter, refuse_all
from services.gate.writer import TenantWriter
from services.sealing.jetstream_keys import KeyStoreBusy
from services.sealing.keyring import UnwrapRefused
from services.sealing.wrapped_keys import KeyErased, KeyMissing
from services.tenant_log.codec import BrokenLog

WAITERS_MAX = 4_096
TENANTS_MAX = 10_000
AT_ONCE_MAX = 32
# Doubled with each attempt that fails the same way.
UNREADABLE_FIRST_S = 5.0
UNREADABLE_LONGEST_S = 300.0
UNREADABLE_KEPT_MAX = 1_000

PASSING = (LogProblem, NatsError, KeyStoreBusy, OSError, TimeoutError)
LASTING = (BrokenLog, KeyErased, KeyMissing, UnwrapRefused)


class Loader(Protocol):
    """Builds a tenant's writer from its log."""

    async def load(self, tenant: str, *, create_key: bool) -> TenantWriter:
        """Return the writer; raises one of PASSING or LASTING."""
        ...

    async def save_snapshot(self, tenant: str, snapshot: bytes) -> None:
        """Store a snapshot; never raises for want of it."""
        ...

    async def next_key(self, tenant: str, *, after: int) -> tuple[int, bytes]:
        """Return a version of the data key that is newer than *after*; raises as load() does."""
        ...

    async def rewrap(self, tenant: str) -> tuple[int, int]:
        """Wrap the data key anew; how many versions, and with which KEK. Raises as load() does."""
        ...

    async def erase(self, tenant: str, note: bytes) -> None:
        """Destroy the data key and drop the snapshot; *note* stays. Raises one of PASSING."""
        ...

    def forget(self, tenant: str) -> None:
        """Drop what is cached of the tenant's keys."""
        ...


class Loading:
    """
    Loads each tenant once, however many ask.

    *on_loaded* gets the writer and who waited for it, in order; *on_erased* gets a tenant whose
    keys were destroyed, and who waited for it. *spawn* runs a load.
    """

    def __init__(
        self,
        shard: int,
        loader: Loader,
        spawn: Callable[[Coroutine[None, None, None]], asyncio.Task[None]],
        on_loaded: Callable[[TenantWriter, list[Waiter]], None],
        on_erased: Callable[[str, list[Waiter]], None],
    ) -> None:
        self._log = structlog.get_logger().bind(shard=shard)
        self._loader = loader
        self._spawn = spawn
        self._on_loaded = on_loaded
        self._on_erased = on_erased
        self._queues: dict[str, list[Waiter]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE_MAX)
        # Until when not to try, and how long that is.
        self._unreadable: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being loaded."""
        return not self._queues

    def add(self, tenant: str, waiters: list[Waiter]) -> None:
        """Load the tenant for *waiters*, beside those who wait for it already."""
        queue = self._queues.get(tenant)
        if queue is None:
            if self._is_unreadable(tenant):
                _refuse(waiters, CANNOT_VERIFY)
                return
            if len(self._queues) >= TENANTS_MAX:
                _refuse(waiters, OVERLOADED)
                return
            self._queues[tenant] = list(waiters)
            self._running[tenant] = self._spawn(self._load(tenant))
            return
        room = max(0, WAITERS_MAX - len(queue))
        queue += waiters[:room]
        _refuse(waiters[room:], OVERLOADED)

    async def ended(self, tenant: str) -> None:
        """Wait until the tenant is not being loaded any more, however that ends."""
        task = self._running.get(tenant)
        if task is not None:
            await asyncio.wait((task,))

    def close(self) -> list[Waiter]:
        """Forget everything; return who was waiting."""
        waiting = [waiter for queue in self._queues.values() for waiter in queue]
        self._queues.clear()
        return waiting

    async def _load(self, tenant: str) -> None:
        try:
            async with self._slots:
                create_key = any(begins_log(tenant, one) for one in self._queues.get(tenant, ()))
                writer = await self._loader.load(tenant, create_key=create_key)
            self._unreadable.pop(tenant, None)
            waiting = self._queues.pop(tenant, None)
            if waiting is not None:
                self._on_loaded(writer, waiting)
        except PASSING as problem:
            self._log.warning("tenant_not_loaded", tenant=tenant, reason=_said(problem))
        except KeyErased:
            waiting = self._queues.pop(tenant, None)
            if waiting is not None:
                self._on_erased(tenant, waiting)
        except LASTING as problem:
            self._log.error("tenant_unreadable", tenant=tenant, reason=_said(problem))
            self._remember_unreadable(tenant)
        finally:
            # Also after a fault of our own: nobody may wait for ever.
            self._running.pop(tenant, None)
            _refuse(self._queues.pop(tenant, ()), CANNOT_VERIFY)

    def _is_unreadable(self, tenant: str) -> bool:
        until_s, _ = self._unreadable.get(tenant, (0.0, 0.0))
        return asyncio.get_running_loop().time() < until_s

    def _remember_unreadable(self, tenant: str) -> None:
        _, last_s = self._unreadable.pop(tenant, (0.0, UNREADABLE_FIRST_S / 2))
        pause_s = min(2 * last_s, UNREADABLE_LONGEST_S)
        self._unreadable[tenant] = (asyncio.get_running_loop().time() + pause_s, pause_s)
        if len(self._unreadable) > UNREADABLE_KEPT_MAX:
            self._unreadable.popitem(last=False)


def begins_log(tenant: str, waiter: Waiter) -> bool:
    """Whether a message would begin the tenant's log."""
    return any(begins(tenant, command) for command in waiter.commands)


def _refuse(waiters: list[Waiter] | tuple[()], refusal: Refusal) -> None:
    for waiter in waiters:
        refuse_all(waiter, refusal)


def _said(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
