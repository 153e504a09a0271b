"""The roles of a deployment's database, made by the committed file on a real server."""

import psycopg
import pytest

from deploy import credentials
from services.migrations import prepare_database
from tests.deploy.database import run_roles

PASSWORDS = {name: credentials.new_password() for name in credentials.POSTGRES_PASSWORDS}
LOGINS = {
    "vito": "POSTGRES_VITO_PASSWORD",
    "vito_projector": "POSTGRES_VITO_PROJECTOR_PASSWORD",
    "vito_api": "POSTGRES_VITO_API_PASSWORD",
    "vito_callout": "POSTGRES_VITO_CALLOUT_PASSWORD",
    "vito_knowledge": "POSTGRES_VITO_KNOWLEDGE_PASSWORD",
}


def dsn(server, role: str, passwords=PASSWORDS) -> str:
    return server.dsn("vito", user=role, password=passwords[LOGINS[role]])


async def rows(address: str, query: str) -> list[tuple]:
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        return await (await connection.execute(query)).fetchall()


async def test_a_deployment_with_roles_of_its_own(empty_postgres):
    """One story, for a server takes a second to make: roles, migrations, rights, rotation."""
    server = empty_postgres
    await rows_none(server.dsn(), "ALTER SYSTEM SET log_statement = 'all'")
    await rows(server.dsn(), "SELECT pg_reload_conf()")

    run_roles(server, PASSWORDS)
    # The owner may create no roles: everything that migrations need of them is there.
    prepared = await prepare_database(dsn(server, "vito"))
    assert prepared.applied
    assert not prepared.stale

    powers = await rows(
        server.dsn(),
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'vito%' AND (rolsuper OR rolcreaterole"
        " OR rolcreatedb OR rolreplication OR rolbypassrls)",
    )
    assert powers == []
    for role in ("vito_projector", "vito_api", "vito_callout", "vito_knowledge"):
        for statement in ("CREATE SCHEMA mine", "CREATE TABLE public.mine (a int)"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.Error)):
                await rows_none(dsn(server, role), statement)
    assert await rows(dsn(server, "vito_api"), "SELECT count(*) FROM audit_logs") == [(0,)]
    assert await rows(dsn(server, "vito_api"), "SHOW default_transaction_read_only") == [("on",)]
    assert await rows(dsn(server, "vito_callout"), "SELECT key_id FROM api_keys") == []
    assert await rows(dsn(server, "vito_callout"), "SHOW default_transaction_read_only") == [
        ("on",)
    ]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(dsn(server, "vito_callout"), "SELECT count(*) FROM audit_logs")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(dsn(server, "vito_api"), "SELECT * FROM vito.chain_heads")
    assert await rows(dsn(server, "vito_projector"), "SELECT * FROM vito.chain_heads") == []
    assert await rows(dsn(server, "vito_knowledge"), "SELECT * FROM knowledge.draft_chunks") == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(dsn(server, "vito_knowledge"), "SELECT count(*) FROM audit_logs")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(dsn(server, "vito_api"), "SELECT * FROM knowledge.draft_chunks")

    # As the runbook rotates a password: the same file again, with new ones.
    new = {name: credentials.new_password() for name in PASSWORDS}
    run_roles(server, new)
    for role in LOGINS:
        assert await rows(dsn(server, role, new), "SELECT 1") == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            await rows(dsn(server, role), "SELECT 1")
    assert not (await prepare_database(dsn(server, "vito", new))).applied

    log = server.log.read_text()
    assert "statement: COMMIT" in log
    for word in (*PASSWORDS.values(), *new.values()):
        assert word not in log


def test_a_missing_password_stops_it(empty_postgres):
    """A role without a password, or with the name of a variable as one, must not come about."""
    incomplete = {**PASSWORDS}
    del incomplete["POSTGRES_VITO_API_PASSWORD"]

    with pytest.raises(AssertionError, match="syntax error"):
        run_roles(empty_postgres, incomplete)


async def rows_none(address: str, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        await connection.execute(statement)
