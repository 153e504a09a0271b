"""A log verified because somebody asked: one at a time, seen on its way, and what came of it."""

import asyncio

import pytest

from services.failure import Failure
from services.http_api import verification
from tests.http_door.conftest import OWN, standing
from tests.http_door.doors import World
from tests.query_api.conftest import KEY

PATH = f"/v1/tenants/{OWN}/verification"
OUTCOME = {"exit_code": 0, "streams": [], "tenants": [{"tenant": OWN}], "took_s": 0.1}


class Runs:
    """A verifier that goes on when the test says so."""

    def __init__(self):
        self.begun = []
        self.go = asyncio.Event()
        self.fault = None

    async def __call__(self, tenant, note):
        self.begun.append(tenant)
        note(3, 7)
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        return OUTCOME


@pytest.fixture
async def verifying(two_twins):
    """A site whose verifier a test drives, and the verifier."""
    runs, world = Runs(), World()
    world.gate.provision(OWN)
    async with standing(two_twins, world, verify=runs) as site:
        yield site, runs


async def _settled(site, headers):
    """What came of it; whoever never ends is a failure of the test."""
    for _ in range(200):
        answer = (await site.get(PATH, headers)).json
        if answer["state"] not in ("waiting", "running"):
            return answer
        await asyncio.sleep(0)
    raise AssertionError(answer)


def operator():
    """Whoever runs the deployment."""
    return {"Authorization": f"Bearer {KEY}"}


async def test_it_is_begun_once_seen_on_its_way_and_its_outcome_is_kept(verifying):
    """A second press while it runs begins nothing; afterwards it can be begun anew."""
    site, runs = verifying
    assert (await site.get(PATH, operator())).json["state"] == "none"
    first = await site.ask("POST", PATH, operator())
    again = await site.ask("POST", PATH, operator())
    assert (first.status, again.status, runs.begun) == (202, 202, [OWN])
    seen = (await site.get(PATH, operator())).json
    assert (seen["state"], seen["position"], seen["last"]) == ("running", 3, 7)

    runs.go.set()
    done = await _settled(site, operator())
    assert (done["state"], done["outcome"]) == ("done", OUTCOME)
    runs.fault = Failure("No connection to the bus.", "start it.")
    await site.ask("POST", PATH, operator())
    failed = await _settled(site, operator())
    assert failed["state"] == "failed"
    assert failed["problem"] == "No connection to the bus. Remedy: start it."
    assert failed["outcome"] is None


async def test_there_wait_so_many_and_no_more(verifying, monkeypatch):
    """Verifications are long; a crowd of them must not take the machine."""
    site, _ = verifying
    monkeypatch.setattr(verification, "WAITING_MAX", 0)
    monkeypatch.setattr(verification, "RUNNING_MAX", 1)
    assert (await site.ask("POST", PATH, operator())).status == 202
    other = PATH.replace(OWN, "fernandez")
    assert (await site.ask("POST", other, operator())).status == 503
