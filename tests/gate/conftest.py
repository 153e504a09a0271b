"""Deployments for the tests of the gate."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.conftest import new_directory, new_nats
from tests.rig.deployment import Deployment
from tests.rig.fixtures import cluster_deployment

__all__ = ["cluster_deployment"]


@pytest.fixture
async def deployment(nats_factory, directory):
    """A bus of its own with streams and no processes yet; everything is killed afterwards."""
    server = nats_factory(shards=2)
    await server.start()
    made = Deployment(server, directory / "data")
    await made.set_up()
    yield made
    made.kill_all()


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
