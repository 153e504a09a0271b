"""A worker refuses to start where it could lose what it acknowledges, and says what to change."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from services.embedded import nats_server
from tests.conftest import TEST_USER
from tests.gate.served import connected
from tests.rig.deployment import Deployment

ENDS_WITHIN_S = 20.0


async def refused(deployment: Deployment) -> str:
    """Start a worker that must end by itself; return what it says."""
    worker = deployment.launch("worker")
    code = await asyncio.wait_for(worker.child.wait(), ENDS_WITHIN_S)
    assert code == 1
    said = worker.said()
    assert "Traceback" not in said
    assert "error:" in said
    assert "remedy:" in said
    return re.sub(r"\s+", " ", said)


async def started(nats_factory, directory, *, sets_up: bool = True) -> Deployment:
    server = nats_factory(shards=2)
    await server.start()
    deployment = Deployment(server, directory / "data")
    if sets_up:
        await deployment.set_up()
    return deployment


async def test_a_server_that_acknowledges_before_it_syncs(nats_factory, directory, monkeypatch):
    """
    The default of the server loses what was acknowledged when the power fails.
    """
    render = nats_server.render
    monkeypatch.setattr(
        nats_server,
        "render",
        lambda config: render(config).replace("sync_interval: always", "sync_interval: 2m"),
    )
    said = await refused(await started(nats_factory, directory))
    assert "set `sync_interval: always`" in said


async def test_a_server_without_the_mappings(nats_factory, directory, monkeypatch):
    """
    Every command would find nobody, or somebody without its log.
    """
    render = nats_server.render
    monkeypatch.setattr(
        nats_server,
        "render",
        lambda config: re.sub(r"mappings \{.*?\n    \}", "", render(config), flags=re.DOTALL),
    )
    said = await refused(await started(nats_factory, directory))
    assert "set `mappings` to" in said
    assert "partition(2,1)" in said


async def test_a_server_that_counts_shards_otherwise(nats_factory, directory):
    """
    A twin would be looked for in the stream of another shard.
    """
    deployment = await started(nats_factory, directory)
    deployment.variables["VITO_SHARDS"] = "1"
    said = await refused(deployment)
    assert "set `mappings` to" in said
    assert "partition(1,1)" in said


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"discard": "old"}, 'set discard to "new"'),
        ({"max_age": 3_600_000_000_000}, "set max_age to 0"),
        ({"max_msgs_per_subject": 1}, "set max_msgs_per_subject to -1"),
        ({"allow_direct": False}, "set allow_direct to true"),
    ],
)
async def test_a_stream_that_somebody_has_altered(nats_factory, directory, change, expected):
    """
    Each of these settings drops or hides events sooner or later.
    """
    deployment = await started(nats_factory, directory)
    async with connected(deployment, TEST_USER) as bus:
        jetstream = bus.jetstream()
        config = (await jetstream.stream_info("EVT_1")).config.as_dict() | change
        reply = await bus.request("$JS.API.STREAM.UPDATE.EVT_1", json.dumps(config).encode())
        assert "error" not in json.loads(reply.data), reply.data
    said = await refused(deployment)
    assert "EVT_1" in said
    assert expected in said


async def test_streams_that_nobody_has_made(nats_factory, directory):
    """
    Who starts a worker first is told which command comes before.
    """
    said = await refused(await started(nats_factory, directory, sets_up=False))
    assert "EVT_0" in said
    assert "vito setup" in said


@pytest.mark.parametrize("bucket", ["KV_LEASES", "OBJ_SNAPSHOTS", "KV_KEYS"])
async def test_a_bucket_that_is_missing(nats_factory, directory, bucket):
    """
    Leases, snapshots and keys are made by the same command as the streams.
    """
    deployment = await started(nats_factory, directory)
    async with connected(deployment, TEST_USER) as bus:
        await bus.jetstream().delete_stream(bucket)
    said = await refused(deployment)
    assert bucket in said
    assert "vito setup" in said
