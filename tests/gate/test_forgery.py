"""The subject of a reply is the requester's choice: nobody talks a worker into writing an event."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from contracts.replies import Decision
from contracts.subjects import command, query, shard_of
from services.eventstore.client import RawClient
from services.gate.endpoints import MSGPACK, QUESTIONS, Outbox, ShardEndpoints
from tests.gate.served import AUTHORIZE, ask, authorize, connected, json_of, problem_in, stored
from tests.rig.twins import provision_twin

FORGERIES = {
    "an answer": (AUTHORIZE, json_of(authorize("forged")), None),
    "a refusal": (AUTHORIZE, b"{", None),
    "no text": (AUTHORIZE, b"\x81\xa2\xff\xff\x01", MSGPACK),
    "a list": (AUTHORIZE, json_of([authorize("forged-in-a-list")]), None),
}


@pytest.mark.parametrize("case", FORGERIES)
async def test_nobody_can_talk_a_worker_into_writing_an_event(served, case):
    """
    The worker may publish events and the requester names the subject of the reply: it must be an
    inbox, or one message of any client would end up in the log and stop whoever reads it.
    """
    noun_and_verb, payload, content_type = FORGERIES[case]
    name = f"forged-{list(FORGERIES).index(case)}"
    await provision_twin(served, name)
    subject = f"evt.{shard_of(name, served.settings.shards)}.{name}.budget"
    headers = {"Content-Type": content_type} if content_type else None
    async with connected(served) as bus:
        await bus.publish(command(name, *noun_and_verb), payload, reply=subject, headers=headers)
        await bus.publish(query(name, "budget"), b"", reply=subject)
        # Asked after them, over the same connection: answered after them.
        for question in QUESTIONS:
            await bus.request(query(name, question), b"", timeout=10)
        reply = await ask(bus, name, AUTHORIZE, json_of(authorize("honest")))
        assert msgspec.json.decode(reply.data, type=Decision).status == 200
    written = [headers for found, headers in await stored(served, name) if f".{name}." in found]
    assert all("Vito-Version" in headers for headers in written)


class Faulty:
    """A shard with a bug."""

    shard = 0

    def receive(self, tenant, waiter) -> None:
        raise ZeroDivisionError


async def test_a_fault_in_the_gate_is_answered_by_the_gate_and_not_by_the_library(served):
    """
    The library would send the fault's text wherever the requester likes.
    """
    heard = []
    async with raw_client(served) as worker:
        outbox = Outbox(worker)
        endpoints = ShardEndpoints(worker, outbox, Faulty(), "faulty")
        endpoints._shard.shard = 9
        await endpoints.start()
        await worker.subscribe("evt.9.>", cb=_into(heard))
        subject = "shard.9.cmd.cantor.budget.top_up"
        payload = json_of({"command_id": "a", "amount_nanos": 1})
        async with connected(served, "unrestricted") as anybody:
            await anybody.publish(subject, payload, reply="evt.9.cantor.budget")
            problem = problem_in(await anybody.request(subject, payload, timeout=10))
        await worker.flush()
        await endpoints.stop()
    assert (problem.status, problem.code) == (500, "internal_error")
    assert "ZeroDivision" not in problem.detail
    assert not heard


@asynccontextmanager
async def raw_client(served):
    """Connect as a worker does, with every right."""
    client = RawClient()
    await client.connect(served.bus.url_for("unrestricted"))
    try:
        yield client
    finally:
        await client.close()


def _into(heard: list):
    async def note(message) -> None:
        heard.append(message)

    return note
