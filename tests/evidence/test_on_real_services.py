"""The evidence itself: on the stack that `vito up` starts, and on a bus of three nodes."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from services.client.connection import of_login
from services.client.read_side import ReadSide
from services.embedded import ports
from services.embedded.nats_server import new_password
from services.evidence.audit_trail import audit_trail
from services.evidence.burst import burst
from services.evidence.hard_limit import hard_limit
from services.evidence.target import Target
from services.identity.api_key import environment_of
from services.migrations import prepare_database
from tests.rig.deployment import Deployment

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def three_nodes(nats_cluster, database, directory):
    """Worker, projector and query API on three nats-servers with R3 streams."""
    await nats_cluster.ready()
    await prepare_database(database)
    port, key = ports.pick(), new_password()
    deployment = Deployment(
        nats_cluster,
        directory / "data",
        variables={
            "VITO_POSTGRES_DSN": database,
            "VITO_POSTGRES_READER_DSN": database,
            "VITO_API_PORT": str(port),
            "VITO_API_KEY": key,
        },
    )
    await deployment.set_up()
    for command in ("worker", "projector", "api"):
        await deployment.start(command)
    login = of_login(deployment.settings.nats("client"))
    async with ReadSide(f"http://127.0.0.1:{port}", key) as read_side:
        yield Target(login, read_side, environment_of(deployment.settings.deployment))
    deployment.kill_all()


class TestEvidence:
    async def test_the_command_passes_on_a_stack_of_its_own(self):
        """What an auditor types; the code and the document must agree."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", "evidence", "--json"),
            env={name: value for name, value in os.environ.items() if name[:5] != "VITO_"},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(240):
            out, shown = await process.communicate()

        assert process.returncode == 0, shown.decode()
        document = json.loads(out)
        assert document["holds"]
        assert {found["id"]: found["status"] for found in document["exhibits"]} == {
            "EV-01": "PASS",
            "EV-02": "PASS",
            "EV-03": "PASS",
            "EV-03-WS": "PASS",
            "EV-04": "PASS",
        }

    async def test_the_claims_hold_on_three_nodes(self, three_nodes):
        """The same code on replicated streams: nothing may depend on a single server."""
        for try_it in (hard_limit, burst, audit_trail):
            exhibit = await try_it(three_nodes)
            assert (exhibit.status, exhibit.faults) == ("PASS", [])
