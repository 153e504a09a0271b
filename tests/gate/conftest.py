"""Deployments for the tests of the gate."""

from __future__ import annotations

import pytest

from tests.rig.deployment import Deployment
from tests.rig.fixtures import cluster_deployment, served

__all__ = ["cluster_deployment", "served"]


@pytest.fixture
async def deployment(nats_factory, directory):
    """A bus of its own with streams and no processes yet; everything is killed afterwards."""
    server = nats_factory(shards=2)
    await server.start()
    made = Deployment(server, directory / "data")
    await made.set_up()
    yield made
    made.kill_all()
