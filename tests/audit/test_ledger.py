"""What people decide is held against the log row by row, and a row that was changed is named."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from functools import cache

import psycopg
import pytest
from psycopg import sql

import projections
from contracts.account import PLATFORM
from contracts.tenant import TenantErased
from projections.projection import Commit
from services.audit.findings import Findings
from services.audit.ledger import LEDGER_PROJECTIONS, Ledger
from services.audit.ledger_tables import TABLES
from services.audit.read_side import ReadSide
from tests.domain.history import History
from tests.domain.people_history import PlatformPeople, TwinPeople
from tests.projector.read_side import as_role, connected, prepared, project

# Compared by `outcomes`, `meters`, `session_rows`, `usage_rows` and `rows`, or by their number: one
# row for each call or session.
OTHERS = {
    *("audit_logs", "billing_meters", "decisions", "refusal_counts", "holds", "tenants"),
    *("twin_sessions", "usage_sums", "usage_sessions"),
}
PLAYED = {
    "people": lambda: TwinPeople(3, 250),
    "governed": lambda: History(0, 400),
    "distributed": lambda: History(23, 400),
    PLATFORM: lambda: PlatformPeople(3, 250),
}
CHANGED = {
    "integer": "coalesce({}, 0) + 1",
    "bigint": "coalesce({}, 0) + 1",
    "text": "coalesce({}, '') || 'x'",
    "boolean": "NOT coalesce({}, false)",
    "timestamptz": "coalesce({}, now()) + interval '1 microsecond'",
    "timestamp with time zone": "coalesce({}, now()) + interval '1 microsecond'",
    "jsonb": "'{{\"doctored\": 1}}'",
    "text[]": "coalesce({}, '{{}}') || 'x'::text",
    "bytea": "coalesce({}, '') || '\\x00'",
}


def commits() -> list[Commit]:
    """The logs of all of them in one stream, each decision a commit."""
    found: list[Commit] = []
    for name, play in PLAYED.items():
        own: list[list] = []
        for event in play().twin.log:
            if isinstance(event, TenantErased):
                break
            if own and getattr(event, "decision", 0) in (0, own[-1][0].decision):
                own[-1].append(event)
            else:
                own.append([event])
        for position, events in enumerate(own, 1):
            seq = len(found) + 1
            found.append(Commit(0, seq, name, position, events[-1].at_us, events))
    return found


COMMITS = commits()


@pytest.fixture(scope="module")
def filled(postgres) -> Iterator[str]:
    """One database that the projector has filled, in batches of many commits."""
    name = f"ledger_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = postgres.dsn(name)
        asyncio.run(fill(dsn))
        with psycopg.connect(dsn, autocommit=True) as owner:
            drop_checks(owner)
        yield dsn
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def fill(dsn: str) -> None:
    await prepared(dsn)
    async with connected(as_role(dsn, "vito_projector")) as connection:
        await project(connection, [COMMITS[at : at + 90] for at in range(0, len(COMMITS), 90)])


def drop_checks(owner) -> None:
    """Let a test write what no projection would."""
    found = owner.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE contype IN ('c', 'u') AND conrelid::regclass::text ~ '_v1\\.'"
    )
    for table, constraint in found.fetchall():
        owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    found = owner.execute(
        "SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indisunique AND NOT indisprimary AND indrelid::regclass::text ~ '_v1\\.'"
    )
    for (index,) in found.fetchall():
        owner.execute(f"DROP INDEX {index}")


async def findings_of(dsn: str, tenant: str) -> list:
    """What is found in the tables as they are."""
    findings = Findings(tenant)
    # With the rights of the API: what is compared is what is shown.
    async with connected(as_role(dsn, "vito_api")) as connection:
        reader = ReadSide(connection)
        async with reader.snapshot(tenant, 0) as (tables, _):
            ledger = ledger_of(tenant, max(tables.applied.values()))
            ledger.compare(tables.shown, findings)
    return findings.listed


@cache
def ledger_of(tenant: str, applied: int) -> Ledger:
    """What the tables must show when all projections have come so far."""
    ledger = Ledger(tenant, 0, dict.fromkeys(LEDGER_PROJECTIONS, applied))
    for commit in COMMITS:
        if commit.tenant == tenant:
            ledger.commit(commit.position, commit.stream_seq, commit.events)
    return ledger


MADE_OF_OTHERS = {
    "twin_system_prompts": (
        "active",
        "UPDATE prompts_v1.twin_prompt_activations SET version = version + 1",
    ),
    "twin_prohibited_topics": (
        "active",
        "UPDATE topics_v1.twin_topics_rollbacks SET version = version + 1, decision = decision * 9",
    ),
    "twin_knowledge_sources": (
        "approved_hash",
        (
            "UPDATE knowledge_v1.twin_knowledge_sources s SET approved ="
            " (SELECT max(ingestion) FROM knowledge_v1.twin_knowledge_reviews r"
            " WHERE r.tenant = s.tenant AND r.source = s.source AND r.ingestion <> s.approved)"
            " WHERE EXISTS (SELECT FROM knowledge_v1.twin_knowledge_reviews r"
            " WHERE r.tenant = s.tenant AND r.source = s.source AND r.ingestion <> s.approved)"
        ),
    ),
}


@pytest.mark.parametrize("name", MADE_OF_OTHERS)
async def test_what_a_view_makes_of_other_rows_is_compared_too(filled, name):
    """A prompt that was never activated is not live, a draft that nobody approved is not used."""
    column, statement = MADE_OF_OTHERS[name]
    found: list[str] = []
    async with await psycopg.AsyncConnection.connect(filled) as owner:
        await owner.execute(statement)
        for tenant in ("governed", "distributed"):
            findings = Findings(tenant)
            rows = await ReadSide(owner)._rows(name, tenant)
            ledger_of(tenant, len(COMMITS)).compare({name: rows}, findings)
            found += [one.what for one in findings.listed]
        await owner.rollback()

    assert [one for one in found if one.startswith(f"{name}, {column} of")]


def test_every_view_is_compared():
    """Also one that somebody adds tomorrow."""
    views = {view for projection in projections.ALL for view in projection.VIEWS}

    assert set(TABLES) == views - OTHERS
    assert {table.projection.NAME for table in TABLES.values()} == set(LEDGER_PROJECTIONS)


@pytest.mark.parametrize("tenant", PLAYED)
async def test_what_the_projector_wrote_is_proved(filled, tenant):
    """However its batches were cut; columns that a view makes of others included."""
    assert await findings_of(filled, tenant) == []


async def test_every_table_has_rows_here(filled):
    """The control: an empty table is equal to anything."""
    async with connected(filled) as owner:
        for name in TABLES:
            cursor = await owner.execute(f"SELECT count(*) FROM {name}")
            assert (await cursor.fetchone())[0] > 0, name


async def test_tables_that_are_behind_are_compared_where_they_are(filled):
    """Each projection is held to its own position."""
    async with connected(filled) as owner:
        await owner.execute("UPDATE vito.projection_positions SET stream_seq = 0")
    try:
        found = await findings_of(filled, "people")
    finally:
        async with connected(filled) as owner:
            await owner.execute(
                "UPDATE vito.projection_positions SET stream_seq = %s", (len(COMMITS),)
            )

    assert {(one.expected, one.found) for one in found} == {("nothing", "a row")}
    assert {one.position for one in found} == {0}


@pytest.mark.parametrize("name", TABLES)
async def test_a_row_that_was_changed_is_named(filled, name):
    """Every column of one row of the table, and the row itself: gone, and one too many."""
    async with connected(filled) as owner:
        base, row, columns = await one_of(owner, name)
        tenant = row["tenant"] if TABLES[name].has_tenant else PLATFORM
        key = " ".join(shown(row[column]) for column in TABLES[name].key) or tenant
        where = " AND ".join(f"{column} = %({column})s" for column in identity(name))
        changed = {one: kind for one, kind in columns.items() if one not in identity(name)}
        values = ", ".join(f"{one} = {CHANGED[kind].format(one)}" for one, kind in changed.items())
        await owner.execute(f"UPDATE {base} SET {values} WHERE {where}", row)
        found = {one.what for one in await findings_of(filled, tenant)}
        assert {f"{name}, {one} of {key}" for one in changed} <= found
        await put_back(owner, base, where, row)

        await owner.execute(f"DELETE FROM {base} WHERE {where}", row)
        told = {one.what: (one.expected, one.found) for one in await findings_of(filled, tenant)}
        assert told[f"{name}, row of {key}"] == ("a row", "nothing")
        await put_back(owner, base, where, row)

        extra = {**row, **other_identity(name, row)}
        await put_back(owner, base, "false", extra)
        seen = tenant if TABLES[name].key else extra["tenant"]
        told = {one.what: (one.expected, one.found) for one in await findings_of(filled, seen)}
        key = " ".join(shown(extra[column]) for column in TABLES[name].key) or seen
        assert told[f"{name}, row of {key}"] == ("nothing", "a row")
        gone = " AND ".join(f"{column} = %({column})s" for column in identity(name))
        await owner.execute(f"DELETE FROM {base} WHERE {gone}", extra)
        assert await findings_of(filled, tenant) == []


def identity(name: str) -> tuple[str, ...]:
    """What names a row in the table of all twins."""
    return (*(["tenant"] if TABLES[name].has_tenant else []), *TABLES[name].key)


def shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def other_identity(name: str, row: dict) -> dict:
    """A key that no row has."""
    last = identity(name)[-1]
    value = row[last]
    if isinstance(value, bytes):
        return {last: bytes(32)}
    return {last: value + 10_000 if isinstance(value, int) else f"{value}-other"}


async def one_of(owner, name: str) -> tuple[str, dict, dict[str, str]]:
    """The table of a view, one of its rows that is shown, and the columns that are shown."""
    base = f"{TABLES[name].projection.NAME}_v1.{name}"
    keys = ", ".join(identity(name))
    async with owner.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        await cursor.execute(
            f"SELECT * FROM {base} WHERE ({keys}) IN (SELECT {keys} FROM {name})"
            f" ORDER BY {keys} LIMIT 1"
        )
        row = await cursor.fetchone()
        await cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) AS kind FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND attname IN"
            " (SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass)",
            (base, f"public.{name}"),
        )
        columns = {one["attname"]: one["kind"] for one in await cursor.fetchall()}
    return base, row, columns


async def put_back(owner, base: str, where: str, row: dict) -> None:
    values = {
        name: psycopg.types.json.Jsonb(value)
        if isinstance(value, dict)
        or (isinstance(value, list) and name in ("topics", "origins", "variables"))
        else value
        for name, value in row.items()
    }
    await owner.execute(f"DELETE FROM {base} WHERE {where}", row)
    names = ", ".join(row)
    slots = ", ".join(f"%({name})s" for name in row)
    await owner.execute(f"INSERT INTO {base} ({names}) VALUES ({slots})", values)
