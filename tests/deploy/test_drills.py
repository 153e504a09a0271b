"""Failures of the runbook's table, brought about on purpose; what is said and what mends them."""

import json

import msgspec
import pytest

from contracts.commit import TOPIC
from services import deployment_log, setup
from services.eventstore import stream
from services.eventstore.appending import Append
from services.eventstore.connection import EventStoreConnection
from services.eventstore.errors import StreamFull
from services.eventstore.stream import WrongSettings
from services.settings import Settings

COMMIT = b"x" * 64_000
ROOM_BYTES = 10 * len(COMMIT)


@pytest.fixture
async def deployed(node):
    """The bus of one-node.conf with its streams, and the settings of a process."""
    settings = Settings.from_env(node.settings_environment())
    await setup.streams(settings)
    return settings


async def change_stream(settings: Settings, name: str, **changes) -> None:
    """What `nats stream edit` sends, as the admin."""
    admin = await EventStoreConnection.open(**settings.nats("admin").options())
    config = (await admin.api(f"STREAM.INFO.{name}"))["config"]
    await admin.api(f"STREAM.UPDATE.{name}", {**config, **changes})
    await admin.close()


async def test_a_full_stream_refuses_and_goes_on_when_its_bound_is_raised(deployed):
    """Nothing is dropped to make room; the operator gives more, while everything runs."""
    await change_stream(deployed, "EVT_0", max_bytes=ROOM_BYTES)
    connection = await EventStoreConnection.open(**deployed.nats("worker").options())
    [store, *_] = deployment_log.open_stores(connection, deployed.shards)
    seq = stored = 0

    async def append() -> int:
        [new] = await store.append([Append("a", stored + 1, TOPIC, "tenant", COMMIT, seq)])
        return new

    with pytest.raises(StreamFull):
        for _ in range(20):
            seq = await append()
            stored += 1
    assert 0 < stored < 10

    await change_stream(deployed, "EVT_0", max_bytes=2 * ROOM_BYTES)
    assert await append() == seq + 1
    await connection.close()


async def test_a_server_that_does_not_sync_is_refused(node_factory):
    """It would acknowledge what a power failure takes back."""
    node = node_factory()
    text = node.config.read_text()
    node.config.write_text(text.replace("  sync_interval: always\n", ""))
    await node.start()
    settings = Settings.from_env(node.settings_environment())

    with pytest.raises(WrongSettings, match="sync_interval: always"):
        await deployment_log.check_servers(settings)


@pytest.mark.parametrize("changes", [{"discard": "old"}, {"max_age": 3_600_000_000_000}])
async def test_a_stream_that_forgets_is_refused(deployed, changes):
    """The admin may change a stream; a worker that finds it so does not start."""
    await change_stream(deployed, "EVT_1", **changes)
    connection = await EventStoreConnection.open(**deployed.nats("worker").options())

    with pytest.raises(WrongSettings, match=next(iter(changes))):
        await deployment_log.check(deployed, connection)
    await connection.close()


async def test_a_wrong_number_of_shards_is_refused(deployed):
    """The servers would route a twin to a shard that does not have its log."""
    connection = await EventStoreConnection.open(**deployed.nats("worker").options())

    with pytest.raises(WrongSettings, match="mappings"):
        await deployment_log.check_routing(connection.client, deployed.shards - 1)
    await connection.close()


async def test_a_server_with_too_little_room_says_so(node_factory, monkeypatch):
    """Streams reserve their bounds when they are made; set-up fails then, not a decision later."""
    # It asks again for that long, as of servers that elect a leader.
    monkeypatch.setattr(stream, "DEADLINE_S", 1.0)
    node = node_factory()
    text = node.config.read_text()
    assert "max_file: " in text
    small = "\n".join(
        "  max_file: 1GB" if line.startswith("  max_file: ") else line for line in text.splitlines()
    )
    node.config.write_text(small)
    await node.start()

    with pytest.raises(Exception, match="insufficient storage resources") as refused:
        await setup.streams(Settings.from_env(node.settings_environment()))
    assert type(refused.value).__module__.startswith("services.")


async def test_the_log_of_a_node_can_be_asked_for(node):
    """The watch section of the runbook: what a person asks a node on its own machine."""
    for path, key in {
        "healthz": "status",
        "varz": "jetstream",
        "jsz?streams=1&config=1": "account_details",
        "routez": "num_routes",
        "connz": "num_connections",
    }.items():
        assert key in json.loads(await node.monitored(path)), path
    assert msgspec.json.decode(await node.monitored("healthz")) == {"status": "ok"}
