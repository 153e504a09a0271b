"""A real server on a free port, asked over HTTP, on tables that the real projections filled."""

import asyncio
import io
import json
import logging
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import quote

import aiohttp
import psycopg
import pytest
import structlog
from aiohttp import web_app
from psycopg import sql
from yarl import URL

from services import logs
from services.http_api import server
from services.http_api.app import Limits
from services.migrations import prepare_database
from services.query_api.keys import BearerKey
from services.query_api.lag import HeadsUnknown
from services.query_api.read_side import PoolLimits, ReadSide
from tests.http_door.doors import closed_doors
from tests.query_api.twins import Tables, Twin

PAGES_MAX = 300
# A busy machine must not turn a slow answer into a wrong one.
PATIENCE_S = 20
PATIENT = Limits(request_s=PATIENCE_S, position_wait_s=PATIENCE_S)
PATIENT_POOL = PoolLimits(acquire_s=PATIENCE_S, statement_ms=1_000 * PATIENCE_S)
KEY = "vito_test_0123456789abcdefghijklmnop"


async def soon(awaitable):
    """Its result; a test of broken code must fail and not hang."""
    return await asyncio.wait_for(awaitable, PATIENCE_S)


class FakeHeads:
    """The ends of the log, as a test wants them."""

    def __init__(self, heads=None):
        self.heads = heads or {0: 0}
        self.away = False
        self.asked = 0

    async def read(self):
        self.asked += 1
        if self.away:
            raise HeadsUnknown("JetStream did not answer (TimeoutError)")
        return self.heads

    async def close(self):
        """Nothing is open."""


class Answer:
    """What came back."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def position(self):
        return int(self.headers["Vito-Position"])


async def answer_of(response):
    """Read an answer; of one that goes on for ever the first piece."""
    goes_on = response.content_type == "text/event-stream"
    body = await (response.content.readline() if goes_on else response.read())
    return Answer(response.status, response.headers, body)


class Asker:
    """A client with the right key, unless a test says otherwise."""

    def __init__(self, session, running, heads):
        self.session, self.heads = session, heads
        self.api, self.app, self.url = running.api, running.app, running.url
        self.denials = running.denials

    async def get(self, path, *, method="GET", key=KEY, params=None, headers=None, **more):
        known = {"Authorization": f"Bearer {key}"} if key else {}
        async with self.session.request(
            method, self.url + path, params=params, headers={**known, **(headers or {})}, **more
        ) as response:
            return await answer_of(response)

    async def get_raw(self, path, *, headers=None):
        """Like get(), but the path is sent as it is."""
        known = {"Authorization": f"Bearer {KEY}"} | (headers or {})
        url = URL(self.url + path, encoded=True)
        async with self.session.get(url, headers=known) as response:
            return await answer_of(response)

    async def pages(self, path, **params):
        """All rows of all pages."""
        rows, cursor = [], None
        for _ in range(PAGES_MAX):
            answer = await self.get(path, params=params | ({"cursor": cursor} if cursor else {}))
            assert answer.status == 200, answer.body
            rows += answer.json["items"]
            cursor = answer.json["next_cursor"]
            if cursor is None:
                return rows
        raise AssertionError(f"{path} has more than {PAGES_MAX} pages")


def as_reader(dsn):
    """The same database with the rights of the API's role, whatever passwords there are."""
    return f"{dsn}{'&' if '?' in dsn else '?'}options={quote('-c role=vito_api')}"


@asynccontextmanager
async def serving(dsn, *, heads=None, limits=None, pool=None, doors=None, **runs):
    """A server on the database; without *doors* only the operator is known, and nothing decided."""
    async with AsyncExitStack() as stack:
        heads = heads or FakeHeads()
        read_side = ReadSide(dsn, pool or PATIENT_POOL)
        parts = server.Parts(
            "127.0.0.1",
            0,
            BearerKey(KEY),
            read_side,
            heads,
            doors or closed_doors(),
            limits or PATIENT,
            **runs,
        )
        running = await server.start(parts, stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        try:
            yield Asker(session, running, heads)
        finally:
            # It keeps the last thousand applications of the process, a megabyte each.
            web_app._cached_build_middleware.cache_clear()


@pytest.fixture(scope="session")
def known_database(postgres):
    """The owner's address of a database that tests only read: `cantor` has a past."""
    name = f"known_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    asyncio.run(_fill(postgres.dsn(name)))
    return postgres.dsn(name)


async def _fill(dsn):
    await prepare_database(dsn)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        tables = Tables(connection)
        cantor = Twin("cantor")
        await tables.add(cantor, cantor.provision())
        for _ in range(40):
            await tables.add(cantor, cantor.authorize(), cantor.authorize(), cantor.settle())
        await tables.add(cantor, cantor.refuse(), cantor.flood(900), cantor.top_up())
        await tables.add(
            cantor,
            cantor.set_policy(2),
            [
                *cantor.refuse("rate_limited", 429),
                *cantor.write_prompts(),
                *cantor.show_and_know(),
                *cantor.converse(),
            ],
        )
        for name in ("fernandez", *(f"twin-{number:02d}" for number in range(30))):
            twin = Twin(name)
            await tables.add(twin, twin.provision())
            if name == "fernandez":
                await tables.add(twin, *twin.keep_secrets())


@pytest.fixture
async def api(known_database):
    """A server on the known database."""
    async with serving(as_reader(known_database)) as asker:
        yield asker


@pytest.fixture
async def tables(database):
    """Tables of a database of its own, empty but migrated."""
    await prepare_database(database)
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield Tables(connection)


@pytest.fixture
async def own_api(database, tables):
    """A server on those tables."""
    async with serving(as_reader(database)) as asker:
        yield asker


@pytest.fixture
def written():
    """What was logged, parsed, with logging put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    logs.configure("api", stream=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
