"""Logs on one server and on three, each test with a stream of its own."""

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from services.eventstore import (
    EventStore,
    EventStoreConnection,
    JetStreamApplicationRecorder,
    StreamSettings,
    ensure_stream,
)

MAX_BYTES = 1 << 26
TEST_USER = "unrestricted"


class Site(NamedTuple):
    """Where a log lives: addresses, and how many servers hold it."""

    urls: list[str]
    replicas: int

    async def connect(self, **options) -> EventStoreConnection:
        return await EventStoreConnection.open(self.urls, **options)


class Log(NamedTuple):
    """One stream, and how to open it once more, as another process would."""

    settings: StreamSettings
    connection: EventStoreConnection
    store: EventStore
    open: Callable[..., EventStore]
    recorder: Callable[..., JetStreamApplicationRecorder]


@pytest.fixture
def one_server(nats_url) -> Site:
    """The single server of the run."""
    return Site([nats_url], 1)


@pytest.fixture(params=["one server", "three servers"])
def site(request) -> Site:
    """For promises that must hold on both: the server checks a fence differently on each."""
    if request.param == "one server":
        return request.getfixturevalue("one_server")
    return Site(request.getfixturevalue("nats_cluster").urls_for(TEST_USER), 3)


@pytest.fixture
async def open_log():
    """Makes a new stream on a site and opens it; everything is closed when the test ends."""
    async with AsyncExitStack() as stack:

        async def connect(site, **options):
            connection = await site.connect(**options)
            stack.push_async_callback(connection.close)
            return connection

        async def open_log(site: Site) -> Log:
            name = secrets.token_hex(8)
            settings = StreamSettings(f"T_{name}", f"t.{name}", site.replicas, MAX_BYTES)
            names = {"stream": settings.stream, "prefix": settings.prefix}
            connection = await connect(site)
            await ensure_stream(connection, settings)

            async def another_store(at=site, **options):
                return EventStore(await connect(at), **names, **options)

            async def another_recorder(**options):
                return JetStreamApplicationRecorder(await connect(site), **names, **options)

            store = EventStore(connection, **names)
            return Log(settings, connection, store, another_store, another_recorder)

        yield open_log


@pytest.fixture
async def log(site, open_log) -> Log:
    """A new log, on one server and on three."""
    return await open_log(site)


@pytest.fixture
async def plain_log(one_server, open_log) -> Log:
    """A new log on one server, for what does not depend on servers."""
    return await open_log(one_server)
