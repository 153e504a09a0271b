"""The embedded PostgreSQL: a password, no lost commit, and no trace of a killed one."""

import os
import stat

import psutil
import psycopg
import pytest

from services.embedded.child import StartFailed
from services.embedded.postgres import Postgres
from services.embedded.postgres_user import SYSTEM_USER

PASSWORD = "x" * 32


def one(dsn: str, query: str):
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchone()[0]


def test_it_is_durable_and_needs_a_password(postgres):
    """Loopback is open to every process of the machine, and defaults can be weakened."""
    assert one(postgres.dsn(), "SHOW fsync") == "on"
    assert one(postgres.dsn(), "SHOW synchronous_commit") == "on"
    assert one(postgres.dsn(), "SHOW full_page_writes") == "on"
    assert one(postgres.dsn(), "SHOW server_version_num") >= "180000"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.dsn(password="guess-guess-guess"))


def test_its_data_is_closed_to_others(postgres):
    """The rows of all tenants lie in it."""
    status = postgres.data.stat()

    assert stat.S_IMODE(status.st_mode) == 0o700
    assert not (postgres.directory / "initdb.password").exists()


def test_as_root_it_runs_as_somebody_else(postgres):
    """PostgreSQL refuses root; elsewhere it runs as ourselves."""
    owner = psutil.Process(postgres.pid).username()

    assert owner == (SYSTEM_USER if os.geteuid() == 0 else psutil.Process().username())


def test_vectors_can_be_stored(database):
    """Knowledge search will need the extension, which must be in the wheel."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE EXTENSION vector")
        assert connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'").fetchone() == (5.0,)


def test_each_test_has_an_empty_database(database, postgres):
    """Tests share a server and must not see each other's tables."""
    count = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"

    assert one(database, count) == 0
    assert database != postgres.dsn()


async def test_a_killed_server_comes_back_at_once(own_postgres):
    """kill -9 leaves backends and a pid file, which must not keep the next one out."""
    with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (n int)")
        connection.execute("INSERT INTO t VALUES (42)")
        port = own_postgres.port

        own_postgres.kill()
        assert own_postgres.pid is None
        await own_postgres.start()

    assert own_postgres.port == port
    assert one(own_postgres.dsn(), "SELECT n FROM t") == 42


async def test_a_pid_file_that_names_a_stranger_is_stale(own_postgres):
    """After a reboot the number may belong to any process; PostgreSQL would give up."""
    await own_postgres.stop()
    (own_postgres.data / "postmaster.pid").write_text(
        f"{os.getpid()}\n{own_postgres.data}\n0\n1\n\n127.0.0.1\n\nready\n"
    )

    await own_postgres.start()

    assert one(own_postgres.dsn(), "SELECT 1") == 1


async def test_a_busy_client_does_not_hold_up_the_stop(own_postgres):
    """The supervisor has five seconds for everything."""
    with psycopg.connect(own_postgres.dsn()) as connection:
        connection.execute("SELECT 1")
        await own_postgres.stop(timeout_s=5.0)

        assert own_postgres.pid is None
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


async def test_a_stop_that_takes_too_long_is_forced(own_postgres):
    """A smart stop waits for clients for ever; a deadline must hold all the same."""
    with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
        connection.execute("SELECT 1")
        await own_postgres.stop(timeout_s=0.1, mode="smart")

    assert own_postgres.pid is None
    await own_postgres.start()


async def test_a_lost_password_is_replaced(own_postgres):
    """Whoever deletes the run file keeps the data: a new password is set offline."""
    await own_postgres.stop()
    heir = Postgres(own_postgres.directory, superuser_password=PASSWORD)
    with pytest.raises(StartFailed, match="another password"):
        await heir.start()

    heir.reset_password()
    await heir.start()

    assert one(heir.dsn(), "SELECT 1") == 1
    heir.kill()


async def test_an_interrupted_first_start_is_repeated(postgres_factory):
    """A half-made data directory must never pass for a whole one."""
    server = postgres_factory()
    half = server.directory / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    await server.start()

    assert one(server.dsn(), "SELECT 1") == 1
    assert not half.exists()


async def test_nothing_stays_when_it_is_killed(own_postgres):
    """Backends that outlive the server would keep the data directory busy."""
    with psycopg.connect(own_postgres.dsn(), autocommit=True) as connection:
        connection.execute("SELECT 1")
        family = psutil.Process(own_postgres.pid).children(recursive=True)
        assert family
        own_postgres.kill()
        _, alive = psutil.wait_procs(family, timeout=10)

    assert alive == []


async def test_the_log_explains_a_failed_start(own_postgres):
    """`it ended` alone would send the operator looking for a file."""
    await own_postgres.stop()
    with (own_postgres.data / "postgresql.conf").open("a") as file:
        file.write("\nno_such_setting = 1\n")

    with pytest.raises(StartFailed, match="no_such_setting"):
        await own_postgres.start()
