"""Holding the tables to the log: row by row, meter by meter."""

from __future__ import annotations

import psycopg

from contracts.budget import CallSettled
from services.embedded.polling import until
from tests.projections.test_meters_equal_the_gate import expected as meters_of
from tests.projector.read_side import caught_up, connected, rows
from tests.rig.checking import Logged
from tests.rig.deployment import Deployment

_AUDIT_LOGS = (
    "SELECT decision_id, reservation_id, position, ordinal, command_id, provider_id, sku,"
    " cost_nanos, credit_nanos, overrun_nanos, held_nanos, late"
    " FROM audit_logs WHERE tenant = %s ORDER BY position, ordinal"
)


async def all_projected(deployment: Deployment, dsn: str) -> None:
    """Wait until the tables contain everything that is in the log now."""
    async with deployment.log() as (stores, _), connected(dsn) as owner:
        for shard, store in enumerate(stores):
            await caught_up(owner, await store.last_seq(), shard=shard)


async def no_open_holds(dsn: str, *, within_s: float) -> None:
    """Wait until every hold has ended, without asking the gate for anything."""
    async with connected(dsn) as owner:

        async def none() -> bool:
            return (await rows(owner, "SELECT count(*) FROM holds WHERE state = 'open'")) == [(0,)]

        await until(none, every_s=0.1, timeout_s=within_s)


async def check_tables(dsn: str, tenant: str, logged: Logged) -> int:
    """The tables are the fold of the log; return how many audit rows were compared."""
    async with connected(dsn) as owner:
        found = await rows(owner, _AUDIT_LOGS, tenant)
        assert found == audit_rows(tenant, logged)
        meters = await rows(
            owner,
            "SELECT period, unit, committed, held FROM billing_meters WHERE tenant = %s",
            tenant,
        )
        check_meters({(period, unit): (c, h) for period, unit, c, h in meters}, logged)
        # A decision id is in exactly one of the two tables.
        counted = await rows(owner, "SELECT count(*) FROM decisions WHERE tenant = %s", tenant)
        assert counted == [(logged.state.decisions - len(found),)]
        known = await rows(owner, "SELECT position FROM tenants WHERE tenant = %s", tenant)
        assert known == [(logged.state.position,)]
    return len(found)


def audit_rows(tenant: str, logged: Logged) -> list[tuple]:
    """What `audit_logs` must show: one row for each settlement, where it stands in the log."""
    return [
        (
            f"{tenant}.{event.decision}",
            f"{tenant}.{event.reservation}",
            position,
            ordinal,
            event.command_id,
            event.provider_id,
            event.sku,
            event.cost_nanos,
            event.credit_nanos,
            event.overrun_nanos,
            event.held_nanos,
            event.late,
        )
        for position, ordinal, event in logged.placed
        if isinstance(event, CallSettled)
    ]


def check_meters(found: dict[tuple[str, str], tuple], logged: Logged) -> None:
    """Every meter shows what the gate's own state has."""
    for key, (committed, held, *_limit) in meters_of(logged.state).items():
        # A meter that nothing has touched yet need not have a row.
        assert found.pop(key, (0, 0)) == (committed, held), key
    assert not found, "meters of nothing"


async def make_database(dsn: str, name: str) -> None:
    """Create an empty database."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
