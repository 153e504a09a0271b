"""
The run that has to balance: a crowd, failing vendors, and kill -9 of the gateway.

When the crowd has gone the gateway is told to stop, which closes its books. What died with a killed
one is held until it expires; video that goes on at its vendor is found by reconciliation, ended and
booked late. Then every call that the sandbox counted is held against the log and `audit_logs`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import aiohttp
import msgspec
import psycopg
from psycopg import sql

from contracts.subjects import shard_of
from contracts.views import BudgetView
from services import deployment_log
from services.bench.live_stack import LiveStack
from services.embedded.polling import until
from services.eventstore.connection import EventStoreConnection
from services.evidence.crowd import Counts, Crowd
from services.evidence.tally import Holds, Tally, holds_of, tally
from services.sandbox.faults import Fault
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.tenant_log.replay import commits
from services.vendors.reconciliation import Report
from services.vendors.reconciling import Reconciling, reconciled_vendors

MODALITIES: Final = ("text", "text", "voice", "voice", "video")
TOGETHER: Final = 60
KILL_WITHIN_S: Final = 0.1
OPEN_WITHIN_S: Final = 60.0
WELL: Final = range(200, 300)
STOP_WITHIN_S: Final = 60.0
PROJECTED_WITHIN_S: Final = 120.0
CREATE: Final = "conversation.create"
# How often each goes wrong: before anything is done, in the middle, and after all is done.
FAULTS: Final = (
    Fault(vendor="openai", operation="chat", kind="status", status=500, probability=0.05),
    Fault(vendor="openai", operation="chat", kind="status", status=429, probability=0.03),
    Fault(vendor="openai", operation="chat", kind="drop", at="before", probability=0.03),
    Fault(vendor="openai", operation="chat", kind="drop", after_chunks=3, probability=0.05),
    Fault(vendor="cartesia", operation="context", kind="status", status=503, probability=0.05),
    Fault(vendor="cartesia", operation="context", kind="drop", after_chunks=1, probability=0.05),
    Fault(vendor="tavus", operation=CREATE, kind="status", status=500, probability=0.1),
    Fault(vendor="tavus", operation=CREATE, kind="drop", at="after", probability=0.1),
)


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happened, and how it adds up. *held_nanos* is what is held at the end."""

    seed: int
    crowd: Counts
    faults: int
    kills: int
    reconciled: int
    unclean: int
    tally: Tally
    held_nanos: int
    open_holds: int

    @property
    def is_balanced(self) -> bool:
        """Whether nothing is missing, doubled, held or left running."""
        return not (self.tally.difference or self.held_nanos or self.open_holds or self.unclean)


