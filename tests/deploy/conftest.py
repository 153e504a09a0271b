"""
Servers that run from the committed files.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from services.embedded.nats_server import new_password
from services.embedded.postgres import Postgres
from tests.conftest import new_directory
from tests.deploy.database import drop_everything
from tests.deploy.nats_node import ONE_NODE, Certificates, Node


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Certificates:
    """An authority and one certificate good for every node of the tests."""
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def node_factory(directory, certificates) -> Iterator:
    """Makes one-node servers from the committed file, not started yet."""
    made: list[Node] = []

    def make() -> Node:
        made.append(Node(ONE_NODE, directory / f"node-{len(made)}", certificates, {}))
        return made[-1]

    yield make
    for node in made:
        node.kill()


@pytest.fixture
async def node(node_factory) -> AsyncIterator[Node]:
    """One started server with the committed configuration of one-node.conf."""
    started = node_factory()
    await started.start()
    return started


@pytest.fixture(scope="session")
def deployed_postgres() -> Iterator[Postgres]:
    """A PostgreSQL of our own: roles belong to the whole server, and others' must not be there."""
    server = Postgres(new_directory(), superuser_password=new_password())
    asyncio.run(server.start())
    yield server
    server.kill()
    server.remove()


@pytest.fixture
def empty_postgres(deployed_postgres) -> Postgres:
    """The same server without a database or a role of ours."""
    drop_everything(deployed_postgres)
    return deployed_postgres
