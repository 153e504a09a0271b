"""Fixtures that tests of several folders use; a conftest.py imports what it needs."""

from __future__ import annotations

import pytest

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
