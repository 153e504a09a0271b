"""The database is made once, the same everywhere, and by its owner only."""

import asyncio

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from services.migrations import MigrationRefused, RolePasswords, prepare_database
from services.migrations.runner import load, migrate
from services.projector.grants import CALLOUT_READS
from tests.projector.read_side import PASSWORDS, VIEWS, as_role, connected, prepared, rows


async def test_preparing_again_changes_nothing(database):
    """It runs at every start."""
    first = await prepare_database(database, PASSWORDS)
    second = await prepare_database(database, PASSWORDS)

    assert first.applied
    assert first.created
    assert (second.applied, second.created, second.stale) == ([], [], [])


async def test_two_at_once_take_turns(database):
    """Two processes of one deployment may start in the same moment."""
    done = await asyncio.gather(*(prepare_database(database, PASSWORDS) for _ in range(3)))

    assert sorted(len(d.applied) for d in done) == [0, 0, len(load())]
    assert sorted(len(d.created) > 0 for d in done) == [False, False, True]


async def test_a_changed_migration_is_refused(database):
    """Two databases that both have number 1 must be the same."""
    (known, *rest) = load()
    edited = type(known)(known.number, known.name, known.sql, "0" * 64)
    async with connected(database) as owner:
        await migrate(owner)

        with pytest.raises(MigrationRefused, match="0001_read_side was changed"):
            await migrate(owner, [edited, *rest])


async def test_a_database_of_a_newer_program_is_refused(database):
    """An old program must not write into tables that it does not know."""
    known = load()
    newer = type(known[0])(len(known) + 1, "later", "SELECT 1", "1" * 64)
    async with connected(database) as owner:
        await migrate(owner, [*known, newer])

        with pytest.raises(MigrationRefused, match=f"{newer.number:04}_later"):
            await migrate(owner)


async def test_a_failing_migration_leaves_nothing_behind(database):
    """Half of a migration cannot be repeated."""
    known = load()
    sql = "CREATE TABLE vito.half (a int); SELECT 1 / 0"
    broken = type(known[0])(len(known) + 1, "broken", sql, "1" * 64)
    async with connected(database) as owner:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await migrate(owner, [*known, broken])

        assert await rows(owner, "SELECT to_regnamespace('vito')") == [(None,)]


@pytest.mark.parametrize("names", [["0002_b.sql"], ["0001_a.sql", "0003_c.sql"], ["1_a.sql"]])
def test_files_are_numbered_without_gaps(tmp_path, names):
    """A number that is missing here may exist on somebody else's branch."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(MigrationRefused, match="without a gap"):
        load(tmp_path)


def test_passwords_are_not_shown():
    """They pass through log lines and tracebacks of start-up code."""
    assert "secret" not in repr(RolePasswords("secret-1", "secret-2", "secret-3", "secret-4"))


class TestPrivileges:
    @pytest.fixture
    async def as_api(self, database):
        await prepared(database)
        async with connected(as_role(database, "vito_api")) as connection:
            yield connection

    @pytest.fixture
    async def as_projector(self, database):
        async with connected(await prepared(database)) as connection:
            yield connection

    @pytest.fixture
    async def as_callout(self, database):
        await prepared(database)
        async with connected(as_role(database, "vito_callout")) as connection:
            yield connection

    async def test_the_callout_reads_who_may_come_in(self, as_callout):
        """What `services.identity.directory` asks for; so many columns and no more."""
        for view, columns in CALLOUT_READS.items():
            await as_callout.execute(f"SELECT {', '.join(columns)} FROM public.{view}")
            described = await as_callout.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
                (f"public.{view}",),
            )
            for (column,) in await described.fetchall():
                if column not in columns:
                    with pytest.raises(InsufficientPrivilege):
                        await as_callout.execute(f"SELECT {column} FROM public.{view}")

    async def test_the_callout_reads_and_writes_nothing_else(self, as_callout):
        """Whoever takes it over learns nothing of what a twin says, knows or costs."""
        for view in {*VIEWS, "projection_lag", "key_last_used"} - set(CALLOUT_READS):
            with pytest.raises(InsufficientPrivilege):
                await as_callout.execute(f"SELECT count(*) FROM public.{view}")
        for statement in (
            "UPDATE api_keys SET key_id = 'x'",
            "DELETE FROM sessions",
            "CREATE TABLE public.mine (n int)",
            "CREATE TEMP TABLE mine (n int)",
            "SELECT * FROM vito.projection_versions",
            "SELECT vito.erase_tenant('cantor')",
        ):
            with pytest.raises(InsufficientPrivilege):
                await as_callout.execute(statement)

    async def test_an_older_database_lets_the_callout_in(self, database):
        """The views are there already when the role comes."""
        await prepared(database)
        async with connected(database) as owner:
            for view in CALLOUT_READS:
                await owner.execute(f"REVOKE ALL ON public.{view} FROM vito_callout")
        await prepared(database)
        async with connected(as_role(database, "vito_callout")) as connection:
            await connection.execute("SELECT key_id FROM api_keys")

    @pytest.mark.parametrize("view", [*VIEWS, "projection_positions", "projection_lag"])
    async def test_the_api_reads_every_view(self, as_api, view):
        """What the API shows is in the views, all of them."""
        await as_api.execute(f"SELECT * FROM public.{view}")

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM public.holds",
            "UPDATE public.tenants SET status = 'active'",
            "INSERT INTO public.policies (tenant) VALUES ('x')",
            "TRUNCATE audit_log_v1.audit_logs",
            "SELECT * FROM audit_log_v1.audit_logs",
            "SELECT * FROM vito.chain_heads",
            "CREATE TABLE public.mine (a int)",
            "CREATE SCHEMA mine",
            "CREATE TEMP TABLE mine (a int)",
            "SET ROLE vito_projector",
        ],
    )
    async def test_the_api_does_nothing_else(self, as_api, statement):
        """Whoever takes over the API must not be able to change what it shows."""
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await as_api.execute(statement)

    @pytest.mark.parametrize(
        "statement",
        [
            "DROP TABLE audit_log_v1.audit_logs",
            "DROP SCHEMA audit_log_v1 CASCADE",
            "DROP VIEW public.audit_logs",
            "DELETE FROM audit_log_v1.audit_logs",
            "UPDATE audit_log_v1.audit_logs SET cost_nanos = 0",
            "UPDATE decisions_v1.decisions SET code = ''",
            "UPDATE policies_v1.policies SET note = ''",
            "TRUNCATE audit_log_v1.audit_logs",
            "ALTER TABLE audit_log_v1.audit_logs DROP COLUMN cost_nanos",
            "DELETE FROM vito.projection_positions",
            "UPDATE vito.projection_versions SET state = 'retired'",
            "CREATE SCHEMA mine",
            "CREATE TABLE audit_log_v1.mine (a int)",
            "CREATE TEMP TABLE mine (a int)",
            "UPDATE public.vito_migrations SET sha256 = ''",
        ],
    )
    async def test_the_projector_cannot_remove_or_reshape(self, as_projector, statement):
        """What was written about the past stays as it was, also if somebody takes the projector."""
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await as_projector.execute(statement)