async def run(
    stack: LiveStack,
    *,
    visits: int,
    kills: int,
    seed: int,
    together: int = TOGETHER,
    beside: Callable[[], Awaitable[None]] | None = None,
) -> Balance:
    """
    Have *visits* people talk while the gateway is killed *kills* times; then add up.

    *beside* happens meanwhile, and is added up as well: who talks in rooms, for one.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    _set_faults(stack, seed)
    await stack.start_gateway()
    others = asyncio.ensure_future(beside()) if beside is not None else None
    try:
        crowd = await _talk(stack, rng, visits, kills, together)
        if others is not None:
            await others
    finally:
        if others is not None:
            others.cancel()
    await stack.gateway.process.stop(timeout_s=STOP_WITHIN_S)
    stack.sandbox.faults.clear()
    await _all_ended(stack)
    reports = await _reconcile(stack)
    return await _add_up(stack, seed, crowd, kills, reports)


def _set_faults(stack: LiveStack, seed: int) -> None:
    for number, fault in enumerate(FAULTS):
        stack.sandbox.faults.add(msgspec.structs.replace(fault, seed=seed + number))


async def _talk(
    stack: LiveStack, rng: random.Random, visits: int, kills: int, together: int
) -> Counts:
    """
    Let everybody talk, *together* at once; they come in waves, and each but the last meets a kill.

    It falls when half of a wave has begun, so that a kill always has conversations to end.
    """
    places = asyncio.Semaphore(together)
    tenants = sorted(stack.keys)
    bounds = [visits * number // (kills + 1) for number in range(kills + 2)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        crowd = Crowd(http, stack.url, stack.keys.__getitem__, rng)

        async def visit(number: int) -> None:
            async with places:
                await crowd.visit(tenants[number % len(tenants)], rng.choice(MODALITIES))

        async with asyncio.TaskGroup() as talking:
            for number, (first, after) in enumerate(pairwise(bounds)):
                is_last = number == kills
                if not is_last:
                    # Ready before those come who will meet the kill: starting takes its time.
                    await stack.start_spare()
                enough = crowd.counts.sessions + (after - first) // 2
                for one in range(first, after):
                    talking.create_task(visit(one))
                if not is_last:
                    await _until_open(crowd, enough)
                    await asyncio.sleep(rng.uniform(0.0, KILL_WITHIN_S))
                    stack.kill_gateway()
    return crowd.counts


async def _until_open(crowd: Crowd, sessions: int) -> None:
    async def open_enough() -> bool:
        return crowd.counts.sessions >= sessions

    await until(open_enough, every_s=0.005, timeout_s=OPEN_WITHIN_S)


async def _all_ended(stack: LiveStack) -> None:
    """Wait until every hold has ended, without asking anybody to end it."""

    async def none() -> bool:
        return not any([(await _books(stack, tenant)).open_holds for tenant in stack.keys])

    within_s = 2.0 * stack.bus.settings.hold_s + 30.0
    await until(none, every_s=0.1, timeout_s=within_s)


async def _reconcile(stack: LiveStack) -> list[Report]:
    async def tenants() -> Sequence[str]:
        return sorted(stack.keys)

    async with reconciled_vendors(stack.bus.settings) as vendors:
        return await Reconciling(stack.gate, vendors, tenants).once()


async def _books(stack: LiveStack, tenant: str) -> BudgetView:
    return await stack.gate.for_tenant(tenant).show(BudgetView)


async def _add_up(
    stack: LiveStack, seed: int, crowd: Counts, kills: int, reports: Iterable[Report]
) -> Balance:
    reports = list(reports)
    holds = await _holds(stack)
    rows = await _rows(stack)
    books = [await _books(stack, tenant) for tenant in stack.keys]
    counters = stack.sandbox.ledger.counters()
    return Balance(
        seed=seed,
        crowd=crowd,
        faults=sum(one.calls for one in counters if one.status not in WELL),
        kills=kills,
        reconciled=sum(len(report.findings) for report in reports),
        unclean=sum(bool(report.refused) or not report.is_clean for report in reports),
        tally=tally(stack.sandbox.ledger.calls(), holds, rows),
        held_nanos=sum(one.held for view in books for one in view.meters if one.meter == "money"),
        open_holds=sum(view.open_holds for view in books),
    )


async def _holds(stack: LiveStack) -> dict[str, Holds]:
    """Read every twin's log from its beginning, its chain checked."""
    settings = stack.bus.settings
    connection = await EventStoreConnection.open(**settings.nats("auditor").options())
    try:
        store = await JetStreamKeyStore.open(connection.client.jetstream())
        keyring = open_keyring(
            settings.kek_file,
            development=True,
            data_directory=settings.data_dir,
            deployment=settings.deployment,
        )
        keys = TenantKeys(store, keyring)
        stores = deployment_log.open_stores(connection, settings.shards)
        found = {}
        for tenant in stack.keys:
            log = commits(tenant, stores[shard_of(tenant, len(stores))], keys)
            found[tenant] = holds_of(
                tenant, [event async for commit in log for event in commit.events]
            )
        return found
    finally:
        await connection.close()


async def _rows(stack: LiveStack) -> dict[str, list[str]]:
    """Read the reservations of `audit_logs`, as soon as it has everything that is in the log."""
    async with await psycopg.AsyncConnection.connect(stack.dsn, autocommit=True) as connection:

        async def one(query: str, *values: object) -> list[tuple[str | int, ...]]:
            found = await connection.execute(sql.SQL(query), values)
            return await found.fetchall()

        for tenant in stack.keys:
            position = (await _books(stack, tenant)).position

            async def is_there(tenant: str = tenant, position: int = position) -> bool:
                found = await one("SELECT position FROM tenants WHERE tenant = %s", tenant)
                return bool(found) and int(found[0][0]) >= position

            await until(is_there, every_s=0.05, timeout_s=PROJECTED_WITHIN_S)
        query = "SELECT reservation_id FROM audit_logs WHERE tenant = %s"
        return {tenant: [str(row[0]) for row in await one(query, tenant)] for tenant in stack.keys}
