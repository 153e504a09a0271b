"""
Three nats-servers on loopback that hold every stream three times.

For tests of what production does: replicated streams, the loss of the leader, a node
that comes back. One machine cannot show what three do about power and disks.
"""

import asyncio
import shutil
from pathlib import Path

from services.embedded import ports
from services.embedded.child import StartFailed
from services.embedded.nats_config import SHARDS_DEFAULT, Callout, NatsConfig, NatsUser, Routes
from services.embedded.nats_permissions import Role
from services.embedded.nats_server import NatsServer, new_password, new_users
from services.embedded.polling import until
from services.secret import Secret

CLUSTER = "vito"
READY_POLL_S = 0.05


class NatsCluster:
    """`nodes[i]` is a NatsServer: its pid, kill(), start() and stop() are the node's."""

    def __init__(
        self,
        directory: Path,
        *,
        size: int = 3,
        shards: int = SHARDS_DEFAULT,
        extra_roles: tuple[Role, ...] = (),
        callout: Callout | None = None,
    ) -> None:
        self.directory = directory
        users = new_users(extra_roles)
        password = Secret(new_password())
        picked: set[int] = set()
        while len(picked) < 2 * size:
            picked.add(ports.pick())
        numbers = sorted(picked)
        peers = tuple(f"127.0.0.1:{port}" for port in numbers[size:])
        self.nodes = tuple(
            NatsServer(
                _node(directory, index, numbers, peers, users, shards, password, callout),
                directory=directory / f"n{index}",
            )
            for index in range(size)
        )

    @property
    def urls(self) -> list[str]:
        """The addresses of all nodes, without a login."""
        return [node.url for node in self.nodes]

    def urls_for(self, user: str) -> list[str]:
        """The addresses of all nodes with the login of a user."""
        return [node.url_for(user) for node in self.nodes]

    def password(self, user: str) -> str:
        """The password of a user by name; the same on every node."""
        return self.nodes[0].password(user)

    def node_named(self, server_name: str) -> NatsServer:
        """The node with this server name, as stream infos call their leader."""
        for node in self.nodes:
            if node.config.server_name == server_name:
                return node
        raise KeyError(server_name)

    async def start(self, timeout_s: float = 30.0) -> None:
        """Start all nodes and wait until each is healthy and a meta leader is elected."""
        try:
            for node in self.nodes:
                node.launch()
            await self.ready(timeout_s)
        except BaseException:
            self.kill()
            raise

    async def ready(self, timeout_s: float = 30.0) -> None:
        """Wait until every running node is healthy and knows the same meta leader."""
        running = [node for node in self.nodes if node.pid is not None]
        await asyncio.gather(*(node.ready(timeout_s) for node in running))

        async def agreed() -> bool:
            return bool(await self.meta_leader())

        try:
            await until(agreed, every_s=READY_POLL_S, timeout_s=timeout_s)
        except TimeoutError:
            raise StartFailed(f"no meta leader after {timeout_s:g} s") from None

    async def meta_leader(self) -> str:
        """The server name of the meta leader all running nodes agree on, or empty."""
        running = [node for node in self.nodes if node.pid is not None]
        answers = await asyncio.gather(*(node.jsz() for node in running))
        leaders = {answer.get("meta_cluster", {}).get("leader", "") for answer in answers}
        return str(leaders.pop()) if len(leaders) == 1 else ""

    async def stop(self) -> None:
        """Stop all nodes cleanly."""
        await asyncio.gather(*(node.stop() for node in self.nodes))

    def kill(self) -> None:
        """kill -9 every node."""
        for node in self.nodes:
            node.kill()

    def remove(self) -> None:
        """Delete the files of all nodes; they must be stopped."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _node(
    directory: Path,
    index: int,
    numbers: list[int],
    peers: tuple[str, ...],
    users: tuple[NatsUser, ...],
    shards: int,
    password: Secret,
    callout: Callout | None,
) -> NatsConfig:
    size = len(peers)
    return NatsConfig(
        server_name=f"{CLUSTER}-{index}",
        store_dir=str(directory / f"n{index}" / "jetstream"),
        port=numbers[index],
        users=users,
        shards=shards,
        callout=callout,
        routes=Routes(
            cluster=CLUSTER,
            host="127.0.0.1",
            port=numbers[size + index],
            peers=peers,
            user="route",
            password=password,
        ),
    )
