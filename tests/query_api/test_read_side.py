"""An answer is one moment of the tables, and reading changes nothing."""

import psycopg
import pytest

from services.query_api import rows
from services.query_api.read_side import PoolLimits, ReadSide
from tests.query_api.conftest import as_reader, serving
from tests.query_api.twins import Twin

CANTOR = "/v1/tenants/cantor"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_log_v1.audit_logs",
        "DELETE FROM tenants",
        "UPDATE tenants_v1.tenants SET position = 1",
        "INSERT INTO vito.shard_status VALUES (9, 'running')",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "SELECT * FROM audit_log_v1.audit_logs",
        "SELECT * FROM vito.chain_heads",
        "SELECT * FROM pg_authid",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "DROP VIEW audit_logs",
    ],
)
def test_the_role_of_the_api_can_read_the_views_and_nothing_else(known_database, statement):
    """What a hole in this process could reach is what it may read anyway."""
    with (
        psycopg.connect(as_reader(known_database), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement)


async def test_nothing_is_written_even_by_an_owner(known_database):
    """A deployment may have given this process a role that can do more."""
    read_side = ReadSide(known_database)
    await read_side.open()

    async def work(reader):
        await reader._connection.execute("DELETE FROM audit_log_v1.audit_logs")

    try:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await read_side.read(work)
    finally:
        await read_side.close()


async def test_a_connection_is_bounded_and_read_only_by_itself(api):
    """So is whatever somebody will run outside of a snapshot one day."""

    async def work(reader):
        cursor = await reader._connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
            [
                [
                    "default_transaction_read_only",
                    "statement_timeout",
                    "idle_in_transaction_session_timeout",
                    "TimeZone",
                ]
            ],
        )
        return {row["name"]: row["setting"] for row in await cursor.fetchall()}

    assert await api.api.read_side.read(work) == {
        "default_transaction_read_only": "on",
        "statement_timeout": "20000",
        "idle_in_transaction_session_timeout": "10000",
        "TimeZone": "UTC",
    }


async def test_a_position_and_its_rows_are_of_one_moment(own_api, tables, database, monkeypatch):
    """Rows that arrive between two statements are not in the answer, nor in its position."""
    twin = Twin("cantor")
    await tables.add(twin, twin.provision(), twin.authorize(), twin.settle())
    position = rows.Reader.position

    async def then_write(reader, tenant):
        found = await position(reader, tenant)
        await tables.add(twin, twin.authorize(), twin.settle())
        return found

    monkeypatch.setattr(rows.Reader, "position", then_write)
    answer = await own_api.get(f"{CANTOR}/audit-log")

    assert twin.position == 5
    assert answer.position == 3
    assert len(answer.json["items"]) == 1


async def test_a_rebuilt_projection_cannot_be_shown_in_the_middle_of_an_answer(
    own_api, tables, database, monkeypatch
):
    """Its rows could be older than the snapshot, and the position would claim what is missing."""
    twin = Twin("cantor")
    await tables.add(twin, twin.provision())
    position = rows.Reader.position
    refused = []

    async def then_switch(reader, tenant):
        found = await position(reader, tenant)
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as owner:
            await owner.execute("SET lock_timeout = '50ms'")
            for view in VIEWS:
                try:
                    await owner.execute(f"DROP VIEW {view}")
                except psycopg.errors.LockNotAvailable:
                    refused.append(view)
        return found

    monkeypatch.setattr(rows.Reader, "position", then_switch)

    assert (await own_api.get(f"{CANTOR}/audit-log")).status == 200
    assert refused == VIEWS


VIEWS = ["tenants", "billing_meters", "audit_logs", "decisions", "refusal_counts", "holds",
         "policies", "price_books", "twin_system_prompts", "twin_prompt_activations",
         "twin_prohibited_topics", "twin_topics_rollbacks", "twin_deployments", "twin_disclosures",
         "twin_knowledge_sources", "twin_knowledge_reviews", "tenant_secrets",
         "twin_sessions", "usage_sums", "usage_sessions"]  # fmt: skip


async def test_a_rebuilt_projection_with_other_types_is_read(database, tables):
    """Statements that were prepared for the old one must not fail for the life of a connection."""
    twin = Twin("cantor")
    await tables.add(twin, twin.provision(), twin.authorize(), twin.settle())
    async with serving(
        as_reader(database), pool=PoolLimits(connections_max=1, acquire_s=20)
    ) as api:
        before = [await api.get(f"{CANTOR}/audit-log") for _ in range(8)]
        (definition,) = await (
            await tables.connection.execute("SELECT pg_get_viewdef('audit_logs'::regclass)")
        ).fetchone()
        changed = definition.replace("a.stream_ms,", "a.stream_ms::numeric AS stream_ms,")
        assert changed != definition
        async with tables.connection.transaction():
            await tables.connection.execute("DROP VIEW audit_logs")
            await tables.connection.execute(f"CREATE VIEW audit_logs AS {changed}")
            await tables.connection.execute("GRANT SELECT ON audit_logs TO vito_api")
        after = [await api.get(f"{CANTOR}/audit-log") for _ in range(3)]

    assert {answer.status for answer in before + after} == {200}
    assert {answer.body for answer in before + after} == {before[0].body}


async def test_a_pool_without_a_free_connection_refuses_in_time(known_database):
    """Readers behind a slow question get an answer, not a place in an endless queue."""
    limits = PoolLimits(connections_max=1, waiting_max=1, acquire_s=0.5)
    async with serving(as_reader(known_database), pool=limits) as api:

        async def occupy(_reader):
            return await api.get(CANTOR)

        answer = await api.api.read_side.read(occupy)
        after = await api.get(CANTOR)

    assert (answer.status, answer.json["code"]) == (503, "overloaded")
    assert after.status == 200
