"""
The nats-servers of a deployment, one alone or three together, and the text of their files.

The text comes from the code that configures the embedded server, so that what the tests run is
what is deployed. Passwords are not in it: the servers take them from their environment.
"""

from __future__ import annotations

from services.embedded.nats_config import (
    Callout,
    NatsConfig,
    NatsUser,
    Routes,
    Tls,
    Variable,
    render,
)
from services.embedded.nats_permissions import ROLES
from services.settings import password_name

# How many streams the tenants are spread over: VITO_SHARDS. Chosen before the first start, for
# ever: the servers route by it, and a tenant's log is where it says.
SHARDS = 4
CLUSTER = "vito"
# Host names of the nodes: their addresses in compose.yaml, the names in their certificates.
NODES = ("nats-1", "nats-2", "nats-3")
CLIENT_PORT = 4222
ROUTE_PORT = 6222
MONITOR_PORT = 8222
STORE_DIR = "/data/jetstream"
TLS_DIR = "/etc/nats/tls"
# More than all streams may take together (streams.json), with room for a deleted block or two.
MAX_FILE_GB = 48

# Services of one tenant each, as (user, tenant): they reach that tenant's subjects only.
# The password of `cantor-agent` is in NATS_CANTOR_AGENT_PASSWORD (not VITO_…: our processes refuse
# variables that they do not know).
TENANT_CLIENTS: tuple[tuple[str, str], ...] = ()

# The public keys of the callout (deploy/credentials.py); the private ones are its own.
CALLOUT = Callout(issuer=Variable("NATS_CALLOUT_ISSUER"), xkey=Variable("NATS_CALLOUT_XKEY"))

_HEADER = """\
# Made by `python -m deploy.generate` from deploy/nats_nodes.py; a test says when it is stale.
# Passwords come from the environment: a letter, then letters, digits, _ and -; never empty, for an
# empty one lets everybody in. deploy/entrypoint.sh refuses to start with less than 20 characters.
"""


def one_node() -> NatsConfig:
    """A server of its own: no replicas, and the log is away while it is."""
    return _node("vito", routes=None)


def three_nodes() -> tuple[NatsConfig, ...]:
    """Three servers that hold every stream three times; one may be away."""
    peers = tuple(f"{host}:{ROUTE_PORT}" for host in NODES)
    return tuple(_node(host, routes=_routes(peers)) for host in NODES)


def text(config: NatsConfig) -> str:
    """The whole file of a node."""
    return f"{_HEADER}{render(config)}{_operations()}"


def files() -> dict[str, str]:
    """Every file by its name."""
    named = {f"three-node-{number}.conf": node for number, node in enumerate(three_nodes(), 1)}
    return {name: text(config) for name, config in {"one-node.conf": one_node(), **named}.items()}


def client_password_name(user: str) -> str:
    """The variable with the password of a tenant's service."""
    return f"NATS_{user.upper().replace('-', '_')}_PASSWORD"


def _users() -> tuple[NatsUser, ...]:
    roles = [NatsUser(role, role, Variable(password_name(role))) for role in ROLES]
    confined = [
        NatsUser(user, "client", Variable(client_password_name(user)), tenant=tenant)
        for user, tenant in TENANT_CLIENTS
    ]
    return (*roles, *confined)


def _node(name: str, *, routes: Routes | None) -> NatsConfig:
    return NatsConfig(
        server_name=name,
        host="0.0.0.0",  # noqa: S104 - other machines connect; TLS and a login are required
        port=CLIENT_PORT,
        store_dir=STORE_DIR,
        users=_users(),
        shards=SHARDS,
        max_file_gb=MAX_FILE_GB,
        tls=Tls(f"{TLS_DIR}/server.crt", f"{TLS_DIR}/server.key"),
        routes=routes,
        callout=CALLOUT,
    )


def _routes(peers: tuple[str, ...]) -> Routes:
    return Routes(
        cluster=CLUSTER,
        host="0.0.0.0",  # noqa: S104 - the other nodes connect
        port=ROUTE_PORT,
        peers=peers,
        # A node shows a certificate of the authority to the others, and they to it. So the
        # authority signs nothing but nodes.
        tls=Tls(
            f"{TLS_DIR}/server.crt",
            f"{TLS_DIR}/server.key",
            ca_file=f"{TLS_DIR}/ca.crt",
            verify=True,
        ),
    )


def _operations() -> str:
    """What only a deployment needs. Who asks for its health must be on the same machine."""
    return "\n".join(
        (
            f'http: "127.0.0.1:{MONITOR_PORT}"',
            "logtime_utc: true",
            'lame_duck_duration: "30s"',
            'lame_duck_grace_period: "5s"',
            "",
        )
    )
