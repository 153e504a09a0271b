"""
`.vito/run.json`: where `vito up` runs, for the commands on the same machine.

It holds passwords, so only its owner can read it, and it is replaced whole, so that
nobody reads half of it. Passwords stay the same from start to start; ports do while
they are free.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from services.embedded.nats_permissions import ROLES
from services.embedded.nats_server import new_password
from services.failure import Failure
from services.identity import private_file
from services.settings import Settings, password_name

FILE_NAME = "run.json"
SCHEMA = "vito-run/1"
BYTES_MAX = 1 << 20
SUPERUSER = "postgres"
OWNER = "vito"
PROJECTOR = "vito_projector"
API = "vito_api"
CALLOUT = "vito_callout"
KNOWLEDGE = "vito_knowledge"
POSTGRES_USERS = (SUPERUSER, OWNER, PROJECTOR, API, CALLOUT, KNOWLEDGE)
DATABASE = "vito"


class RunFileUnusable(Failure):
    """The run file exists but cannot be used."""


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """
    Addresses and credentials of one embedded stack. Port 0: not picked yet; of the sandbox as well:
    there is none, and the real vendors are called.

    `pid` is the supervisor's while it runs, else 0. `admin_link` is the secret of the one-time
    link that signs `admin_email` in, and `owner_link` that of `owner_email`, who owns the demo
    twins; each start makes new ones. `metrics_key` opens the figures of the gateway; it is empty
    where an older version made the file.
    """

    schema: str = SCHEMA
    pid: int = 0
    nats_port: int = 0
    postgres_port: int = 0
    api_port: int = 0
    gateway_port: int = 0
    sandbox_port: int = 0
    shards: int
    nats_passwords: dict[str, str]
    postgres_passwords: dict[str, str]
    api_key: str
    metrics_key: str = ""
    admin_email: str = "admin@vito.localhost"
    admin_link: str = ""
    owner_email: str = "owner@vito.localhost"
    owner_link: str = ""

    def __repr__(self) -> str:
        return f"RunFile(pid={self.pid}, ports={self.nats_port}/{self.postgres_port})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("pid", self.pid)]

    @property
    def nats_url(self) -> str:
        return f"nats://127.0.0.1:{self.nats_port}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def sandbox_url(self) -> str:
        """Where the vendors' sandbox answers, as VITO_SANDBOX_URL has it."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    def dsn(self, user: str) -> str:
        """The database as seen by one of POSTGRES_USERS; it holds a password."""
        word = self.postgres_passwords[user]
        return f"postgresql://{user}:{word}@127.0.0.1:{self.postgres_port}/{DATABASE}"

    def environment(self) -> dict[str, str]:
        """The same as environment variables, every role included."""
        passwords = {password_name(role): self.nats_passwords[role] for role in ROLES}
        return {
            "VITO_NATS_URLS": self.nats_url,
            "VITO_POSTGRES_OWNER_DSN": self.dsn(OWNER),
            "VITO_POSTGRES_DSN": self.dsn(PROJECTOR),
            "VITO_POSTGRES_READER_DSN": self.dsn(API),
            "VITO_POSTGRES_CALLOUT_DSN": self.dsn(CALLOUT),
            "VITO_POSTGRES_KNOWLEDGE_DSN": self.dsn(KNOWLEDGE),
            "VITO_SHARDS": str(self.shards),
            "VITO_API_PORT": str(self.api_port),
            "VITO_API_KEY": self.api_key,
            "VITO_GATEWAY_PORT": str(self.gateway_port),
            # As its page names itself, which is the origin that the demo twins allow.
            "VITO_GATEWAY_PUBLIC_URL": f"http://localhost:{self.gateway_port}",
            "VITO_GATEWAY_METRICS_KEY": self.metrics_key,
            "VITO_SANDBOX_PORT": str(self.sandbox_port),
            **({"VITO_SANDBOX_URL": self.sandbox_url} if self.sandbox_port else {}),
            **passwords,
        }


def new(shards: int) -> RunFile:
    """A first run: new credentials, no ports yet."""
    return RunFile(
        shards=shards,
        nats_passwords={role: new_password() for role in ROLES},
        postgres_passwords={user: new_password() for user in POSTGRES_USERS},
        api_key=f"vito_{new_password()}",
        metrics_key=f"vito_{new_password()}",
    )


def read(data_dir: Path) -> RunFile | None:
    """The run file of a data directory, None if there is none; raises RunFileUnusable."""
    path = data_dir / FILE_NAME
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            content = file.read(BYTES_MAX)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise RunFileUnusable(
            f"{path} belongs to another user.", "run this as the user who ran `vito up`."
        ) from None
    if mode & 0o077:
        raise RunFileUnusable(
            f"{path} holds passwords and is open to others (mode {mode:04o}).", f"chmod 600 {path}"
        )
    try:
        found = msgspec.json.decode(content, type=RunFile)
    except msgspec.DecodeError:
        # The cause is left out: a decoder may quote what it read.
        found = None
    if found is None or not _is_current(found):
        raise RunFileUnusable(
            f"{path} is not a run file of this version.",
            f"remove {path} and start `vito up`; the data beside it is kept.",
        )
    return found


def _is_current(found: RunFile) -> bool:
    users = (set(found.nats_passwords), set(found.postgres_passwords))
    return found.schema == SCHEMA and users == (set(ROLES), set(POSTGRES_USERS))


def write(data_dir: Path, run: RunFile) -> None:
    """Replace the run file, whole or not at all, readable by its owner only."""
    data_dir.mkdir(parents=True, exist_ok=True)
    content = msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n"
    private_file.replace(data_dir / FILE_NAME, content)


def settings(env: Mapping[str, str]) -> Settings:
    """
    The settings of a command on this machine: the environment, then the run file.

    An environment that names a bus means another deployment; the run file is left alone.
    """
    alone = Settings.from_env(env)
    if alone.nats_urls:
        return alone
    run = read(alone.data_dir)
    return alone if run is None else Settings.from_env({**run.environment(), **env})
