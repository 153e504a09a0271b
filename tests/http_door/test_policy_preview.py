"""A policy tried over HTTP: what it would have done, who may ask, what is said when it fails."""

import asyncio

import msgspec
import pytest

from contracts.access import OPERATOR
from contracts.budget import AuthorizeCall, SettleCall
from contracts.policy import BudgetPolicy
from contracts.policy_preview import PolicyPreview
from contracts.usage import Usage
from services.failure import Failure
from services.http_api import policy_preview
from tests.http_door.conftest import OWN, standing
from tests.http_door.doors import World
from tests.http_door.memory_gate import PRICE_NANOS
from tests.http_door.people import cookie
from tests.http_door.previews import trying
from tests.query_api.conftest import KEY

PATH = f"/v1/tenants/{OWN}/policy/preview"
SHOWN = {"Authorization": f"Bearer {KEY}"}
CALLS = 5


async def call(world, number):
    """One call, granted and settled."""
    asked = AuthorizeCall(
        command_id=f"a-{number}",
        modality="text",
        provider_id="p",
        sku="s",
        estimate=Usage(requests=1),
    )
    granted = await world.gate.command(OWN, asked, OPERATOR)
    used = SettleCall(
        command_id=f"s-{number}",
        reservation_id=granted["reservation_id"],
        usage=Usage(requests=1),
    )
    assert (await world.gate.command(OWN, used, OPERATOR))["status"] == 200


@pytest.fixture
async def called(two_twins):
    """A site whose twin has made a few calls."""
    world = World()
    world.gate.provision(OWN)
    for number in range(CALLS):
        await call(world, number)
    async with standing(two_twins, world, preview=trying(world)) as site:
        yield site


def proposal(world, limit_nanos, **more):
    """The twin's policy with another limit."""
    rules = world.gate.state(OWN).policy.policy
    budget = BudgetPolicy(monthly_hard_limit_nanos=limit_nanos)
    return {"policy": msgspec.to_builtins(msgspec.structs.replace(rules, budget=budget)), **more}


async def test_what_a_policy_would_have_done_and_nothing_is_changed(called):
    """Two calls fit under a limit of two; the other three would have been refused."""
    world = called.world
    commits = len(world.gate.commits)
    answer = await called.ask("POST", PATH, SHOWN, proposal(world, 2 * PRICE_NANOS, days=1))
    found = msgspec.json.decode(answer.body, type=PolicyPreview)
    assert (found.calls, found.is_whole, found.policy_version) == (CALLS, True, 1)
    assert {(one.proposed, one.proposed_code): one.calls for one in found.answers} == {
        ("PASS", "granted"): 2,
        ("DENY", "monthly_hard_limit_reached"): 3,
    }
    assert found.cost_nanos == CALLS * PRICE_NANOS
    assert found.proposed_cost_nanos == 2 * PRICE_NANOS
    assert len(world.gate.commits) == commits


async def test_only_who_may_set_the_policy_may_try_one(called):
    """A viewer sees the policy, and not what others would do."""
    directory = called.world.directory
    for role, status in (("viewer", 403), ("approver", 403), ("owner", 200)):
        directory.add_person(role, {OWN: role})
        me = cookie(directory.add_session(role))
        answer = await called.ask("POST", PATH, me, proposal(called.world, 1))
        assert answer.status == status, (role, answer.body)


async def test_a_policy_that_contradicts_itself_is_told_so(called):
    """By field, rule and remedy, before anything is read."""
    wrong = proposal(called.world, 1)
    wrong["policy"]["ladder"] = ["video"]
    answer = await called.ask("POST", PATH, SHOWN, wrong)
    assert (answer.status, answer.json["code"]) == (400, "malformed_command")
    assert answer.json["errors"][0]["field"] == "policy.ladder"
    many = await called.ask("POST", PATH, SHOWN, proposal(called.world, 1, days=32))
    assert (many.status, many.json["errors"][0]["field"]) == (400, "days")
    other = proposal(called.world, 1)
    other["policy"]["currency"] = "EUR"
    said = (await called.ask("POST", PATH, SHOWN, other)).json
    fault = {"field": "policy.currency", "rule": "must be the price book's currency, USD"}
    assert fault.items() <= said["errors"][0].items()


async def test_a_few_at_once_for_a_bounded_time_and_a_failure_is_told(two_twins, monkeypatch):
    """The third has to wait, and none may go on for ever."""
    world, go = World(), asyncio.Event()
    world.gate.provision(OWN)

    async def run(_tenant, _wanted):
        await go.wait()
        raise Failure("No connection to the bus.", "start it.")

    async with standing(two_twins, world, preview=run) as site:
        wanted = proposal(world, 1)
        monkeypatch.setattr(policy_preview, "RUNNING_MAX", 1)
        first = asyncio.create_task(site.ask("POST", PATH, SHOWN, wanted))
        second = asyncio.create_task(site.ask("POST", PATH, SHOWN, wanted))
        done, _ = await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
        assert [task.result().json["code"] for task in done] == ["overloaded"]
        go.set()
        failed = [task for task in (first, second) if task not in done]
        assert (await failed[0]).json["detail"] == "No connection to the bus. Remedy: start it."
        go.clear()
        monkeypatch.setattr(policy_preview, "PREVIEW_S_MAX", 0.01)
        assert (await site.ask("POST", PATH, SHOWN, wanted)).json["code"] == "too_slow"
