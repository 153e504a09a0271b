"""
The configuration of nats-server as one frozen struct and the text made from it.

The same text serves the embedded server, the three-node cluster of the tests and
`deploy/`, so that what is tested is what is deployed.

    Every acknowledged message is on disk: `sync_interval: always`. The default
    acknowledges up to two minutes before the fsync.
"""

import json
from typing import TypeAlias

import msgspec

from contracts import subjects
from services.embedded.nats_permissions import SYSTEM_ROLES, Permissions, Role, permissions
from services.secret import Secret

ACCOUNT = "VITO"
SYSTEM_ACCOUNT = "SYS"
# How long somebody who connects may wait for the callout.
AUTH_TIMEOUT_S = 2
_ANSWERS = '{ max: 1, expires: "3s" }'
# Two, so that two workers can share them; each more makes the batches of one machine smaller.
SHARDS_DEFAULT = 2
# Above 8 MB the server warns at every start.
MAX_PAYLOAD_MB = 8


class Variable(msgspec.Struct, frozen=True):
    """A value that nats-server takes from its environment when it reads the file."""

    name: str


Password: TypeAlias = Secret | Variable


class NatsUser(msgspec.Struct, frozen=True):
    """Somebody who may connect; a client can be confined to one tenant."""

    name: str
    role: Role
    password: Password
    tenant: str = "*"


class Callout(msgspec.Struct, frozen=True):
    """The public keys of who answers for logins that are not in the file (services/callout)."""

    issuer: str | Variable
    xkey: str | Variable


class Tls(msgspec.Struct, frozen=True):
    """Paths of PEM files. `verify`: who connects must show a certificate of `ca_file`."""

    cert_file: str
    key_file: str
    ca_file: str | None = None
    verify: bool = False


class Routes(msgspec.Struct, frozen=True):
    """
    How a node finds the others, and how they prove to each other that they belong.

    Either by a login, which stands in the address of each route and so cannot be a variable of
    the server's environment, or by a certificate of `tls.ca_file`, with `tls.verify`.
    """

    cluster: str
    host: str
    port: int
    peers: tuple[str, ...]
    user: str = ""
    password: Secret | None = None
    tls: Tls | None = None


class NatsConfig(msgspec.Struct, frozen=True):
    """One nats-server. Sizes are in units of 2^20 (`_mb`) and 2^30 (`_gb`) bytes."""

    server_name: str
    store_dir: str
    port: int
    users: tuple[NatsUser, ...]
    host: str = "127.0.0.1"
    shards: int = SHARDS_DEFAULT
    max_memory_mb: int = 256
    # Streams reserve their bounds here, a shard's VITO_STREAM_MAX_GB and the buckets'.
    max_file_gb: int = 64
    max_connections: int = 1024
    tls: Tls | None = None
    routes: Routes | None = None
    # None: whoever is not in `users` stays outside.
    callout: Callout | None = None


def render(config: NatsConfig) -> str:
    """The text of the configuration file. It holds passwords: write it with mode 0600."""
    return "\n".join(
        (
            f"server_name: {_text(config.server_name)}",
            f"host: {_text(config.host)}",
            f"port: {config.port}",
            f"max_payload: {MAX_PAYLOAD_MB}MB",
            "max_pending: 64MB",
            f"max_connections: {config.max_connections}",
            "max_subscriptions: 4096",
            'ping_interval: "10s"',
            "ping_max: 3",
            'write_deadline: "10s"',
            *_tls(config.tls),
            *_jetstream(config),
            *_routes(config.routes),
            *_accounts(config),
            *_callout(config),
            "",
        )
    )


def _jetstream(config: NatsConfig) -> list[str]:
    return [
        "jetstream {",
        f"  store_dir: {_text(config.store_dir)}",
        "  sync_interval: always",
        f"  max_mem: {config.max_memory_mb}MB",
        f"  max_file: {config.max_file_gb}GB",
        "}",
    ]


def _routes(routes: Routes | None) -> list[str]:
    if routes is None:
        return []
    return [
        "cluster {",
        f"  name: {_text(routes.cluster)}",
        f"  listen: {_text(f'{routes.host}:{routes.port}')}",
        *_route_login(routes),
        *(f"  {line}" for line in _tls(routes.tls)),
        "  routes: [",
        *(f"    {_text(_route_url(peer, routes))}" for peer in routes.peers),
        "  ]",
        "}",
    ]


