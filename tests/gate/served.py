"""One worker process for many tests, each with twins of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.replies import Problem
from contracts.subjects import command, shard_of
from services.embedded.nats_permissions import inbox_prefix
from tests.conftest import TEST_USER
from tests.rig.deployment import Deployment

ANSWERED_WITHIN_S = 10.0
AUTHORIZE = ("budget", "authorize")
ONE = {"modality": "text", "provider_id": "p", "sku": "s", "estimate": {"requests": 1}}


@asynccontextmanager
async def connected(
    deployment: Deployment, role: str = "client", *, inbox: str = inbox_prefix(TEST_USER)
) -> AsyncIterator[Client]:
    """A plain connection with the rights of a role; the one without limits hears in *inbox*."""
    if role == TEST_USER:
        connection = await nats.connect(deployment.bus.url_for(TEST_USER), inbox_prefix=inbox)
    else:
        connection = await nats.connect(**deployment.settings.nats(role).options())
    try:
        yield connection
    finally:
        await connection.close()


async def ask(
    connection: Client,
    tenant: str,
    noun_and_verb: tuple[str, str],
    payload: bytes,
    *,
    content_type: str | None = None,
) -> Msg:
    """Send bytes as a command and return the reply as it is."""
    headers = {"Content-Type": content_type} if content_type else None
    subject = command(tenant, *noun_and_verb)
    return await connection.request(subject, payload, timeout=ANSWERED_WITHIN_S, headers=headers)


def problem_in(reply: Msg) -> Problem:
    """The problem that a reply is; its headers must say so too."""
    problem = msgspec.json.decode(reply.data, type=Problem)
    assert reply.headers["Nats-Service-Error"] == problem.code
    assert reply.headers["Nats-Service-Error-Code"] == str(problem.status)
    return problem


async def stored(deployment: Deployment, tenant: str) -> list[tuple[str, dict]]:
    """Subject and headers of every message in the stream of a tenant's shard."""
    async with connected(deployment, TEST_USER) as connection:
        jetstream = connection.jetstream()
        stream = f"EVT_{shard_of(tenant, deployment.settings.shards)}"
        last = (await jetstream.stream_info(stream)).state.last_seq
        found = [await jetstream.get_msg(stream, seq) for seq in range(1, last + 1)]
    return [(message.subject, dict(message.headers or {})) for message in found]


def json_of(payload: object) -> bytes:
    return json.dumps(payload).encode()


def authorize(command_id: str, **changes) -> dict:
    """An authorisation as a client writes it."""
    return {"command_id": command_id, **ONE, **changes}
