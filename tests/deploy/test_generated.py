"""What is derived from code is committed as the code says it now."""

import json
from collections.abc import AsyncIterator

import pytest

from deploy import generate, nats_nodes, streams
from services.embedded.nats_cluster import NatsCluster
from services.secret import Secret
from services.settings import Settings
from tests.conftest import new_directory


def test_generated_files_are_committed():
    """A permission that the tests have and production lacks would be found in production."""
    for path, text in generate.contents().items():
        assert path.read_text() == text, f"{path} is stale: python -m deploy.generate"


@pytest.fixture
async def empty_cluster() -> AsyncIterator[NatsCluster]:
    """That of the run has streams of whoever came before, with bounds of their own."""
    cluster = NatsCluster(new_directory())
    await cluster.start()
    yield cluster
    cluster.kill()
    cluster.remove()


async def test_a_cluster_stores_the_streams_as_listed(empty_cluster: NatsCluster):
    """The list says three replicas although a server alone made it: three servers must agree."""
    users = {user.role: user.password for user in empty_cluster.nodes[0].config.users}
    settings = Settings(
        nats_urls=tuple(empty_cluster.urls),
        nats_passwords={role: word for role, word in users.items() if isinstance(word, Secret)},
        shards=nats_nodes.SHARDS,
        replicas=streams.REPLICAS,
    )
    listed = committed()["streams"]
    names = {definition["name"] for definition in listed}

    stored = [one for one in await streams.made_by_setup(settings) if one["name"] in names]

    assert stored == listed


def test_the_disk_bound_holds_every_stream():
    """A stream whose bound the server cannot grant is not created, and set-up fails."""
    # A server that lost its power would have forgotten one that is kept in memory.
    assert {one["storage"] for one in committed()["streams"]} == {"file"}
    for node in (nats_nodes.one_node(), *nats_nodes.three_nodes()):
        assert streams.bytes_max() < node.max_file_gb * 2**30


def test_everything_is_bounded():
    """An unbounded stream fills the disk, and with it every other one."""
    listed = committed()

    assert listed["shards"] == nats_nodes.SHARDS
    for definition in listed["streams"]:
        assert definition["max_bytes"] > 0, definition["name"]
        assert definition["discard"] == "new", definition["name"]


def committed() -> dict:
    return json.loads((generate.DIRECTORY / "streams.json").read_text())
