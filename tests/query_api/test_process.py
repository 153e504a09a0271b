"""The process `vito api`: it says when it is ready, and stops in time, whatever it is doing."""

import asyncio
import json
import os
import signal
import sys

import aiohttp
import pytest

from services.embedded import ports
from services.embedded.child import Child, Command
from services.migrations import prepare_database
from services.supervisor.readiness import ReadyPipe
from tests.query_api.conftest import KEY, as_reader

START = (sys.executable, "-c", "from services.cli.api import api; api()")
STOP_S = 3.0


@pytest.fixture
def environment(database):
    """What a supervisor tells the process; nobody listens where the bus should be."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VITO_")}
    return kept | {
        "VITO_POSTGRES_READER_DSN": as_reader(database),
        "VITO_NATS_URLS": f"nats://127.0.0.1:{ports.pick()}",
        "VITO_NATS_API_PASSWORD": "x" * 32,
        "VITO_NATS_HTTP_PASSWORD": "x" * 32,
        "VITO_API_KEY": KEY,
        "VITO_API_PORT": str(ports.pick()),
    }


async def started(environment, directory):
    """The process, ready, and its URL."""
    with ReadyPipe() as pipe:
        child = Child.spawn(
            Command(
                "api",
                START,
                directory / "api.log",
                env=environment | {"VITO_READY_FD": str(pipe.child_end)},
                pass_fds=(pipe.child_end,),
            )
        )
        pipe.release_child_end()
        async with asyncio.timeout(30):
            assert await pipe.wait(), child.log_tail()
    return child, f"http://127.0.0.1:{environment['VITO_API_PORT']}"


async def test_it_serves_until_it_is_told_to_stop(database, environment, directory):
    """Without the bus it is alive; a reader who waits for a position does not hold up the stop."""
    await prepare_database(database)
    child, url = await started(environment, directory)
    headers = {"Authorization": f"Bearer {KEY}"}
    try:
        async with aiohttp.ClientSession(url, headers=headers) as session:
            assert (await session.get("/healthz")).status == 200
            assert (await session.get("/readyz")).status == 503
            assert (await session.get("/v1/tenants")).status == 200
            waiting = asyncio.create_task(
                session.get("/v1/tenants/cantor", params={"min_position": 1})
            )
            await asyncio.wait_for(asyncio.shield(_in_flight(session)), 10)
            began = asyncio.get_running_loop().time()
            child.signal(signal.SIGTERM)
            code = await asyncio.wait_for(child.wait(), STOP_S)
            took_s = asyncio.get_running_loop().time() - began
            answer = await waiting
    finally:
        child.kill()

    assert code == 0
    assert took_s < STOP_S
    assert (answer.status, answer.headers["Vito-Position"]) == (503, "0")
    lines = [json.loads(line) for line in (directory / "api.log").read_text().splitlines()]
    assert {line["service"] for line in lines} == {"api"}
    assert [line["event"] for line in lines if line["event"] in ("listening", "stopping")] == [
        "listening",
        "stopping",
    ]
    assert KEY not in (directory / "api.log").read_text()


async def _in_flight(session):
    """Return once another request than this one is being answered."""
    while "vito_api_in_flight_requests 2.0" not in await (await session.get("/metrics")).text():
        pass


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"VITO_API_HOST": "0.0.0.0"}, "VITO_API_ALLOW_REMOTE"),
        ({"VITO_API_KEY": "short"}, "VITO_API_KEY"),
        ({"VITO_API_KEY": ""}, "VITO_API_KEY"),
        ({"VITO_POSTGRES_READER_DSN": ""}, "VITO_POSTGRES_READER_DSN"),
        ({"VITO_NATS_API_PASSWORD": ""}, "VITO_NATS_API_PASSWORD"),
        ({"VITO_NATS_HTTP_PASSWORD": ""}, "VITO_NATS_HTTP_PASSWORD"),
    ],
)
async def test_it_does_not_start_on_unsafe_or_missing_settings(
    environment, directory, changed, said
):
    """It names the variable; it never falls back to something open."""
    child = Child.spawn(
        Command("api", START, directory / "api.log", env={**environment, **changed})
    )
    code = await asyncio.wait_for(child.wait(), 30)

    assert code != 0
    assert said in child.log_tail()


async def test_a_port_that_is_taken_is_named(environment, directory):
    """Instead of a traceback from the depths of asyncio."""
    taken = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        child = Child.spawn(
            Command(
                "api",
                START,
                directory / "api.log",
                env=environment | {"VITO_API_PORT": str(port)},
            )
        )
        code = await asyncio.wait_for(child.wait(), 30)

    assert code != 0
    assert f"127.0.0.1:{port}" in child.log_tail()
    assert "VITO_API_PORT" in child.log_tail()
