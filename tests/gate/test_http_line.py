"""The HTTP door's line to a real worker, and what its role may not do on the bus."""

from __future__ import annotations

import asyncio

import pytest

from contracts.budget import AuthorizeCall, TopUpCredits
from contracts.usage import Usage
from services.client.errors import CannotVerify
from services.client.patience import Patience
from services.http_door.gate_line import GateLine
from services.secret import Secret
from services.settings import NatsLogin
from tests.gate.served import connected, stored
from tests.rig.twins import provision_twin

HASTE = Patience(deadline_s=0.5, attempt_s=0.2)
CALL = AuthorizeCall(
    command_id="call", modality="text", provider_id="p", sku="s", estimate=Usage(requests=1)
)


@pytest.fixture
async def line(served):
    """A line with the rights of the role."""
    made = GateLine(served.settings.nats("http"))
    yield made
    await made.close()


async def test_a_command_arrives_in_the_name_of_who_asks_and_takes_effect_once(served, line):
    """The operator may, a stranger may not, and the log of the twin says who tried."""
    await provision_twin(served, "asked")
    granted = await line.command("asked", CALL, "operator")
    again = await line.command("asked", CALL, "operator")
    refused = await line.command("asked", CALL, "key_nobody")
    shown = await line.show("asked", "budget", "operator")

    assert (granted["status"], granted["decision"]) == (200, "PASS")
    assert again == granted | {"replayed": True}
    assert (refused["status"], refused["code"]) == (403, "caller_unknown")
    assert shown["open_holds"] == 1


async def test_many_ask_over_one_connection(served, line):
    """Each gets the answer to its own command."""
    await provision_twin(served, "many")
    commands = [TopUpCredits(command_id=f"c{n}", amount_nanos=n) for n in range(1, 51)]
    replies = await asyncio.gather(*(line.command("many", one, "operator") for one in commands))

    assert [reply["command_id"] for reply in replies] == [one.command_id for one in commands]
    assert max(reply["credits_nanos"] for reply in replies) == sum(range(1, 51))


async def test_a_bus_without_a_gate_and_no_bus_at_all_cannot_be_verified(served, nats_server):
    """Both in bounded time, and neither is taken for a refusal."""
    client = next(user for user in nats_server.config.users if user.name == "http")
    nobody = GateLine(NatsLogin((nats_server.url,), "http", client.password), patience=HASTE)
    away = GateLine(NatsLogin(("nats://127.0.0.1:1",), "http", Secret("x")), patience=HASTE)
    for broken in (nobody, away):
        with pytest.raises(CannotVerify):
            await broken.command("asked", CALL, "operator")
        await broken.close()


FORBIDDEN_WORDS = ("evt.0.confined.budget", "$JS.API.STREAM.INFO.EVT_0", "_INBOX_client.x")
FORBIDDEN_EARS = (">", "_INBOX_client.>", "shard.>", "cmd.>")


async def test_the_role_may_ask_as_anybody_and_do_nothing_else(served):
    """Whoever takes the process over writes no event, hears no inbox and reads no log."""
    refused, all_are = [], asyncio.Event()

    async def note(problem):
        if "permissions violation" in str(problem).lower():
            refused.append(problem)
            if len(refused) == len(FORBIDDEN_WORDS) + len(FORBIDDEN_EARS):
                all_are.set()

    await provision_twin(served, "confined")
    before = await stored(served, "confined")
    async with connected(served, "http") as bus:
        bus._error_cb = note
        for subject in FORBIDDEN_WORDS:
            await bus.publish(subject, b"")
        for subject in FORBIDDEN_EARS:
            await bus.subscribe(subject)
        # The server says so when it gets there, which no flush of ours waits for.
        await asyncio.wait_for(all_are.wait(), 10)

    assert await stored(served, "confined") == before
