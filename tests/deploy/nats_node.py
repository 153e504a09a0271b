"""
A nats-server run from a committed file: only ports, paths and host names are exchanged.
"""

import asyncio
import json
import socket
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import nats

from deploy import credentials, nats_nodes
from deploy.certificates import Pem, new_authority, new_node
from services.callout.keys import new_file as new_callout_keys
from services.embedded import ports
from services.embedded.child import Child, Command
from services.embedded.nats_permissions import inbox_prefix
from services.embedded.nats_server import nats_server_binary
from services.embedded.polling import until
from services.settings import password_name

DEPLOY = Path(nats_nodes.__file__).parent
ONE_NODE = DEPLOY / "nats" / "one-node.conf"
THREE_NODES = tuple(DEPLOY / "nats" / f"three-node-{n}.conf" for n in (1, 2, 3))


CALLOUT_FILE = new_callout_keys()


def new_words() -> dict[str, str]:
    """What a server is told by its environment: passwords, and whose word to take."""
    passwords = {name: credentials.new_password() for name in credentials.password_names()}
    return {**passwords, **credentials.callout_values(CALLOUT_FILE)}


class Certificates:
    """Throw-away certificates, laid out as the configuration expects them."""

    def __init__(self, directory: Path, *, authority: Pem | None = None) -> None:
        now = datetime.now(UTC)
        self.authority = authority or new_authority("test", now=now)
        self.ca_file = directory / "ca.crt"
        self.directory = directory
        pem = new_node(self.authority, ("127.0.0.1", *nats_nodes.NODES), now=now)
        self.ca_file.write_text(self.authority.certificate)
        (directory / "server.crt").write_text(pem.certificate)
        (directory / "server.key").write_text(pem.key)


class Node:
    """One nats-server run from a committed file."""

    def __init__(
        self, file: Path, directory: Path, tls: Certificates, moved: dict[str, str]
    ) -> None:
        self.directory = directory
        self.tls = tls
        self.port, self.monitor_port = ports.pick(), ports.pick()
        self.passwords = new_words()
        self.config = directory / "nats.conf"
        directory.mkdir()
        exchanged = {
            nats_nodes.TLS_DIR: str(tls.directory),
            nats_nodes.STORE_DIR: str(directory / "jetstream"),
            f"port: {nats_nodes.CLIENT_PORT}": f"port: {self.port}",
            f"127.0.0.1:{nats_nodes.MONITOR_PORT}": f"127.0.0.1:{self.monitor_port}",
            'host: "0.0.0.0"': 'host: "127.0.0.1"',
            **moved,
        }
        self.config.write_text(replaced(file.read_text(), exchanged))
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return f"tls://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What a server needs of its surroundings: the passwords and nothing else."""
        return {"PATH": str(nats_server_binary().parent), **self.passwords}

    def launch(self) -> None:
        argv = (str(nats_server_binary()), "-c", str(self.config))
        log = self.directory / "log"
        self.child = Child.spawn(Command("nats", argv, log, env=self.environment()))

    async def start(self) -> None:
        self.launch()
        await self.ready()

    async def ready(self) -> None:
        """Wait until it says of itself what the health check of compose.yaml asks."""

        async def healthy() -> bool:
            assert self.child is not None
            assert self.child.running, self.child.log_tail()
            try:
                return json.loads(await self.monitored("healthz")).get("status") == "ok"
            except (OSError, ValueError):  # not listening yet, or no whole answer
                return False

        await until(healthy, every_s=0.02, timeout_s=20)

    async def monitored(self, path: str) -> bytes:
        """What its monitoring port answers; raises OSError while nobody listens."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.monitor_port)
        writer.write(f"GET /{path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n\r\n")[2]

    def certificate(self) -> str:
        """The certificate that it shows to a new client now."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
            plain.recv(65_536)  # the greeting comes before TLS
            context = ssl.create_default_context(cafile=str(self.tls.ca_file))
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
                return ssl.DER_cert_to_PEM_cert(encrypted.getpeercert(binary_form=True))

    async def connect(self, user: str, **options) -> nats.NATS:
        options = {
            "password": self.passwords.get(password_name(user), ""),
            "inbox_prefix": inbox_prefix(user),
            "tls": ssl.create_default_context(cafile=str(self.tls.ca_file)),
            "allow_reconnect": False,
            "error_cb": quiet,
            **options,
        }
        return await nats.connect(self.url, user=user, **options)

    def settings_environment(self) -> dict[str, str]:
        """What a process of ours needs to know of this bus."""
        passwords = {n: w for n, w in self.passwords.items() if n.startswith("VITO_NATS_")}
        return {
            "VITO_NATS_URLS": self.url,
            "VITO_NATS_CA_FILE": str(self.tls.ca_file),
            **passwords,
        }

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()


def replaced(text: str, exchanged: dict[str, str]) -> str:
    """Exchange what a test must, and notice when it is no longer there."""
    for old, new in exchanged.items():
        assert old in text, f"{old} is not in the committed file"
        text = text.replace(old, new)
    return text


def config_test(file: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Ask the server itself whether it would take the file."""
    return subprocess.run(
        [nats_server_binary(), "-t", "-c", file],
        env=environment,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


async def quiet(_error: Exception) -> None:
    """Refusals are asked for here."""
