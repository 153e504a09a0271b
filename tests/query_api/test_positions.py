"""A reader can ask to see at least what it has just done."""

import asyncio

import pytest

from services.http_api.app import Limits
from services.query_api.positions import PositionWatch
from services.query_api.problems import READ_SIDE_UNAVAILABLE, HttpProblem
from tests.query_api.conftest import as_reader, serving, soon
from tests.query_api.twins import Twin

CANTOR = "/v1/tenants/cantor"


@pytest.mark.parametrize("position", [0, 1, 125, 126])
async def test_a_position_that_is_reached_costs_no_wait(api, position):
    """The usual case must not become slow."""
    by_parameter = await api.get(f"{CANTOR}/meters", params={"min_position": position})
    by_header = await api.get(f"{CANTOR}/meters", headers={"Vito-Min-Position": str(position)})

    assert by_parameter.status == by_header.status == 200
    assert by_parameter.position == 126


async def test_a_position_that_comes_is_waited_for(own_api, tables):
    """Between the gate's reply and the table there is a moment, not a lie."""
    twin = Twin("cantor")
    await tables.add(twin, twin.provision())
    waiting = when_somebody_waits(own_api)
    question = asyncio.create_task(own_api.get(f"{CANTOR}/meters", params={"min_position": 3}))
    await soon(waiting.wait())
    await tables.add(twin, twin.authorize())
    await tables.add(twin, twin.settle())

    answer = await soon(question)

    assert (answer.status, answer.position) == (200, 3)
    money = next(meter for meter in answer.json["meters"] if meter["unit"] == "money")
    assert money["changed_position"] == 3


async def test_a_twin_that_is_just_being_provisioned_is_waited_for(own_api, tables):
    """Its first reader is whoever created it."""
    waiting = when_somebody_waits(own_api)
    question = asyncio.create_task(own_api.get(CANTOR, params={"min_position": 1}))
    await soon(waiting.wait())
    twin = Twin("cantor")
    await tables.add(twin, twin.provision())

    answer = await soon(question)

    assert (answer.status, answer.json["status"]) == (200, "active")


async def test_a_position_that_does_not_come_is_a_503_that_says_where_we_are(known_database):
    """The reader decides whether to wait longer or to take what there is."""
    limits = Limits(position_wait_s=0.05)
    async with serving(as_reader(known_database), limits=limits) as api:
        late = await api.get(f"{CANTOR}/meters", params={"min_position": 127})
        unknown = await api.get("/v1/tenants/nobody", params={"min_position": 1})

    assert (late.status, late.json["code"]) == (503, "position_not_reached")
    assert (late.json["position"], late.json["min_position"]) == (126, 127)
    assert (late.position, late.headers["Retry-After"]) == (126, "1")
    assert (unknown.status, unknown.json["position"]) == (503, 0)


async def test_of_two_positions_the_larger_counts(known_database):
    """Whoever adds a header must not weaken what the reader asked for."""
    async with serving(as_reader(known_database), limits=Limits(position_wait_s=0.05)) as api:
        answer = await api.get(
            CANTOR, params={"min_position": 5}, headers={"Vito-Min-Position": "127"}
        )

    assert (answer.status, answer.json["min_position"]) == (503, 127)


@pytest.mark.parametrize("header", ["-1", "1.5", "x", "", "9" * 17, "9" * 5_000, "٣"])
async def test_a_header_that_is_no_position_is_explained(api, header):
    """The same rules as for the parameter."""
    answer = await api.get(CANTOR, headers={"Vito-Min-Position": header})

    assert answer.status == 400
    if answer.json["code"] != "malformed_request":
        assert answer.json["errors"][0]["field"] == "Vito-Min-Position"


def when_somebody_waits(api):
    """An event that is set once the server has asked for positions because a reader waits."""
    watch, asked = api.api.positions, asyncio.Event()
    read = watch._read

    async def spied(tenants):
        asked.set()
        return await read(tenants)

    watch._read = spied
    return asked


class Positions:
    """A read side whose positions a test sets."""

    def __init__(self):
        self.known, self.asked, self.trouble = {}, [], None
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.may_answer.set()

    async def read(self, tenants):
        self.asked.append(tenants)
        self.was_asked.set()
        await asyncio.sleep(0)
        await self.may_answer.wait()
        if self.trouble:
            raise self.trouble
        return self.known


@pytest.fixture
def positions():
    """Nothing is known yet."""
    return Positions()


async def test_however_many_wait_the_database_is_asked_once_for_all(positions):
    """A hundred dashboards after one click must not become a hundred polling loops."""
    watch = PositionWatch(positions.read, every_s=0, waiting_max=100)
    positions.may_answer.clear()
    waiting = [
        asyncio.create_task(watch.reached(f"twin-{n % 3}", 1, within_s=5)) for n in range(100)
    ]
    await soon(positions.was_asked.wait())
    assert positions.asked == [["twin-0", "twin-1", "twin-2"]]
    positions.known = {"twin-0": 1, "twin-1": 1, "twin-2": 2}
    positions.may_answer.set()

    assert await soon(asyncio.gather(*waiting)) == [True] * 100


async def test_nobody_asks_when_nobody_waits(positions):
    """An idle server must leave the database alone."""
    watch = PositionWatch(positions.read, every_s=0, waiting_max=1)
    positions.known = {"cantor": 1}

    assert await watch.reached("cantor", 1, within_s=5)
    asked = len(positions.asked)
    for _ in range(20):
        await asyncio.sleep(0)

    assert len(positions.asked) <= asked + 1


async def test_too_many_waiting_readers_are_refused(positions):
    """What waits holds memory and a connection."""
    watch = PositionWatch(positions.read, every_s=0, waiting_max=1)
    first = asyncio.create_task(watch.reached("cantor", 1, within_s=5))
    await soon(positions.was_asked.wait())

    with pytest.raises(HttpProblem, match="overloaded"):
        await watch.reached("cantor", 1, within_s=5)
    positions.known = {"cantor": 1}
    assert await first


async def test_trouble_of_the_database_reaches_every_waiting_reader(positions):
    """They must not run into their timeouts without knowing why; the next ones try again."""
    positions.trouble = HttpProblem(READ_SIDE_UNAVAILABLE, "away")
    watch = PositionWatch(positions.read, every_s=0, waiting_max=9)
    waiting = [watch.reached("cantor", 1, within_s=60) for _ in range(3)]
    results = await soon(asyncio.gather(*waiting, return_exceptions=True))
    assert [type(result) for result in results] == [HttpProblem] * 3

    positions.trouble, positions.known = None, {"cantor": 1}
    assert await watch.reached("cantor", 1, within_s=60)


async def test_closing_ends_every_wait(positions):
    """A server that stops must not wait for a position."""
    watch = PositionWatch(positions.read, every_s=0, waiting_max=9)
    waiting = asyncio.create_task(watch.reached("cantor", 1, within_s=60))
    await soon(positions.was_asked.wait())
    await watch.close()

    assert await waiting is False
