"""The tables are held against the log row by row, and what differs is named."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from contracts.budget import CallSettled
from contracts.session import BeginSession
from services.audit import read_side
from services.audit.findings import Findings
from services.audit.read_side import PostgresDown
from services.audit.rows import RowsCheck
from services.audit.tenant_audit import TenantAudit
from services.embedded import ports
from tests.audit.written_log import SECOND_US, WrittenLog
from tests.projector.read_side import as_role, connected, prepared, project


def written() -> WrittenLog:
    """Settled calls, an open hold, credits in use, a month that changed and a flood."""
    log = WrittenLog(limit_nanos=10_000)
    log.do(log.top_up(100_000))
    log.calls(5, together=2)
    log.calls(1, amount=900)
    granted = log.do(log.authorize(amount=50), log.authorize("data", 2))
    log.later(31 * 86_400 * SECOND_US)
    log.do(log.settle(granted[0].reservation_id, 20))
    log.do(*(log.authorize(amount=900_000) for _ in range(30)))
    log.later(2 * SECOND_US)
    log.calls(1)
    log.do(log.authorize("video", 700))
    log.do(BeginSession(command_id="visit", session_id="visit", modality="text"))
    return log


@pytest.fixture(scope="module")
def filled(postgres) -> Iterator[str]:
    """One database that the projector has filled from the log, with a copy of every table."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        dsn = postgres.dsn(name)
        asyncio.run(fill(dsn, written()))
        with psycopg.connect(dsn, autocommit=True) as owner:
            owner.execute("CREATE SCHEMA saved")
            for table in tables(owner):
                owner.execute(f"CREATE TABLE {saved(table)} AS TABLE {table}")
        yield dsn
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def log() -> WrittenLog:
    """The log that the tables were filled from: decided again, so the same."""
    return written()


@pytest.fixture
def dsn(filled) -> Iterator[str]:
    """The filled database, which a test may spoil."""
    yield filled
    with psycopg.connect(filled, autocommit=True) as owner:
        owner.execute(
            ";".join(f"DELETE FROM {t}; INSERT INTO {t} TABLE {saved(t)}" for t in tables(owner))
        )


def tables(owner) -> list[str]:
    found = owner.execute(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname ~ '_v1$'"
        " UNION SELECT 'vito.projection_positions'"
    )
    return sorted(row[0] for row in found.fetchall())


def saved(table: str) -> str:
    return f"saved.{table.replace('.', '_')}"


async def fill(dsn: str, log: WrittenLog, commits: int | None = None) -> None:
    await prepared(dsn)
    async with connected(as_role(dsn, "vito_projector")) as connection:
        await project(connection, [log.projected()[:commits]])


async def audited(dsn: str, log: WrittenLog) -> TenantAudit:
    findings = Findings(log.tenant)
    made = TenantAudit(log.tenant, log.prefix, log, log, findings)
    async with (
        read_side.connected(as_role(dsn, "vito_api")) as database,
        database.snapshot(log.tenant, log.shard) as (found, streams),
    ):
        made.rows = RowsCheck(log.tenant, found, streams, findings)
        await made.run(len(log.stored))
    return made


async def found_after(dsn: str, log: WrittenLog, statement: str) -> list:
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(statement)
    return (await audited(dsn, log)).findings.listed


def settled(log: WrittenLog) -> list[tuple[int, int, CallSettled]]:
    return [
        (r.version, number, event)
        for r in log.stored
        for number, event in enumerate(log.events(r.version), 1)
        if type(event) is CallSettled
    ]


async def test_what_the_projector_wrote_is_proved(dsn, log):
    """Every settlement, meter, hold and count of a log that has all of them."""
    found = await audited(dsn, log)

    assert found.findings.listed == []
    assert found.rows.outcomes_compared == len(settled(log)) == 13
    assert set(found.rows.positions.values()) == {len(log.stored)}
    assert len(log.state.budget.periods) == 2
    assert len(log.state.budget.holds) == 1
    assert found.refold.refusals_counted == 10
    assert log.state.budget.credits_spent_nanos > 0


