"""
The deployment's log: which streams there are, opened; and whether the servers keep their promises.

Every process that decides, projects or audits opens its log here, so that all agree on it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts import subjects
from services.embedded.nats_permissions import KEYS, LEASES, SNAPSHOTS
from services.eventstore.connection import EventStoreConnection
from services.eventstore.errors import Rejected
from services.eventstore.store import EventStore
from services.eventstore.stream import (
    STREAM_NOT_FOUND,
    StreamSettings,
    WrongSettings,
    check_server,
    check_stream,
)
from services.settings import Settings

_VARZ = "$SYS.REQ.SERVER.PING.VARZ"
_SERVERS_ANSWER_WITHIN_S = 1.0
_ASK_AGAIN_S = 0.1
_ATTEMPTS_MAX = 50
_PROBES_MAX = 100_000
_GIB = 1 << 30

_log = structlog.get_logger()


def stream_settings(settings: Settings, shard: int) -> StreamSettings:
    """Say how a shard's stream must be set up."""
    return StreamSettings(
        stream=subjects.stream(shard),
        prefix=subjects.log_prefix(shard),
        replicas=settings.replicas,
        max_bytes=settings.stream_max_gb * _GIB,
    )


def open_stores(connection: EventStoreConnection, shards: int) -> list[EventStore]:
    """Open every shard's log on one connection."""
    return [
        EventStore(connection, stream=subjects.stream(k), prefix=subjects.log_prefix(k))
        for k in range(shards)
    ]


async def check(settings: Settings, connection: EventStoreConnection) -> None:
    """
    Refuse servers, streams and routes that could lose or misplace what is acknowledged.

    Raises WrongSettings with everything that has to be changed.
    """
    await check_servers(settings)
    for shard in range(settings.shards):
        wanted = stream_settings(settings, shard)
        info = await _stream_info(connection, wanted.stream)
        if findings := check_stream(info, wanted):
            raise WrongSettings(f"stream {wanted.stream}", findings)
    for bucket in (KEYS, LEASES, SNAPSHOTS):
        await _stream_info(connection, bucket)
    await check_routing(connection.client, settings.shards)


async def _stream_info(connection: EventStoreConnection, stream: str) -> dict[str, Any]:
    try:
        return await connection.api(f"STREAM.INFO.{stream}")
    except Rejected as problem:
        if problem.code != STREAM_NOT_FOUND:
            raise
        raise WrongSettings(
            f"stream {stream}", ["make it with `vito setup`: it does not exist"]
        ) from None


async def check_servers(settings: Settings) -> None:
    """Ask every server of the bus how it is configured."""
    monitor = await nats.connect(
        **settings.nats("monitor").options(),
        # A server that is just starting is asked again soon; the library waits two seconds.
        reconnect_time_wait=_ASK_AGAIN_S,
        max_reconnect_attempts=_ATTEMPTS_MAX,
        error_cb=_note,
    )
    try:
        answers: list[bytes] = []
        inbox = monitor.new_inbox()

        async def note(message: Msg) -> None:
            answers.append(message.data)

        await monitor.subscribe(inbox, cb=note)
        await monitor.publish(_VARZ, b"", reply=inbox)
        await asyncio.sleep(0)
        await _first_answers(answers)
    finally:
        await monitor.close()
    if not answers:
        raise WrongSettings("the bus", ["give the role `monitor` the system account"])
    for answer in answers:
        varz = json.loads(answer)["data"]
        if findings := check_server(varz):
            raise WrongSettings(f"nats-server {varz.get('server_name')}", findings)


async def _note(problem: Exception) -> None:
    _log.warning("nats_connection", problem=type(problem).__name__)


async def _first_answers(answers: list[bytes]) -> None:
    """Wait for the servers that are there; nobody says how many that are."""
    deadline_s = asyncio.get_running_loop().time() + _SERVERS_ANSWER_WITHIN_S
    expected = 1
    while asyncio.get_running_loop().time() < deadline_s:
        await asyncio.sleep(0.01)
        if answers:
            known = json.loads(answers[0])["data"].get("cluster", {}).get("urls") or []
            expected = 1 + len(known)
        if len(answers) >= expected:
            return


async def check_routing(connection: Client, shards: int) -> None:
    """
    Make sure that the server maps commands to shards the way this process counts them.

    Without the mappings every command would find nobody, or somebody without its log.
    """
    for shard in range(shards):
        name = _name_in(shard, shards)
        arrived = asyncio.Event()

        async def note(_message: object, arrived: asyncio.Event = arrived) -> None:
            arrived.set()

        subscription = await connection.subscribe(
            f"shard.{shard}.qry.{name}.routing.probe.*", cb=note
        )
        await connection.flush()
        await connection.publish(f"qry.{name}.routing.probe", b"")
        try:
            async with asyncio.timeout(2):
                await arrived.wait()
        except TimeoutError:
            wanted = json.dumps(subjects.mappings(shards))
            raise WrongSettings("the bus", [f"set `mappings` to {wanted}"]) from None
        finally:
            await subscription.unsubscribe()


def _name_in(shard: int, shards: int) -> str:
    names = (f"probe{n}" for n in range(_PROBES_MAX))
    return next(name for name in names if subjects.shard_of(name, shards) == shard)
