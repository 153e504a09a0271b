"""`vito reconcile` as processes on real servers: zombies end, each cost is booked once."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import subprocess
import sys
import time

import aiohttp
import psycopg
import pytest

from contracts.policy import BudgetPolicy, Policy
from contracts.views import BudgetView
from services.embedded import ports
from services.embedded.nats_server import new_password
from services.embedded.polling import until
from services.http_door.gate_line import GateLine
from services.reconciler.hint import Hint
from services.sandbox.clock import HandClock
from services.sandbox.server import Sandbox
from services.secret import Secret
from tests.audit.conftest import start
from tests.client.twin import FAST
from tests.conftest import new_directory, new_nats
from tests.rig.deployment import ROOT
from tests.vendors.avatar_rig import BOOK, NANOS_PER_MS

LASTED_MS = 60_000
RULES = Policy(
    rate=FAST, budget=BudgetPolicy(monthly_hard_limit_nanos=10**15), modalities=["video"]
)


class World:
    """A deployment, the vendors, and one twin with a key of Tavus."""

    def __init__(self, deployment, sandbox, gate, clock):
        self.clock = clock
        self.deployment = deployment
        self.sandbox = sandbox
        self.gate = gate

    async def orphan(self, number):
        """A session of the twin's that nobody runs, a minute old: the log knows no hold of it."""
        name = f"vito:development:{self.gate.tenant}.{number}"
        body = {"persona_id": "p1", "conversation_name": name}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.sandbox.base_url('tavus')}/v2/conversations",
                json=body,
                headers={"x-api-key": "sandbox-tavus"},
            ) as answer,
        ):
            assert answer.status == 200
            self.clock.advance_ms(LASTED_MS)
            return (await answer.json())["conversation_id"]

    async def committed_nanos(self):
        books = await self.gate.show(BudgetView)
        return next(one.committed for one in books.meters if one.meter == "money")

    def has_ended(self, conversation):
        return bool(self.sandbox.vendors["tavus"].conversations[conversation].ended_us)


@pytest.fixture
async def world(postgres):
    name, directory = f"test_{secrets.token_hex(6)}", new_directory()
    with psycopg.connect(postgres.dsn(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        bus = new_nats(directory, shards=1)
        deployment = await start(bus, directory, postgres.dsn(name), tenants=())
        try:
            # Beside the machine's clock, so that a session lasts as long as a test says.
            clock = HandClock(time.time_ns() // 1_000)
            async with Sandbox(clock=clock) as sandbox, deployment.client("zombie") as gate:
                deployment.variables |= {
                    "VITO_API_PORT": str(ports.pick()),
                    "VITO_API_KEY": new_password(),
                    "VITO_SANDBOX_URL": sandbox.url,
                }
                await deployment.start("api")
                await _provision(gate)
                yield World(deployment, sandbox, gate, clock)
        finally:
            deployment.kill_all()
            bus.kill()
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    shutil.rmtree(directory, ignore_errors=True)


async def _provision(gate):
    made = await gate.provision(
        display_name="A twin",
        organisation="Tests",
        policy=RULES,
        price_book=BOOK,
        activation="immediate",
    )
    assert made.status == 200
    assert (await gate.put_secret("tavus", Secret("sandbox-tavus"))).status == 200


async def test_from_a_zombie_to_its_cost_in_the_log(world):
    """
    Goal: what a person types ends what runs on and books it; as a service, two beside each other
    hear of the next one by a hint, and still book it once.
    Method: conversations that nobody holds money for; real bus rights, real HTTP, real signals.
    """
    first = await world.orphan(90_001)
    typed = await asyncio.to_thread(_typed, world.deployment.variables, "zombie", "--json")
    assert typed.returncode == 0, typed.stderr
    (report,) = json.loads(typed.stdout)
    assert [one["what"] for one in report["findings"]] == ["booked_unheld"]
    assert world.has_ended(first)
    assert await world.committed_nanos() == LASTED_MS * NANOS_PER_MS

    port = ports.pick()
    world.deployment.variables["VITO_RECONCILE_METRICS_PORT"] = str(port)
    one = await world.deployment.start("reconcile --every 86400")
    del world.deployment.variables["VITO_RECONCILE_METRICS_PORT"]
    other = await world.deployment.start("reconcile --every 86400")
    # Their first round, which comes within seconds, is over before the next zombie is born.
    await _logged('"reconciled"', one, other)
    second = await world.orphan(90_002)
    await _hint(world.deployment, Hint("zombie", "tavus"), Hint("zombie", "tavus"))
    await _logged('"session_reconciled"', one, other, all_of_them=False)
    booked = await world.committed_nanos()
    figures = await _figures(port)
    codes = await asyncio.gather(one.stop(), other.stop())

    assert world.has_ended(second)
    assert booked == await world.committed_nanos() == 2 * LASTED_MS * NANOS_PER_MS
    assert world.sandbox.ledger.bill("tavus").stream_ms == 2 * LASTED_MS
    assert (await world.gate.show(BudgetView)).open_holds == 0
    assert 'vito_reconcile_rounds_total{result="done"} 1.0' in figures
    assert 'vito_reconcile_hints_total{result="taken"} 2.0' in figures
    assert "zombie" not in figures
    assert codes == [0, 0]
    for process in (one, other):
        assert "sandbox-tavus" not in process.said()
        assert '"level":"error"' not in process.said().replace('": "', '":"')


def _typed(variables, *words):
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "reconcile", *words],
        env={"PATH": "/usr/bin:/bin", "LANG": "C", **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def _logged(words, *processes, all_of_them=True):
    async def said():
        found = [words in process.said() for process in processes]
        return all(found) if all_of_them else any(found)

    await until(said, every_s=0.05, timeout_s=30)


async def _hint(deployment, *hints):
    """Say it as the HTTP API does."""
    line = GateLine(deployment.settings.nats("http"))
    for one in hints:
        await line.hint(one)
    await line.close()


async def _figures(port):
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        return await answer.text()
