"""A fresh nats-server with the log's streams and real `vito worker` processes, for measuring."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from services import setup
from services.embedded.child import Child, Command
from services.embedded.nats_config import SHARDS_DEFAULT, NatsConfig
from services.embedded.nats_permissions import Role
from services.embedded.nats_server import NatsServer, new_users
from services.settings import READY_FD, Settings, password_name
from services.supervisor.readiness import ReadyPipe

# The raw baseline is measured without any permission checks.
BASELINE: Role = "unrestricted"
READY_WITHIN_S = 30.0


class Bus:
    """A bus of its own; `settings` are those of its clients and workers."""

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.children: list[Child] = []
        self.variables = {
            "VITO_NATS_URLS": server.url,
            "VITO_DATA_DIR": str(directory / "data"),
            "VITO_SHARDS": str(SHARDS_DEFAULT),
            "VITO_LOG_LEVEL": "warning",
            **{
                password_name(user.role): server.password(user.name)
                for user in server.config.users
                if user.role != BASELINE
            },
        }
        self.settings = Settings.from_env(self.variables)

    def set(self, *variables: Mapping[str, str], **more: str) -> None:
        """Have processes that are started from now on see these variables."""
        for given in (*variables, more):
            self.variables |= given
        self.settings = Settings.from_env(self.variables)

    async def start_worker(self) -> Child:
        """Start a worker and wait until it serves."""
        return await self.start("worker")

    async def start(self, command: str, **variables: str) -> Child:
        """Start `vito <command>` and wait until it is ready."""
        return await self._start("services.cli", command, **variables)

    async def start_echo(self) -> Child:
        """Start the raw baseline's service."""
        return await self._start("services.bench.echo", self.server.url_for(BASELINE))

    async def _start(self, module: str, argument: str, **variables: str) -> Child:
        with ReadyPipe() as pipe:
            child = Child.spawn(
                Command(
                    module,
                    (sys.executable, "-m", module, argument),
                    self.directory / f"{module}-{len(self.children)}.log",
                    env={
                        **os.environ,
                        **self.variables,
                        **variables,
                        READY_FD: str(pipe.child_end),
                    },
                    pass_fds=(pipe.child_end,),
                )
            )
            self.children.append(child)
            pipe.release_child_end()
            async with asyncio.timeout(READY_WITHIN_S):
                if not await pipe.wait():
                    raise RuntimeError(f"{module} {argument} did not start:\n{child.log_tail()}")
        return child


@asynccontextmanager
async def fresh_bus() -> AsyncIterator[Bus]:
    """Start everything in a temporary directory; stop and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="vito-bench-") as name:
        directory = Path(name)
        (directory / "data").mkdir()
        config = NatsConfig(
            server_name="vito-bench",
            store_dir=str(directory / "jetstream"),
            port=0,
            users=new_users((BASELINE,)),
        )
        server = NatsServer(config, directory=directory)
        await server.start()
        bus = Bus(server, directory)
        try:
            await setup.streams(bus.settings)
            yield bus
        finally:
            for child in bus.children:
                child.kill()
            server.kill()