def _route_login(routes: Routes) -> list[str]:
    if routes.password is None:
        assert routes.tls is not None, "strangers could join and copy every stream"
        assert routes.tls.verify, "strangers could join and copy every stream"
        return []
    return [
        "  authorization {",
        f"    user: {_text(routes.user)}",
        f"    password: {_password(routes.password)}",
        "    timeout: 5",
        "  }",
    ]


def _route_url(peer: str, routes: Routes) -> str:
    # The server presents the login of the address and no other, not even its own.
    login = f"{routes.user}:{routes.password.reveal()}@" if routes.password else ""
    return f"nats-route://{login}{peer}"


def _accounts(config: NatsConfig) -> list[str]:
    system = [user for user in config.users if user.role in SYSTEM_ROLES]
    mapped = subjects.mappings(config.shards)
    others = [user for user in config.users if user.role not in SYSTEM_ROLES]
    return [
        "accounts {",
        f"  {SYSTEM_ACCOUNT} {{",
        *_users(system, config),
        "  }",
        f"  {ACCOUNT} {{",
        "    jetstream: enabled",
        "    mappings {",
        *(f"      {_text(src)}: {_text(dest)}" for src, dest in mapped.items()),
        "    }",
        *_users(others, config),
        "  }",
        "}",
        f"system_account: {SYSTEM_ACCOUNT}",
    ]


def _callout(config: NatsConfig) -> list[str]:
    """
    Who is not listed is asked about. Who is must be listed twice, or would be asked about too.

    The callout listens in the system account: nobody in the other one can hear or forge what a
    server asks it.
    """
    if config.callout is None:
        return []
    return [
        "authorization {",
        f"  timeout: {AUTH_TIMEOUT_S}",
        "  auth_callout {",
        f"    issuer: {_value(config.callout.issuer)}",
        f"    xkey: {_value(config.callout.xkey)}",
        f"    account: {SYSTEM_ACCOUNT}",
        f"    auth_users: {_list(tuple(user.name for user in config.users))}",
        "  }",
        "}",
    ]


def _users(users: list[NatsUser], config: NatsConfig) -> list[str]:
    return [
        "    users: [",
        *(line for user in users for line in _user(user, config)),
        "    ]",
    ]


def _user(user: NatsUser, config: NatsConfig) -> list[str]:
    rights = permissions(
        user.role,
        user.name,
        shards=config.shards,
        users=[other.name for other in config.users if other.role not in SYSTEM_ROLES],
        tenant=user.tenant,
    )
    login = f"user: {_text(user.name)}, password: {_password(user.password)}"
    if rights is None:
        return [f"      {{ {login} }}"]
    return [f"      {{ {login}, permissions: {{", *_rights(rights), "      } }"]


def _rights(rights: Permissions) -> list[str]:
    assert rights.publish, "to a server, nothing allowed is everything allowed"
    assert rights.subscribe, "likewise"
    denied = f", deny: {_list(rights.publish_denied)}" if rights.publish_denied else ""
    answers = [f"        allow_responses: {_ANSWERS}"] if rights.answers else []
    return [
        f"        publish: {{ allow: {_list(rights.publish)}{denied} }},",
        f"        subscribe: {{ allow: {_list(rights.subscribe)} }}{',' if answers else ''}",
        *answers,
    ]


def _tls(tls: Tls | None) -> list[str]:
    if tls is None:
        return []
    ca_file = [f"  ca_file: {_text(tls.ca_file)}"] if tls.ca_file else []
    return [
        "tls {",
        f"  cert_file: {_text(tls.cert_file)}",
        f"  key_file: {_text(tls.key_file)}",
        *ca_file,
        f"  verify: {str(tls.verify).lower()}",
        "}",
    ]


def _list(subjects: tuple[str, ...]) -> str:
    return f"[{', '.join(_text(subject) for subject in subjects)}]"


def _password(password: Password) -> str:
    return _value(password if isinstance(password, Variable) else password.reveal())


def _value(value: str | Variable) -> str:
    return f"${value.name}" if isinstance(value, Variable) else _text(value)


def _text(value: str) -> str:
    # Quoted, because `$JS` outside quotes is a variable. The server's escapes are
    # a subset of JSON's, and ASCII output keeps to that subset.
    return json.dumps(value)
