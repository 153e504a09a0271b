"""
The plan of the embedded stack: which servers, steps and services `vito up` starts.

To add a step or a service, add a line here. A step is a function
`async def step(settings: Settings) -> str | None`; it runs at every start and must be
harmless to repeat. What it returns is shown.
"""

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias, cast

import msgspec

from services import run_file
from services.callout.keys import open_keys
from services.embedded import ports
from services.embedded.nats_config import NatsConfig, NatsUser
from services.embedded.nats_permissions import ROLES, Role
from services.embedded.nats_server import NatsServer
from services.embedded.polling import until
from services.embedded.postgres import Postgres
from services.embedded.postgres_roles import ensure_database
from services.failure import Failure
from services.identity import random_secret
from services.migrations.database import RolePasswords, prepare_database
from services.secret import Secret
from services.settings import Settings, password_name
from services.supervisor.service import Service, ServiceSpec, Unit
from services.supervisor.supervisor import Step

SettingsStep: TypeAlias = Callable[[Settings], Awaitable[str | None]]

# Run after the servers and before the services: name and "module:function".
SETUP_STEPS: tuple[tuple[str, str], ...] = (("streams", "services.setup:streams"),)
# Run when all services are ready.
READY_STEPS: tuple[tuple[str, str], ...] = (
    ("twins", "services.twins.provisioning:step"),
    ("platform", "services.identity.founding:step"),
    ("owner", "services.twins.owner:step"),
    ("knowledge", "services.twins.seeding:step"),
)

SANDBOX = "sandbox"
SANDBOX_URL = "VITO_SANDBOX_URL"
PORT_PATIENCE_S = 2.0
RECONCILE_EVERY_S = 300
# What keys, leases and snapshots may reserve, besides the streams of the log.
BUCKETS_GB = 16


class Access(msgspec.Struct, frozen=True):
    """
    What a service is told: the bus passwords of `roles`, and these other variables.

    `handed_on` are those of our own environment that it has a use for.
    """

    spec: ServiceSpec
    roles: tuple[Role, ...]
    variables: tuple[str, ...] = ()
    handed_on: tuple[str, ...] = ()


def _vito(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "services.cli", *words)


# Each gets the doors it needs and no others.
SERVICES: tuple[Access, ...] = (
    Access(ServiceSpec("worker", _vito("worker")), ("worker", "door", "monitor")),
    Access(ServiceSpec("projector", _vito("projector")), ("projector",), ("VITO_POSTGRES_DSN",)),
    # Before whoever connects with a key.
    Access(
        ServiceSpec("callout", _vito("callout")),
        ("callout", "doorkeeper"),
        ("VITO_POSTGRES_CALLOUT_DSN",),
    ),
    Access(
        ServiceSpec("api", _vito("api")),
        ("api", "http"),
        # It calls vendors as well, when somebody tests a key.
        (
            "VITO_POSTGRES_READER_DSN",
            "VITO_API_KEY",
            "VITO_API_PORT",
            "VITO_GATEWAY_PUBLIC_URL",
            "VITO_SANDBOX_URL",
        ),
        (
            "VITO_DEFAULT_VOICE",
            "VITO_API_PROXIES",
            "VITO_API_PUBLIC_URL",
            "VITO_OIDC_ISSUER",
            "VITO_OIDC_AUDIENCE",
            "VITO_OIDC_CLIENT_SECRET",
            "VITO_OIDC_PERSON_CLAIM",
            "VITO_WEBHOOK_SECRET",
            "VITO_LIVEKIT_KEY",
            "VITO_LIVEKIT_SECRET",
        ),
    ),
    # Opens logs for the API, which may not: to prove them, and to try policies on them.
    Access(
        ServiceSpec("prover", _vito("prover")), ("prover", "auditor"), ("VITO_POSTGRES_READER_DSN",)
    ),
    # The vendors, for a machine without accounts: before who calls them.
    Access(ServiceSpec(SANDBOX, _vito("sandbox")), (), ("VITO_SANDBOX_PORT",)),
    # What twins know; after the sandbox, which stands for the web.
    Access(
        ServiceSpec("ingest", _vito("ingest")),
        ("knowledge", "desk"),
        ("VITO_POSTGRES_READER_DSN", "VITO_POSTGRES_KNOWLEDGE_DSN", "VITO_SANDBOX_URL"),
        ("VITO_EMBEDDING_MODEL",),
    ),
    Access(
        ServiceSpec("gateway", _vito("gateway")),
        ("gateway",),
        (
            "VITO_POSTGRES_READER_DSN",
            "VITO_GATEWAY_PORT",
            "VITO_GATEWAY_METRICS_KEY",
            "VITO_SANDBOX_URL",
        ),
        (
            "VITO_DEFAULT_VOICE",
            "VITO_DEFAULT_FACE",
            "VITO_DEFAULT_PERSONA",
            "VITO_ROOM_SCRIPT",
            "VITO_API_PROXIES",
            "VITO_OIDC_ISSUER",
            "VITO_OIDC_AUDIENCE",
            "VITO_OIDC_PERSON_CLAIM",
            "VITO_API_PUBLIC_URL",
            "VITO_WEBHOOK_SECRET",
        ),
    ),
    # Ends at the vendors what a crash has left running, and books it.
    Access(
        ServiceSpec("reconcile", _vito("reconcile", "--every", str(RECONCILE_EVERY_S))),
        ("reconciler",),
        ("VITO_API_KEY", "VITO_API_PORT", "VITO_SANDBOX_URL"),
        ("VITO_RECONCILE_METRICS_HOST", "VITO_RECONCILE_METRICS_PORT", "VITO_LIVEKIT_URL"),
    ),
)


