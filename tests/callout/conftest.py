"""One bus for the run whose server asks a callout, one in three nodes; each test starts its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from services.embedded.nats_cluster import NatsCluster
from services.embedded.nats_server import NatsServer
from tests.callout.world import CALLOUT_KEYS, Directory
from tests.conftest import new_directory, new_nats


@pytest.fixture(scope="session")
def bus() -> Iterator[NatsServer]:
    server = new_nats(new_directory(), callout=CALLOUT_KEYS.public)
    asyncio.run(server.start())
    yield server
    server.kill()
    server.remove()


@pytest.fixture(scope="session")
def three_nodes() -> Iterator[NatsCluster]:
    cluster = NatsCluster(new_directory(), callout=CALLOUT_KEYS.public)
    asyncio.run(cluster.start())
    yield cluster
    cluster.kill()
    cluster.remove()


@pytest.fixture
def directory_of_people() -> Directory:
    return Directory()
