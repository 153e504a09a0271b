"""
Everything secret that a new deployment needs, made once:

    python -m deploy.credentials make deploy/secrets mexico-1    # refuses to replace anything
    python -m deploy.credentials add-kek deploy/secrets/kek.json
    python -m deploy.credentials use-kek deploy/secrets/kek.json 2

    deployment.env   the deployment's name and every password, for `docker compose --env-file`
    kek.json         the keyring (VITO_KEK_FILE)
    callout_keys.json  what lets keys and tokens into the bus (VITO_CALLOUT_KEYS_FILE); the public
                     halves are in deployment.env, for the servers
    token_keys.json  what signs tokens (VITO_TOKEN_KEYS_FILE), with token_jwks.json for who verifies
    ca.crt, ca.key   the authority of the bus; ca.key belongs off the servers
    nats-N.crt/.key  a node's certificate
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from deploy.certificates import new_authority, new_node
from deploy.nats_nodes import CALLOUT, NODES, TENANT_CLIENTS, client_password_name
from services.callout import keys as callout_keys
from services.embedded.nats_config import Variable
from services.embedded.nats_permissions import ROLES
from services.failure import Failure
from services.identity import signing_keys
from services.settings import Settings, password_name

POSTGRES_PASSWORDS = (
    "POSTGRES_PASSWORD",
    "POSTGRES_VITO_PASSWORD",
    "POSTGRES_VITO_PROJECTOR_PASSWORD",
    "POSTGRES_VITO_API_PASSWORD",
    "POSTGRES_VITO_CALLOUT_PASSWORD",
    "POSTGRES_VITO_KNOWLEDGE_PASSWORD",
)
KEY_BYTES = 32
_SECRET, _PUBLIC = 0o400, 0o444


class CredentialsRefused(Failure):
    """Nothing was written: something is in the way."""


def password_names() -> tuple[str, ...]:
    """Every variable of compose.yaml that holds a password."""
    roles = (password_name(role) for role in ROLES)
    clients = (client_password_name(user) for user, _ in TENANT_CLIENTS)
    ours = ("VITO_API_KEY", "VITO_GATEWAY_METRICS_KEY", "VITO_WEBHOOK_SECRET")
    return (*roles, *clients, *POSTGRES_PASSWORDS, *ours)


def new_password() -> str:
    """192 random bits, in characters that neither a nats-server nor a URL takes for its own."""
    return f"vito_{secrets.token_hex(24)}"


def callout_values(content: bytes) -> dict[str, str]:
    """What the servers are told of the callout's keys, by the variables that they read."""
    public = callout_keys.keys_in(content).public
    pairs = ((CALLOUT.issuer, public.issuer), (CALLOUT.xkey, public.xkey))
    return {name.name: str(value) for name, value in pairs if isinstance(name, Variable)}


def make(directory: Path, deployment: str, *, now: datetime) -> list[Path]:
    """Write all files into a new directory, and return their paths; raises CredentialsRefused."""
    # Checked by those who will read it.
    Settings.from_env({"VITO_DEPLOYMENT": deployment})
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise CredentialsRefused(
            f"{directory} exists, and what is in it may be in use.", "name a new directory."
        ) from None
    authority = new_authority(deployment, now=now)
    passwords = "".join(f"{name}={new_password()}\n" for name in password_names())
    callout = callout_keys.new_file()
    token_keys, token_jwks = signing_keys.new_files(int(now.timestamp()))
    public = "".join(f"{name}={value}\n" for name, value in callout_values(callout).items())
    contents = {
        "deployment.env": (f"VITO_DEPLOYMENT={deployment}\n{public}{passwords}", _SECRET),
        "callout_keys.json": (callout.decode(), _SECRET),
        "token_keys.json": (token_keys.decode(), _SECRET),
        "token_jwks.json": (token_jwks.decode(), _PUBLIC),
        "kek.json": (_keyring({1: _new_key()}, 1), _SECRET),
        "ca.crt": (authority.certificate, _PUBLIC),
        "ca.key": (authority.key, _SECRET),
    }
    for node in NODES:
        # All names in each: who learns of a node from another one knows its address only, and
        # expects the name that it connected to first.
        others = tuple(name for name in NODES if name != node)
        pem = new_node(authority, (node, *others, "localhost", "127.0.0.1"), now=now)
        contents[f"{node}.crt"] = (pem.certificate, _PUBLIC)
        contents[f"{node}.key"] = (pem.key, _SECRET)
    return [_write(directory / name, text, mode) for name, (text, mode) in contents.items()]


def add_kek(path: Path) -> int:
    """
    Add a version to a keyring, not in use yet, and return it; raises CredentialsRefused.

    Every process must have read it before the first one wraps with it: who does not have it stops.
    """
    active, keys = _read_keyring(path)
    version = max(keys) + 1
    _replace(path, _keyring({**keys, version: _new_key()}, active))
    return version


def use_kek(path: Path, version: int) -> None:
    """
    Make a version the one that wraps from now on; raises CredentialsRefused.

    Older versions stay: what they have wrapped opens with nothing else.
    """
    _, keys = _read_keyring(path)
    if version not in keys:
        raise CredentialsRefused(f"{path} has no version {version}.", "add it with add-kek first.")
    _replace(path, _keyring(keys, version))


def _read_keyring(path: Path) -> tuple[int, dict[int, str]]:
    try:
        keyring = json.loads(path.read_bytes())
        keys = {int(version): str(key) for version, key in keyring["keys"].items()}
        active = int(keyring["active"])
        keys[active] = keys[active]  # a KeyError if it is not there
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        # The cause is left out on purpose: a decoder may quote what it read.
        raise CredentialsRefused(f"{path} does not hold a keyring.", "correct the path.") from None
    return active, keys


def _replace(path: Path, text: str) -> None:
    """Put a file in the place of another, whole or not at all, with the same owner."""
    owner = path.stat()
    temporary = _write(path.with_suffix(".new"), text, _SECRET)
    os.chown(temporary, owner.st_uid, owner.st_gid)
    temporary.replace(path)


def _new_key() -> str:
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _keyring(keys: dict[int, str], active: int) -> str:
    encoded = msgspec.json.encode({"active": active, "keys": keys})
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _write(path: Path, text: str, mode: int) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


def main(arguments: list[str]) -> int:
    """Run the command line; the exit code."""
    try:
        match arguments:
            case ["make", directory, deployment]:
                for path in make(Path(directory), deployment, now=datetime.now(UTC)):
                    print(path)  # noqa: T201 - a command prints
            case ["add-kek", file]:
                print(f"{file}: version {add_kek(Path(file))} added")  # noqa: T201
            case ["use-kek", file, version] if version.isdecimal():
                use_kek(Path(file), int(version))
                print(f"{file}: version {version} wraps from now on")  # noqa: T201
            case _:
                print(__doc__, file=sys.stderr)  # noqa: T201
                return 2
    except Failure as refused:
        print(f"error: {refused}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