class Stack:
    """One embedded stack in one data directory, whose lock the caller holds."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.settings = settings = Settings.from_env(env)
        _refuse_what_is_not_embedded(settings)
        self.data_dir = settings.data_dir.resolve()
        found = run_file.read(self.data_dir)
        if found is not None and "VITO_SHARDS" in env and settings.shards != found.shards:
            raise Failure(
                f"{self.data_dir} has {found.shards} shards and VITO_SHARDS={settings.shards}:"
                " tenants would be looked for in the wrong stream.",
                f"unset VITO_SHARDS or set it to {found.shards}.",
            )
        self.first_start = found is None
        # Set to nothing, and not merely unset.
        self.has_sandbox = env.get(SANDBOX_URL) != ""
        self.run = run_file.new(settings.shards) if found is None else found
        self.nats: NatsServer | None = None
        self.postgres: Postgres | None = None

    async def plan(self) -> list[Unit | Step]:
        """Everything to start, in order. Chooses ports, so call it just before."""
        settings = self.settings
        nats = self.nats = NatsServer(
            NatsConfig(
                server_name="vito",
                store_dir=str(self.data_dir / "nats" / "jetstream"),
                port=await _reusable(self.run.nats_port),
                users=tuple(
                    NatsUser(role, role, Secret(self.run.nats_passwords[role])) for role in ROLES
                ),
                shards=self.run.shards,
                max_file_gb=BUCKETS_GB + settings.stream_max_gb * self.run.shards,
                callout=open_keys(settings.callout_keys(), development=True).public,
            ),
            directory=self.data_dir / "nats",
            log=self.log("nats"),
        )
        postgres = self.postgres = Postgres(
            self.data_dir / "postgres",
            superuser_password=self.run.postgres_passwords[run_file.SUPERUSER],
            port=await _reusable(self.run.postgres_port),
            log=self.log("postgres"),
        )
        api_port = self.settings.api_port or ports.pick(self.run.api_port)
        admin_link, _ = random_secret.generate()
        owner_link, _ = random_secret.generate()
        gateway_port = self.settings.gateway_port or ports.pick(self.run.gateway_port)
        self.run = msgspec.structs.replace(
            self.run,
            api_port=api_port,
            gateway_port=gateway_port,
            sandbox_port=self._sandbox_port(),
            pid=0,
            admin_link=admin_link,
            owner_link=owner_link,
        )
        forgotten = self.first_start and postgres.initialised
        # Before the first use of a password, so that none is ever lost.
        run_file.write(self.data_dir, self.run)
        return [
            *([Step("new password", self._reset_password)] if forgotten else []),
            nats,
            postgres,
            Step("addresses", self._publish),
            Step("database", self._prepare_database),
            *(self._step(*step) for step in SETUP_STEPS),
            *(self._service(access) for access in self.services),
            *(self._step(*step) for step in READY_STEPS),
        ]

    @property
    def services(self) -> tuple[Access, ...]:
        """What is started: all of them, but no sandbox where the real vendors are called."""
        return tuple(one for one in SERVICES if self.has_sandbox or one.spec.name != SANDBOX)

    def _sandbox_port(self) -> int:
        if not self.has_sandbox:
            return 0
        return self.settings.sandbox_port or ports.pick(self.run.sandbox_port)

    def log(self, name: str) -> Path:
        """Where a child's output goes."""
        return self.data_dir / "logs" / f"{name}.log"

    def environment(self, access: Access) -> dict[str, str]:
        """What a child may know: our environment without our secrets, and what it is given."""
        known = self.run.environment()
        given = {password_name(role) for role in access.roles} | set(access.variables)
        always = ("VITO_NATS_URLS", "VITO_SHARDS")
        kept = {name: value for name, value in self._env.items() if not name.startswith("VITO_")}
        return {
            **kept,
            **self._settings_variables(),
            **{name: self._env[name] for name in access.handed_on if name in self._env},
            **{name: known[name] for name in (*always, *given) if name in known},
        }

    def close(self) -> None:
        """Say in the run file that nothing runs any more."""
        run_file.write(self.data_dir, msgspec.structs.replace(self.run, pid=0))

    def client_settings(self) -> Settings:
        """The settings of a step: every role, the addresses of now."""
        env = {**self.run.environment(), **self._settings_variables()}
        return Settings.from_env(env)

    def _settings_variables(self) -> dict[str, str]:
        settings = self.settings
        variables = {
            "VITO_ENVIRONMENT": settings.environment,
            "VITO_DEPLOYMENT": settings.deployment,
            "VITO_DATA_DIR": str(self.data_dir),
            "VITO_LEASE_TTL_MS": str(settings.lease_ttl_ms),
            "VITO_STREAM_MAX_GB": str(settings.stream_max_gb),
            "VITO_LOG_LEVEL": settings.log_level,
            "VITO_DEMO_KNOWLEDGE": "true" if settings.demo_knowledge else "false",
        }
        files = {
            "VITO_KEK_FILE": settings.kek_file,
            "VITO_TOKEN_KEYS_FILE": settings.token_keys_file,
            "VITO_TOKEN_JWKS_FILE": settings.token_jwks_file,
            "VITO_CALLOUT_KEYS_FILE": settings.callout_keys_file,
        }
        given = {name: str(path.resolve()) for name, path in files.items() if path is not None}
        return {**variables, **given}

    async def _reset_password(self) -> str:
        assert self.postgres is not None
        await asyncio.to_thread(self.postgres.reset_password)
        return "the run file was lost; the data is kept"

    async def _publish(self) -> str:
        assert self.nats is not None
        assert self.postgres is not None
        self.run = msgspec.structs.replace(
            self.run,
            pid=os.getpid(),
            nats_port=self.nats.config.port,
            postgres_port=self.postgres.port,
        )
        run_file.write(self.data_dir, self.run)
        return str(self.data_dir / run_file.FILE_NAME)

    async def _prepare_database(self) -> str:
        assert self.postgres is not None
        words = self.run.postgres_passwords
        await ensure_database(
            self.postgres.dsn(), run_file.DATABASE, run_file.OWNER, words[run_file.OWNER]
        )
        done = await prepare_database(
            self.run.dsn(run_file.OWNER),
            RolePasswords(
                vito_projector=words[run_file.PROJECTOR],
                vito_api=words[run_file.API],
                vito_callout=words[run_file.CALLOUT],
                vito_knowledge=words[run_file.KNOWLEDGE],
            ),
        )
        stale = f"; to be rebuilt: {', '.join(done.stale)}" if done.stale else ""
        return f"{len(done.applied)} migrations applied{stale}"

    def _step(self, name: str, target: str) -> Step:
        async def action() -> str | None:
            return await _load(target)(self.client_settings())

        return Step(name, action)

    def _service(self, access: Access) -> Service:
        def environment() -> Mapping[str, str]:
            return self.environment(access)

        return Service(access.spec, log=self.log(access.spec.name), environment=environment)


def _refuse_what_is_not_embedded(settings: Settings) -> None:
    if not settings.development:
        raise Failure(
            "`vito up` starts servers on loopback with data on this disk only; that is for"
            " development.",
            "start the processes separately in production (deploy/), or unset VITO_ENVIRONMENT.",
        )
    if settings.nats_urls or settings.postgres_dsn or settings.postgres_owner_dsn:
        raise Failure(
            "`vito up` starts its own servers, but the environment names others.",
            "unset VITO_NATS_URLS, VITO_POSTGRES_DSN and VITO_POSTGRES_OWNER_DSN.",
        )


def _load(target: str) -> SettingsStep:
    module, _, function = target.partition(":")
    return cast("SettingsStep", getattr(importlib.import_module(module), function))


async def _reusable(port: int) -> int:
    """
    The port if it is free, or becomes free soon; else 0.

    After kill -9 of a supervisor its servers may need a moment to go.
    """
    if not port:
        return 0

    async def free() -> bool:
        return ports.is_free(port)

    try:
        await until(free, every_s=0.05, timeout_s=PORT_PATIENCE_S)
    except TimeoutError:
        return 0
    return port