async def test_tables_that_are_behind_are_compared_where_they_are(database, log):
    """A projector that is late is not one that is wrong."""
    await fill(database, log, 6)
    found = await audited(database, log)

    assert found.findings.listed == []
    assert set(found.rows.positions.values()) == {6}


async def test_projections_at_different_positions(dsn, log):
    """A rebuilt projection may be ahead of the others; each is held to its own position."""
    found = await found_after(
        dsn,
        log,
        "UPDATE vito.projection_positions SET stream_seq = 5 WHERE projection = 'tenants';"
        "UPDATE tenants_v1.tenants SET position = 5",
    )

    assert found == []


async def test_a_doctored_row(dsn, log):
    """One nano less on the bill."""
    position, number, event = settled(log)[4]
    found = await found_after(
        dsn,
        log,
        "UPDATE audit_log_v1.audit_logs SET cost_nanos = cost_nanos - 1"
        f" WHERE decision = {event.decision}",
    )

    (only,) = found
    assert (only.check, only.position, only.event) == ("postgres", position, number)
    assert only.what == f"audit_logs, cost_nanos of decision {event.decision}"
    assert (only.expected, only.found) == (str(event.cost_nanos), str(event.cost_nanos - 1))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("provider_id", "'another'"),
        ("occurred_at", "occurred_at + interval '1 microsecond'"),
        ("outcome", "'failed'"),
        ("position", "position + 1"),
        ("ordinal", "ordinal + 1"),
        ("stream_seq", "stream_seq + 1"),
        ("input_tokens", "input_tokens + 1"),
        ("stream_ms_milli", "1"),
        ("late", "NOT late"),
        ("vendor_ref", "'x'"),
        ("session_id", "'x'"),
        ("price_version", "2"),
    ],
)
async def test_every_column_counts(dsn, log, column, value):
    """An invoice is argued about by vendor, time and usage, not by its sum alone."""
    decision = settled(log)[0][2].decision
    found = await found_after(
        dsn,
        log,
        f"UPDATE audit_log_v1.audit_logs SET {column} = {value} WHERE decision = {decision}",
    )

    assert [f.what for f in found] == [f"audit_logs, {column} of decision {decision}"]


@pytest.mark.parametrize("which", [3, -1])
async def test_a_missing_row(dsn, log, which):
    """A call that is not on the bill, in the middle or at the end."""
    position, number, event = settled(log)[which]
    decision = event.decision
    (only,) = await found_after(
        dsn, log, f"DELETE FROM audit_log_v1.audit_logs WHERE decision = {decision}"
    )

    assert (only.position, only.event) == (position, number)
    assert only.what == f"audit_logs, row of decision {decision}"
    assert (only.expected, only.found) == ("a row", "nothing")


@pytest.mark.parametrize("decision", [8, 10_000])
async def test_an_extra_row(dsn, log, decision):
    """A call that never was, between two that were or after all of them."""
    (only,) = await found_after(
        dsn,
        log,
        "CREATE TEMP TABLE extra AS TABLE audit_log_v1.audit_logs LIMIT 1;"
        f"UPDATE extra SET decision = {decision};"
        "INSERT INTO audit_log_v1.audit_logs TABLE extra",
    )

    assert only.what == f"audit_logs, row of decision {decision}"
    assert (only.expected, only.found) == ("nothing", "a row")


