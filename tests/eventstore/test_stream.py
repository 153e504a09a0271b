"""Settings that would lose what was acknowledged are found, all of them, with what to change."""

import re
from typing import Any

import pytest

from services.embedded import nats_config
from services.eventstore import (
    EventStoreConnection,
    OutcomeUnknown,
    Rejected,
    StreamSettings,
    Unavailable,
    WrongSettings,
    check_server,
    check_stream,
    ensure_stream,
)
from services.eventstore.stream import configuration
from tests.eventstore.conftest import TEST_USER

SETTINGS = StreamSettings("EVT_0", "evt.0", max_bytes=1 << 26)


def as_told(**changes) -> dict[str, Any]:
    """A STREAM.INFO answer of a right stream, with changes; None takes a setting out."""
    config = {**configuration(SETTINGS), **changes}
    return {"config": {name: value for name, value in config.items() if value is not None}}


WRONG = [
    ("storage", "memory"),
    ("retention", "workqueue"),
    ("retention", "interest"),
    ("discard", "old"),
    ("max_age", 3_600_000_000_000),
    ("max_msgs", 1_000_000),
    ("max_msgs_per_subject", 1),
    ("max_msg_size", 1_000),
    ("max_consumers", 1),
    ("max_bytes", -1),
    ("max_bytes", None),
    ("deny_delete", False),
    ("deny_delete", None),
    ("deny_purge", False),
    ("allow_direct", False),
    ("allow_atomic", False),
    ("allow_atomic", None),
    ("allow_batched", True),
    ("allow_rollup_hdrs", True),
    ("allow_msg_ttl", True),
    ("allow_msg_schedules", True),
    ("allow_msg_counter", True),
    ("subject_delete_marker_ttl", 1_000_000_000),
    ("no_ack", True),
    ("sealed", True),
    ("persist_mode", "async"),
    ("mirror", {"name": "OTHER"}),
    ("sources", [{"name": "OTHER"}]),
    ("subject_transform", {"src": "evt.0.>", "dest": "x.>"}),
    ("subjects", ["evt.0.>", "other.>"]),
    ("subjects", ["evt.>"]),
]


@pytest.mark.parametrize(("setting", "value"), WRONG, ids=[f"{s}={v}" for s, v in WRONG])
def test_each_wrong_setting_is_found_by_name(setting, value):
    """One finding, which says what to change; a service refuses to start on it."""
    [finding] = check_stream(as_told(**{setting: value}), SETTINGS)
    assert re.match(rf"set {setting} to \S", finding), finding


def test_all_findings_are_reported_at_once():
    """An operator should not have to start ten times."""
    found = check_stream(as_told(discard="old", deny_purge=False, max_bytes=-1), SETTINGS)
    assert len(found) == 3


def test_a_right_stream_has_no_findings():
    """Also with more replicas than asked for, and settings we do not care about."""
    assert check_stream(as_told(), SETTINGS) == []
    assert check_stream(as_told(num_replicas=3, compression="s2", description="x"), SETTINGS) == []


def test_too_few_replicas_are_found():
    """Three were promised; one would lose everything with its disk."""
    wanted = StreamSettings("EVT_0", "evt.0", replicas=3)
    [finding] = check_stream(as_told(), wanted)
    assert finding == "set num_replicas to 3: it is 1"


@pytest.fixture
async def connection(own_nats):
    """A connection to a server of the test's own."""
    connection = await EventStoreConnection.open(own_nats.url_for(TEST_USER))
    yield connection
    await connection.close()


async def test_a_stream_is_made_as_it_must_be_and_only_once(connection):
    """What the server makes of our configuration passes our own check; twice is no error."""
    await ensure_stream(connection, SETTINGS)
    await ensure_stream(connection, SETTINGS)
    info = await connection.api("STREAM.INFO.EVT_0")
    assert info["config"]["max_bytes"] == 1 << 26
    assert info["config"]["duplicate_window"] == 100_000_000
    with pytest.raises(Rejected):
        await connection.api("STREAM.PURGE.EVT_0", {})


async def test_an_existing_wrong_stream_is_refused_and_left_alone(connection):
    """Changing somebody's stream is the operator's decision."""
    wrong = {**configuration(SETTINGS), "discard": "old", "deny_delete": False}
    await connection.api("STREAM.CREATE.EVT_0", wrong)
    with pytest.raises(WrongSettings) as refused:
        await ensure_stream(connection, SETTINGS)
    assert len(refused.value.findings) == 2
    assert 'set discard to "new": it is "old"' in str(refused.value)
    info = await connection.api("STREAM.INFO.EVT_0")
    assert info["config"]["discard"] == "old"


@pytest.mark.parametrize("lost", [OutcomeUnknown("lost"), Unavailable("no leader")])
async def test_a_request_lost_in_an_election_is_repeated(connection, monkeypatch, lost):
    """Three servers that have just started lose requests; the same stream made twice is one."""
    ask, problems = connection.api, [None, lost, lost]  # look, create, look again

    async def forgetful(*arguments, **options):
        problem = problems.pop(0) if problems else None
        answer = await ask(*arguments, **options)
        if problem is not None:
            raise problem
        return answer

    monkeypatch.setattr(connection, "api", forgetful)
    await ensure_stream(connection, SETTINGS)
    assert problems == []
    problems.extend([lost, lost])
    with pytest.raises(type(lost)):
        await ensure_stream(connection, SETTINGS, deadline_s=0)


async def test_our_server_syncs_before_it_acknowledges(own_nats):
    """The embedded server must pass the check that production servers must pass."""
    assert check_server(await own_nats.varz()) == []


async def test_a_server_with_the_default_sync_interval_is_found(nats_factory, monkeypatch):
    """The default acknowledges up to two minutes before the disk has it."""
    render = nats_config.render
    monkeypatch.setattr(
        "services.embedded.nats_server.render",
        lambda config: render(config).replace("sync_interval: always", "sync_interval: 2m"),
    )
    server = nats_factory()
    await server.start()
    [finding] = check_server(await server.varz())
    assert "sync_interval: always" in finding


@pytest.mark.parametrize(
    ("varz", "said"),
    [
        ({"version": "2.11.9"}, "2.12"),
        ({"version": "1.4.1"}, "2.12"),
        ({"version": ""}, "unknown"),
        ({"version": None}, "2.12"),
        ({"jetstream": {}}, "JetStream"),
        ({"jetstream": None}, "JetStream"),
        ({"jetstream": {"config": {"max_memory": 1, "sync_interval": 1}}}, "sync_interval"),
        ({"jetstream": {"config": {"sync_always": "yes"}}}, "sync_interval"),
    ],
)
def test_other_servers_are_refused_with_a_reason(varz, said):
    """Whatever a server leaves unsaid counts against it."""
    right = {"version": "2.15.1", "jetstream": {"config": {"sync_always": True}}}
    assert check_server(right) == []
    [finding] = check_server({**right, **varz})
    assert said in finding


@pytest.mark.parametrize("version", ["2.12.0", "2.12.0-RC.1", "2.15.1", "3.0.0", "10.0"])
def test_newer_servers_are_accepted(version):
    """Versions are compared as numbers."""
    assert check_server({"version": version, "jetstream": {"config": {"sync_always": True}}}) == []
