"""Fixtures that tests of several folders use; a conftest.py imports what it needs."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.conftest import new_directory, new_nats
from tests.rig.deployment import Deployment


@pytest.fixture
async def cluster_deployment(nats_cluster, directory):
    """The run's three-node bus with R3 streams; take tenant names that nobody else has."""
    await nats_cluster.ready()
    made = Deployment(nats_cluster, directory / "data")
    await made.set_up()
    yield made
    made.kill_all()
    for node in nats_cluster.nodes:
        if node.pid is None:
            node.launch()
    await nats_cluster.ready()


@pytest.fixture(scope="module")
def served():
    """A bus with one worker for all tests of a module: take twins that no other test has."""
    directory = new_directory()
    server = new_nats(directory / "nats", shards=2)

    async def start() -> Deployment:
        await server.start()
        started = Deployment(server, directory / "data")
        await started.set_up()
        await started.start("worker")
        return started

    made = asyncio.run(start())
    yield made
    made.kill_all()
    server.kill()
    shutil.rmtree(directory, ignore_errors=True)
