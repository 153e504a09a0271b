"""Real servers and real `vito` processes, to be loaded, killed, paused and looked into."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services import deployment_log, setup
from services.client import GateClient
from services.client.patience import Patience
from services.embedded.child import Child, Command
from services.embedded.nats_cluster import NatsCluster
from services.embedded.nats_server import NatsServer
from services.eventstore.connection import EventStoreConnection
from services.sealing.jetstream_keys import JetStreamKeyStore
from services.sealing.keyring import open_keyring
from services.sealing.tenant_keys import TenantKeys
from services.settings import READY_FD, Settings, password_name
from services.supervisor.readiness import ReadyPipe

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 40.0


class Process:
    """One `vito` process that a test may end or pause as it likes. It ends with the tests."""

    def __init__(self, name: str, child: Child, log: Path) -> None:
        self.name = name
        self.child = child
        self.log = log

    @property
    def is_running(self) -> bool:
        return self.child.running

    def kill(self) -> None:
        """kill -9, and reap it."""
        self.child.kill()

    def pause(self) -> None:
        self.child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.child.signal(signal.SIGCONT)

    async def stop(self, timeout_s: float = 10.0) -> int:
        """Ask it to end; return its exit code, negative when it had to be killed."""
        return await self.child.stop(signal.SIGTERM, timeout_s=timeout_s)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Deployment:
    """A bus (one server or a cluster) with its streams, and the processes started on it."""

    def __init__(
        self,
        bus: NatsServer | NatsCluster,
        directory: Path,
        *,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.bus = bus
        self.directory = directory
        nodes = bus.nodes if isinstance(bus, NatsCluster) else (bus,)
        config = nodes[0].config
        directory.mkdir(parents=True, exist_ok=True)
        self.variables = {
            "VITO_NATS_URLS": ",".join(node.url for node in nodes),
            "VITO_DATA_DIR": str(directory),
            "VITO_SHARDS": str(config.shards),
            "VITO_REPLICAS": "3" if len(nodes) > 1 else "1",
            "VITO_STREAM_MAX_GB": "1",
            **{
                password_name(user.role): user.password.reveal()
                for user in config.users
                if user.role != "unrestricted"
            },
            **(variables or {}),
        }
        self.processes: list[Process] = []

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.variables)

    async def set_up(self) -> None:
        """Create the streams and buckets."""
        await setup.streams(self.settings)

    def launch(self, command: str, ready_fd: int | None = None) -> Process:
        """Start `vito <command>`, its words apart; nobody waits until it is ready."""
        name, *words = command.split()
        log = self.directory / f"{name}-{len(self.processes)}.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith("VITO_")}
        env |= self.variables
        if ready_fd is not None:
            env[READY_FD] = str(ready_fd)
        fds = () if ready_fd is None else (ready_fd,)
        argv = (sys.executable, "-m", "services.cli", name, *words)
        child = Child.spawn(Command(name, argv, log, env=env, cwd=ROOT, pass_fds=fds))
        process = Process(name, child, log)
        self.processes.append(process)
        return process

    async def start(self, command: str) -> Process:
        """Start `vito <command>` and wait until it says that it is ready."""
        process = await self.try_start(command)
        assert process.is_running, f"{command} did not become ready: {process.said()[-3000:]}"
        return process

    async def try_start(self, command: str) -> Process:
        """Start `vito <command>` and wait until it is ready or has ended."""
        with ReadyPipe() as pipe:
            process = self.launch(command, pipe.child_end)
            pipe.release_child_end()
            async with asyncio.timeout(READY_WITHIN_S):
                if not await pipe.wait():
                    await process.child.wait()
        return process

    def kill_all(self) -> None:
        """End every process, however it is."""
        for process in self.processes:
            process.kill()

    @asynccontextmanager
    async def client(self, tenant: str, *, deadline_s: float = 20.0) -> AsyncIterator[GateClient]:
        """A client of the gate, as a service would be."""
        login = self.settings.nats("client")
        async with GateClient.connect(
            list(login.urls),
            tenant=tenant,
            user=login.user,
            password=login.password.reveal(),
            patience=Patience(deadline_s=deadline_s, attempt_s=1.0),
        ) as client:
            yield client

    @asynccontextmanager
    async def log(self) -> AsyncIterator[tuple[list[deployment_log.EventStore], TenantKeys]]:
        """The log as an auditor reads it."""
        settings = self.settings
        connection = await EventStoreConnection.open(**settings.nats("auditor").options())
        try:
            store = await JetStreamKeyStore.open(connection.client.jetstream())
            keyring = open_keyring(
                settings.kek_file,
                development=True,
                data_directory=settings.data_dir,
                deployment=settings.deployment,
            )
            stores = deployment_log.open_stores(connection, settings.shards)
            yield stores, TenantKeys(store, keyring)
        finally:
            await connection.close()
