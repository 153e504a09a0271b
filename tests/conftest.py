"""
Real servers for tests, on ports they pick, gone when the run ends, however it ends.

Once per run: `nats_server`, `nats_url`, `nats_cluster`, `postgres`, `postgres_dsn`.
New for each test: `database`, and for tests that kill servers or need an empty log
`own_nats`, `own_postgres`, `nats_factory`, `postgres_factory`.
"""

import ast
import asyncio
import functools
import gc
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog
from psycopg import sql

from services.embedded.nats_cluster import NatsCluster
from services.embedded.nats_config import NatsConfig
from services.embedded.nats_server import NatsServer, new_password, new_users
from services.embedded.postgres import Postgres


def _without_collecting(parse: Callable[..., ast.AST]) -> Callable[..., ast.AST]:
    """
    Keep the garbage collector out of the parser, which in Python 3.11 cannot be entered twice.

    What it finds may be reported, a report parses the lines that it quotes, and then the outer call
    fails with a SystemError (bpo gh-106905).
    """

    @functools.wraps(parse)
    def parsed(*args: object, **keywords: object) -> ast.AST:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return parse(*args, **keywords)
        finally:
            if was_enabled:
                gc.enable()

    return parsed


ast.parse = _without_collecting(ast.parse)

# No stack of a test reads forty documents beside what is tested, unless it asks for it.
os.environ["VITO_DEMO_KNOWLEDGE"] = "false"

# May do everything in the account; no deployment has it.
TEST_USER = "unrestricted"

# What takes long begins first: handed out last, it is what everybody else waits for.
LONGEST = (
    "chaos",
    "test_readme.py",
    "evidence",
    "supervisor",
    "console",
    "knowledge",
    "agent",
    "gate",
    "live",
    "deploy",
)

NatsFactory = Callable[..., NatsServer]
PostgresFactory = Callable[[], Postgres]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put them in the order in which files are handed out to the processes of a run."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        return ranks.get(item.path.relative_to(here).parts[0], len(ranks))

    items.sort(key=rank)


def new_directory() -> Path:
    """A short path: pytest's own is closed to the system user that runs PostgreSQL."""
    return Path(tempfile.mkdtemp(prefix="vito-test-"))


def new_nats(directory: Path, **config) -> NatsServer:
    values = {
        "server_name": "vito-test",
        "store_dir": str(directory / "jetstream"),
        "port": 0,
        "users": new_users((TEST_USER,)),
    }
    return NatsServer(NatsConfig(**{**values, **config}), directory=directory)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that is run within a test sets the logs up for its own process, which is ours."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One nats-server for the run; a test must use names of its own or clean up."""
    server = new_nats(new_directory())
    asyncio.run(server.start())
    yield server
    server.kill()
    server.remove()


@pytest.fixture(scope="session")
def nats_url(nats_server) -> str:
    """Its address with a login that may do everything in the account."""
    return nats_server.url_for(TEST_USER)


@pytest.fixture(scope="session")
def nats_cluster() -> Iterator[NatsCluster]:
    """Three nodes for the run, the user `unrestricted` included; heal what you break."""
    cluster = NatsCluster(new_directory(), extra_roles=(TEST_USER,))
    asyncio.run(cluster.start())
    yield cluster
    cluster.kill()
    cluster.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for the run."""
    server = Postgres(new_directory(), superuser_password=new_password(), max_connections=200)
    asyncio.run(server.start())
    yield server
    server.kill()
    server.remove()


@pytest.fixture(scope="session")
def postgres_dsn(postgres) -> str:
    """Its superuser's address, database `postgres`; tables belong in `database`."""
    return postgres.dsn()


@pytest.fixture
def database(postgres) -> Iterator[str]:
    """The superuser's address of an empty database that lives as long as the test."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield postgres.dsn(name)
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        connection.execute(statement)


@pytest.fixture
def nats_factory() -> Iterator[NatsFactory]:
    """Makes nats-servers that are not started yet; keywords are those of NatsConfig."""
    made: list[NatsServer] = []

    def make(**config) -> NatsServer:
        made.append(new_nats(new_directory(), **config))
        return made[-1]

    yield make
    for server in made:
        server.kill()
        server.remove()


@pytest.fixture
async def own_nats(nats_factory) -> AsyncIterator[NatsServer]:
    """A started nats-server with an empty store, which the test may kill (20-50 ms)."""
    server = nats_factory()
    await server.start()
    return server


@pytest.fixture
def postgres_factory() -> Iterator[PostgresFactory]:
    """Makes PostgreSQL servers that are not started yet."""
    made: list[Postgres] = []

    def make() -> Postgres:
        made.append(Postgres(new_directory(), superuser_password=new_password()))
        return made[-1]

    yield make
    for server in made:
        server.kill()
        server.remove()


@pytest.fixture
async def own_postgres(postgres_factory) -> Postgres:
    """A started PostgreSQL with empty data, which the test may kill (about 1 s)."""
    server = postgres_factory()
    await server.start()
    return server


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short path that the system user of PostgreSQL can reach."""
    path = new_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)