METERS = "UPDATE billing_meters_v1.billing_meters SET"
SPOILED = {
    f"{METERS} held = held + 1 WHERE period = '2026-10' AND unit = 'money'": (
        "billing_meters, held of 2026-10 money"
    ),
    f"{METERS} committed = 1 WHERE period = '2026-09' AND unit = 'text_token_unit'": (
        "billing_meters, committed of 2026-09 text_token_unit"
    ),
    f"{METERS} limit_value = 1 WHERE unit = 'credits'": "billing_meters, limit of all credits",
    f"{METERS} scale = 1 WHERE unit = 'credits'": "billing_meters, scale of all credits",
    f"{METERS} ends_at = now() WHERE period = '2026-10' AND unit = 'money'": (
        "billing_meters, ends_us of 2026-10 money"
    ),
    "UPDATE holds_v1.holds SET amount_nanos = 1 WHERE state = 'open'": "holds, open hold {open}",
    "DELETE FROM holds_v1.holds WHERE state = 'open'": "holds, open hold {open}",
    "UPDATE holds_v1.holds SET state = 'open' WHERE reservation = {closed}": (
        "holds, open hold {closed}"
    ),
    "DELETE FROM decisions_v1.decisions WHERE decision = 3": "decisions, number of rows",
    "UPDATE decisions_v1.refusal_counts SET refusals = 1": "refusal_counts, sum",
    "UPDATE sessions_v1.twin_sessions SET grants = 1": "twin_sessions, grants of visit",
    "DELETE FROM sessions_v1.twin_sessions": "twin_sessions, row of visit",
    "UPDATE tenants_v1.tenants SET status = 'asleep'": "tenants, status",
    "UPDATE tenants_v1.tenants SET position = 3": "tenants, position",
    "UPDATE vito.projection_positions SET stream_seq = 999 WHERE projection = 'holds'": (
        "sequence that holds has applied"
    ),
}


@pytest.mark.parametrize("statement", SPOILED)
async def test_every_other_table_counts(dsn, log, statement):
    """A meter, a hold, a count that somebody changed by hand."""
    holds = {"open": min(log.state.budget.holds), "closed": settled(log)[0][2].reservation}
    found = await found_after(dsn, log, statement.format(**holds))

    assert [f.what for f in found] == [SPOILED[statement].format(**holds)]
    assert found[0].position == len(log.stored)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE usage_v1.usage_sums SET cost_nanos = cost_nanos + 1", "usage_sums, cost_nanos of"),
        ("DELETE FROM usage_v1.usage_sums", "usage_sums, row of"),
        ("UPDATE usage_v1.usage_currencies SET currency = 'EUR'", "usage_sums, currency of"),
    ],
)
async def test_sums_of_usage_count(dsn, log, statement, what):
    """What analytics shows is the log's as well."""
    found = await found_after(dsn, log, statement)

    assert found
    assert all(one.what.startswith(what) for one in found)


async def test_a_missing_meter(dsn, log):
    """A month that is not on the page at all."""
    found = await found_after(
        dsn, log, "DELETE FROM billing_meters_v1.billing_meters WHERE period = '2026-09'"
    )

    assert "billing_meters, row of 2026-09 money" in {f.what for f in found}
    assert len(found) == 8
    assert {f.found for f in found} == {"nothing"}


async def test_rows_of_a_twin_without_a_log(dsn, log):
    """Tables that show a twin which no log knows."""
    position = log.state.position
    log.stored.clear()
    found = (await audited(dsn, log)).findings

    assert found.count == found.of("postgres")
    assert "audit_logs, row of decision 5" in {f.what for f in found.listed}
    told = {f.what: (f.expected, f.found) for f in found.listed}
    assert told["tenants, position"] == ("0", str(position))


async def test_a_database_that_does_not_answer():
    """It is said, without the address, which holds a password."""
    with pytest.raises(PostgresDown, match="does not answer") as raised:
        async with read_side.connected(f"postgresql://x:secret@127.0.0.1:{ports.pick()}/vito"):
            pass

    assert "secret" not in str(raised.value)


async def test_the_snapshot_cannot_write(dsn, log):
    """An audit that changes what it looks at proves nothing."""
    async with (
        read_side.connected(dsn) as database,
        database.snapshot(log.tenant, log.shard),
    ):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await database._connection.execute("CREATE TABLE spoiled ()")
