"""
Production without containers: the commands and the environment of compose.yaml, each process by
itself, on the committed configuration with TLS. Exchanged are addresses, paths and the replicas.
"""

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from contracts.usage import Usage
from deploy import credentials, nats_nodes
from services.backup.deployment import backup as copy
from services.client import GateClient
from services.client.connection import of_login
from services.embedded import ports
from services.embedded.child import Child, Command
from services.embedded.nats_server import nats_server_binary
from services.embedded.polling import until
from services.migrations import prepare_database
from services.settings import Settings
from services.twins import CANTOR
from tests.deploy.compose import COMPOSE, DEPLOY, filled
from tests.deploy.database import drop_everything, run_roles

ROOT = DEPLOY.parent
ENTRYPOINT = str(DEPLOY / "entrypoint.sh")
STARTS_WITHIN_S = 60.0
NOW = datetime(2026, 11, 22, tzinfo=UTC)
BOUGHT = CANTOR.price_book.entries[-1]


class Deployment:
    """What a machine with a container engine would do with compose.yaml, without the engine."""

    def __init__(self, directory: Path, node, postgres) -> None:
        self.directory = directory
        self.node = node
        secrets = directory / "secrets"
        credentials.make(secrets, "test-1", now=datetime.now(UTC))
        lines = (secrets / "deployment.env").read_text().splitlines()
        self.given = dict(line.split("=", 1) for line in lines)
        node.passwords = {
            name: word
            for name, word in self.given.items()
            if "PASSWORD" in name or "CALLOUT" in name
        }
        self.api_port, self.gateway_port = ports.pick(), ports.pick()
        self.exchanged = {
            ",".join(f"tls://{n}:{nats_nodes.CLIENT_PORT}" for n in nats_nodes.NODES): node.url,
            "/run/secrets/nats_ca": str(node.tls.ca_file),
            "/run/secrets/kek": str(secrets / "kek.json"),
            "/run/secrets/callout_keys": str(secrets / "callout_keys.json"),
            "/run/secrets/token_keys": str(secrets / "token_keys.json"),
            "/run/secrets/token_jwks": str(secrets / "token_jwks.json"),
            "@postgres:5432/": f"@127.0.0.1:{postgres.port}/",
        }
        self.children: list[Child] = []
        self.postgres = postgres
        run_roles(postgres, self.given)
        program = directory / "bin" / "vito"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m services.cli "$@"\n')
        program.chmod(0o755)

    def environment(self, service: str, number: int = 0) -> dict[str, str]:
        """What compose would give to a container, with our addresses."""
        values = filled(COMPOSE["services"][service]["environment"], self.given)
        for old, new in self.exchanged.items():
            values = {name: value.replace(old, new) for name, value in values.items()}
        if "VITO_REPLICAS" in values:
            values["VITO_REPLICAS"] = "1"
        if "VITO_API_PORT" in values:
            values |= {"VITO_API_PORT": str(self.api_port), "VITO_API_HOST": "127.0.0.1"}
        if "VITO_GATEWAY_PORT" in values:
            values |= {
                "VITO_GATEWAY_PORT": str(self.gateway_port),
                "VITO_GATEWAY_HOST": "127.0.0.1",
            }
        path = f"{self.directory / 'bin'}:{nats_server_binary().parent}:{os.defpath}"
        return {
            **values,
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "NATS_CONFIG": str(self.node.config),
            "READY_FILE": str(self.ready_file(service, number)),
        }

    def ready_file(self, service: str, number: int = 0) -> Path:
        return self.directory / f"{service}-{number}.ready"

    def start(self, service: str, *, like: str = "", number: int = 0) -> Child:
        """Start a service; *like* names its entry in compose.yaml if it is called otherwise."""
        command = COMPOSE["services"][like or service]["command"]
        child = Child.spawn(
            Command(
                service,
                (ENTRYPOINT, *command),
                self.directory / f"{service}-{number}.log",
                env=self.environment(like or service, number),
                cwd=self.directory,
            )
        )
        self.children.append(child)
        return child

    async def healthy(self, service: str, child: Child, number: int = 0) -> None:
        """Wait until the health check of compose.yaml says so."""
        test = COMPOSE["services"][service]["healthcheck"]["test"][1:]
        exchanged = {
            "/tmp/ready": str(self.ready_file(service, number)),
            "127.0.0.1:8080": f"127.0.0.1:{self.api_port}",
            "127.0.0.1:8090": f"127.0.0.1:{self.gateway_port}",
            f"127.0.0.1:{nats_nodes.MONITOR_PORT}": f"127.0.0.1:{self.node.monitor_port}",
        }
        for old, new in exchanged.items():
            test = [word.replace(old, new) for word in test]

        async def ok() -> bool:
            assert child.running, child.log_tail()
            process = await asyncio.create_subprocess_exec(
                *test,
                env=self.environment(service),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            return await process.wait() == 0

        await until(ok, every_s=0.3, timeout_s=STARTS_WITHIN_S)

    def run(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a one-off command as `docker compose run` would."""
        return subprocess.run(
            [ENTRYPOINT, *command],
            env=self.environment(service),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=STARTS_WITHIN_S,
            check=False,
        )

    def kill(self) -> None:
        for child in self.children:
            child.kill()


@pytest.fixture
async def deployment(directory, node_factory, empty_postgres):
    """The bus and the database are up; set-up has not run."""
    made = Deployment(directory, node_factory(), empty_postgres)
    bus = made.start("nats-1")
    await made.healthy("nats-1", bus)
    yield made
    made.kill()


async def test_from_an_empty_deployment_to_an_audited_call(deployment):
    """Set-up, all processes, a call through TLS, a backup, an orderly stop."""
    done = deployment.run("setup", *COMPOSE["services"]["setup"]["command"])
    assert done.returncode == 0, done.stderr
    assert "0001" in done.stdout

    running = {
        (name, number): deployment.start(name, number=number)
        for name in ("worker", "callout", "prover")
        for number in range(COMPOSE["services"][name]["deploy"]["replicas"])
    }
    others = ("projector", "ingest", "api", "gateway", "reconcile")
    running |= {(name, 0): deployment.start(name) for name in others}
    await asyncio.gather(
        *(deployment.healthy(name, child, n) for (name, n), child in running.items())
    )

    position = await _call(deployment)
    entries = await _audit_log(deployment, position)
    assert [entry["provider_id"] for entry in entries] == [BOUGHT.provider_id]

    assert (await _verified(deployment))["exit_code"] == 0

    seen = deployment.run("admin", "status")
    assert (seen.returncode, "everything answers" in seen.stdout) == (0, True), seen.stdout

    await _lose_the_database(deployment, running)
    assert await _audit_log(deployment, position) == entries

    as_admin = Settings.from_env(ours(deployment.environment("admin")))
    backup = await copy(as_admin, deployment.directory / "backup", now=NOW, tell=lambda _: None)
    assert sum(one.state["messages"] for one in backup.copies) >= position

    for child in running.values():
        child.signal(signal.SIGTERM)
    codes = await asyncio.gather(*(child.wait() for child in running.values()))
    assert codes == [0] * len(running)


def ours(environment: dict[str, str]) -> dict[str, str]:
    """What of an environment is for us to read."""
    return {name: value for name, value in environment.items() if name.startswith("VITO_")}


async def _call(deployment: Deployment) -> int:
    """Provision a twin, authorise and settle a call; the position of the last decision."""
    env = deployment.environment("worker") | {
        "VITO_NATS_CLIENT_PASSWORD": deployment.given["VITO_NATS_CLIENT_PASSWORD"]
    }
    settings = Settings.from_env(ours(env))
    login = of_login(settings.nats("client"))
    async with GateClient.connect(**login, tenant=CANTOR.tenant) as gate:
        await gate.provision(
            display_name=CANTOR.display_name,
            organisation=CANTOR.organisation,
            policy=CANTOR.policy,
            price_book=CANTOR.price_book,
            activation="immediate",
        )
        usage = Usage(**dict.fromkeys(BOUGHT.prices, 1))
        decision = await gate.authorize(
            modality=BOUGHT.modality, provider_id=BOUGHT.provider_id, sku=BOUGHT.sku, estimate=usage
        )
        assert decision.status == 200, decision
        receipt = await gate.settle(decision.reservation_id, usage)
        assert receipt.status == 200, receipt
        return receipt.position


async def _lose_the_database(deployment: Deployment, running: dict) -> None:
    """Everything in Postgres is gone; the runbook makes it again from the log."""
    running["projector", 0].signal(signal.SIGTERM)
    await running["projector", 0].wait()
    drop_everything(deployment.postgres)
    run_roles(deployment.postgres, deployment.given)
    await prepare_database(deployment.environment("setup")["VITO_POSTGRES_OWNER_DSN"])
    running["projector", 0] = deployment.start("projector")
    await deployment.healthy("projector", running["projector", 0])


def _api(deployment: Deployment) -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {deployment.given['VITO_API_KEY']}"}
    return aiohttp.ClientSession(f"http://127.0.0.1:{deployment.api_port}", headers=headers)


async def _verified(deployment: Deployment) -> dict:
    """What a prover says of the log, asked over HTTP, where nobody may open one."""
    async with _api(deployment) as session:

        async def done() -> bool:
            async with session.get(path) as answer:
                found.update(await answer.json())
                return found["state"] in ("done", "failed")

        found: dict = {}
        path = f"/v1/tenants/{CANTOR.tenant}/verification"
        async with session.post(path, headers={"Idempotency-Key": "verify-1"}) as begun:
            assert begun.status == 202, await begun.text()
        await until(done, every_s=0.1, timeout_s=STARTS_WITHIN_S)
    assert found["state"] == "done", found
    return found["outcome"]


async def _audit_log(deployment: Deployment, position: int) -> list[dict]:
    async with _api(deployment) as session:

        async def reached() -> bool:
            # The API lost its connections with the database; it heals by itself.
            async with session.get(path, params={"min_position": str(position)}) as answer:
                found.update(await answer.json())
                return answer.status == 200

        found: dict = {}
        path = f"/v1/tenants/{CANTOR.tenant}/audit-log"
        await until(reached, every_s=0.1, timeout_s=STARTS_WITHIN_S)
        ready = await session.get("/readyz")
        assert ready.status == 200, await ready.text()
    return found["items"]
