"""Workers are NATS micro services: found, described and counted by the usual tools."""

from __future__ import annotations

import asyncio

import msgspec

from contracts import questions
from contracts.commands import NOUN_AND_VERB
from contracts.subjects import shard_of
from services.gate.endpoints import QUESTIONS, SERVICE
from tests.gate.served import AUTHORIZE, ask, authorize, connected, json_of
from tests.rig.twins import provision_twin


async def everybody(connection, subject: str) -> list[dict]:
    """Collect the answers of all services that there are."""
    answers: list[dict] = []
    inbox = connection.new_inbox()
    enough = asyncio.Event()

    async def note(message) -> None:
        answers.append(msgspec.json.decode(message.data))
        if len(answers) == 2:
            enough.set()

    await connection.subscribe(inbox, cb=note)
    await connection.publish(subject, b"", reply=inbox)
    await asyncio.wait_for(enough.wait(), 5)
    return answers


async def test_services_are_found_with_everything_a_caller_needs(served):
    """
    `nats micro ls` and `info` work, and say where to send what.
    """
    async with connected(served, "auditor") as bus:
        pings = await everybody(bus, f"$SRV.PING.{SERVICE}")
        infos = await everybody(bus, f"$SRV.INFO.{SERVICE}")
    assert {ping["metadata"]["shard"] for ping in pings} == {"0", "1"}
    for info in infos:
        assert info["metadata"]["worker"].startswith("worker-")
        sent_to = {endpoint["metadata"]["send_to"] for endpoint in info["endpoints"]}
        assert sent_to == {
            *(
                f"cmd.{{tenant}}.{noun}.{verb}.{{principal}}"
                for noun, verb in NOUN_AND_VERB.values()
            ),
            *(f"qry.{{tenant}}.{noun}.show.{{principal}}" for noun in QUESTIONS),
            *(
                f"qry.{{tenant}}.{noun}.{verb}.{{principal}}"
                for noun, verb in questions.GATE_QUESTIONS.values()
            ),
        }
        for endpoint in info["endpoints"]:
            assert endpoint["subject"].startswith(f"shard.{info['metadata']['shard']}.")
            assert endpoint["metadata"]["schema"]


async def test_statistics_count_what_was_asked(served):
    """
    An operator sees from outside that a shard is served at all.
    """
    await provision_twin(served, "counted")
    async with connected(served) as bus:
        for number in range(3):
            await ask(bus, "counted", AUTHORIZE, json_of(authorize(f"c{number}")))
    async with connected(served, "auditor") as bus:
        stats = await everybody(bus, f"$SRV.STATS.{SERVICE}")
    shard = str(shard_of("counted", served.settings.shards))
    (own,) = [stat for stat in stats if stat["metadata"]["shard"] == shard]
    (asked,) = [e for e in own["endpoints"] if e["name"] == "budget-authorize"]
    assert asked["num_requests"] >= 3
    assert asked["num_errors"] == 0


async def test_a_client_may_not_ask_for_discovery(served):
    """
    The library answers discovery to any subject that is asked for.
    """
    refused = asyncio.Event()

    async def note(problem) -> None:
        if "permissions violation" in str(problem).lower():
            refused.set()

    async with connected(served) as bus:
        bus._error_cb = note
        await bus.publish("$SRV.INFO", b"", reply="evt.0.cantor.budget")
        await asyncio.wait_for(refused.wait(), 5)
