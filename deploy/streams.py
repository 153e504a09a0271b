"""
Every stream and bucket of a deployment, as a nats-server stores it.

Not written down a second time: set-up runs against a real server and the definitions are read
back, the server's own defaults included.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from deploy.nats_nodes import MAX_FILE_GB, NODES, SHARDS
from services import setup
from services.embedded.nats_config import NatsConfig
from services.embedded.nats_server import NatsServer, new_users
from services.eventstore.connection import EventStoreConnection
from services.secret import Secret
from services.settings import Settings

REPLICAS = len(NODES)


async def document() -> str:
    """What streams.json holds: the definitions with three replicas, from a server of our own."""
    with tempfile.TemporaryDirectory(prefix="vito-streams-") as folder:
        directory = Path(folder)
        server = NatsServer(
            NatsConfig(
                server_name="vito-streams",
                store_dir=str(directory / "jetstream"),
                port=0,
                users=new_users(),
                shards=SHARDS,
                max_file_gb=MAX_FILE_GB,
            ),
            directory=directory,
        )
        await server.start()
        try:
            definitions = await made_by_setup(_settings(server))
        finally:
            server.kill()
    # A server alone takes one replica only; nothing else depends on their number.
    replicated = [{**definition, "num_replicas": REPLICAS} for definition in definitions]
    return encode(replicated)


async def made_by_setup(settings: Settings) -> list[dict[str, Any]]:
    """Run set-up, and return the configuration of everything that is there afterwards."""
    await setup.streams(settings)
    connection = await EventStoreConnection.open(**settings.nats("admin").options())
    try:
        names = (await connection.api("STREAM.NAMES", {}))["streams"]
        infos = [await connection.api(f"STREAM.INFO.{name}") for name in sorted(names)]
    finally:
        await connection.close()
    return [_definition(info["config"]) for info in infos]


def encode(definitions: list[dict[str, Any]]) -> str:
    """The text of the file."""
    return json.dumps({"shards": SHARDS, "streams": definitions}, indent=2, sort_keys=True) + "\n"


def bytes_max() -> int:
    """How much all streams may take on the disk of each node, as committed."""
    committed = json.loads((Path(__file__).parent / "streams.json").read_text())
    return sum(one["max_bytes"] for one in committed["streams"])


def _definition(config: dict[str, Any]) -> dict[str, Any]:
    # The metadata name the server's version.
    return {name: value for name, value in config.items() if name != "metadata"}


def _settings(server: NatsServer) -> Settings:
    passwords = {user.role: user.password for user in server.config.users}
    return Settings(
        nats_urls=(server.url,),
        nats_passwords={role: word for role, word in passwords.items() if isinstance(word, Secret)},
        shards=SHARDS,
    )
