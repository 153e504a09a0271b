"""A server whose tables hold two twins, with everybody else in memory."""

import asyncio
import secrets
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import sql
from yarl import URL

from domain import memory
from services.migrations import prepare_database
from tests.http_door.doors import World
from tests.http_door.previews import trying
from tests.projector.read_side import project
from tests.query_api.conftest import answer_of, as_reader, serving, tables, written  # noqa: F401 - fixtures
from tests.query_api.twins import Tables, Twin
from tests.rig.browser import browser, open_tab  # noqa: F401 - fixtures

OWN, OTHER, NOBODY = "cantor", "fernandez", "nobody"
# In everything that is known of the other twin; whoever does not belong to it must never see it.
SENTINEL = "sentinel-4d1f0c"


@pytest.fixture(scope="session")
def two_twins(postgres):
    """The reader's address of a database in which both twins have a past; tests only read it."""
    name = f"doors_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    asyncio.run(_fill(postgres.dsn(name)))
    return as_reader(postgres.dsn(name))


async def _fill(dsn):
    await prepare_database(dsn)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        tables = Tables(connection)
        own, other = Twin(OWN), Twin(OTHER)
        other.mark = SENTINEL
        for twin in (own, other):
            await tables.add(twin, twin.provision(), twin.authorize(), twin.settle())
            await tables.add(twin, twin.refuse(), twin.top_up(), twin.set_policy(2))
            await tables.add(twin, twin.write_prompts(), twin.show_and_know())


class Site:
    """The server and its fakes."""

    def __init__(self, asker, world):
        self.url, self.session = asker.url, asker.session
        self.api, self.heads = asker.api, asker.heads
        self.denials = asker.denials
        self.world = world

    async def ask(self, method, path, headers=None, json=None, **more):
        async with self.session.request(
            method, self.url + path, headers=headers, json=json, **more
        ) as response:
            return await answer_of(response)

    async def ask_raw(self, method, path, headers, data):
        """Like ask(), but path and body are sent as they are."""
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, data=data) as response:
            return await answer_of(response)

    async def get(self, path, headers=None, **more):
        return await self.ask("GET", path, headers, **more)

    async def post(self, path, headers=None, json=None, key=None, **more):
        """Send a command; *key* None: a new one."""
        known = {"Idempotency-Key": key or secrets.token_hex(8)} | (headers or {})
        return await self.ask("POST", path, known, json, **more)


@asynccontextmanager
async def standing(dsn, world=None, **more):
    """A site on a database."""
    world = world or World()
    async with serving(dsn, doors=world.doors(), **more) as asker:
        yield Site(asker, world)


@pytest.fixture
async def site(two_twins):
    """A site on the two twins, which the gate has as well."""
    world = World()
    world.gate.provision(OWN)
    world.gate.provision(OTHER, name=SENTINEL)
    async with standing(two_twins, world, preview=trying(world)) as found:
        yield found


class Late:
    """A site whose gate has forgotten everything that its tables hold."""

    def __init__(self, site, filled):
        self.site, self.world, self.tables = site, site.world, filled
        self.projected = 0

    async def forget(self):
        """Have the log projected, and the gate's memory end."""
        commits = self.world.gate.commits
        await project(self.tables.connection, [commits[self.projected :]])
        self.projected = len(commits)
        self.world.gate.state(OWN).memory = memory.State()


@pytest.fixture
async def late(database, tables):  # noqa: F811 - a fixture
    """See Late."""
    world = World()
    world.gate.provision(OWN)
    async with standing(as_reader(database), world) as site:
        found = Late(site, tables)
        await found.forget()
        yield found
