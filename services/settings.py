"""
What a process is told: its settings, from the environment variables of `services.variables`.

A process reads its settings at start and never again. An unusable value stops it, and
the error names the variable, the rule and the remedy. On a machine where `vito up`
runs, its run file supplies what the environment does not say (`run_file.settings`).
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from services.embedded.nats_config import SHARDS_DEFAULT
from services.embedded.nats_permissions import ROLES, Role, inbox_prefix
from services.secret import Secret
from services.variables import VARIABLES, Network, SettingsError


class NatsLogin(msgspec.Struct, frozen=True):
    """How one role reaches the bus."""

    urls: tuple[str, ...]
    user: str
    password: Secret
    ca_file: Path | None = None

    @property
    def inbox_prefix(self) -> str:
        """Permissions let a role listen to replies under this prefix only."""
        return inbox_prefix(self.user)

    def options(self) -> dict[str, Any]:
        """Keyword arguments of `nats.connect`; they hold the password."""
        options: dict[str, Any] = {
            "servers": list(self.urls),
            "user": self.user,
            "password": self.password.reveal(),
            "inbox_prefix": self.inbox_prefix,
        }
        if self.ca_file is not None:
            options["tls"] = ssl.create_default_context(cafile=str(self.ca_file))
        return options


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One process's settings. Optional ones are asked for with a method that says why."""

    environment: Literal["development", "production"] = "development"
    deployment: str = "development"
    data_dir: Path = Path(".vito")
    nats_urls: tuple[str, ...] = ()
    nats_passwords: Mapping[Role, Secret] = {}
    nats_ca_file: Path | None = None
    postgres_owner_dsn: Secret | None = None
    postgres_dsn: Secret | None = None
    postgres_reader_dsn: Secret | None = None
    postgres_callout_dsn: Secret | None = None
    postgres_knowledge_dsn: Secret | None = None
    shards: int = SHARDS_DEFAULT
    replicas: int = 1
    stream_max_gb: int = 4
    kek_file: Path | None = None
    token_keys_file: Path | None = None
    token_jwks_file: Path | None = None
    callout_keys_file: Path | None = None
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_client_secret: Secret | None = None
    oidc_person_claim: Literal["email", "sub"] = "email"
    lease_ttl_ms: int = 1_500
    api_host: str = "127.0.0.1"
    api_port: int = 0
    api_key: Secret | None = None
    api_allow_remote: bool = False
    api_public_url: str | None = None
    gateway_public_url: str | None = None
    api_proxies: tuple[Network, ...] = ()
    sandbox_port: int = 0
    sandbox_url: str | None = None
    webhook_secret: Secret | None = None
    reconcile_metrics_host: str = "127.0.0.1"
    reconcile_metrics_port: int = 0
    livekit_url: str | None = None
    default_voice: str = ""
    default_face: str = ""
    default_persona: str = ""
    hold_s: int = 120
    embedding_model: str = "offline"
    demo_knowledge: bool = True
    knowledge_keep_days: int = 90
    lease_s: int = 30
    livekit_key: str | None = None
    livekit_secret: Secret | None = None
    agent_key: Secret | None = None
    agent_sessions_max: int = 10
    gateway_host: str = "127.0.0.1"
    gateway_port: int = 0
    gateway_allow_remote: bool = False
    gateway_metrics_key: Secret | None = None
    room_script: Path | None = None
    gateway_connections_max: int = 2_000
    gateway_tenant_connections_max: int = 500
    log_level: str = "info"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read what the environment says; raises SettingsError."""
        unknown = sorted(name for name in env if _is_ours(name) and name not in _KNOWN)
        if unknown:
            raise SettingsError(
                f"{unknown[0]} is not a setting.",
                f"correct its name or unset it; the settings are: {', '.join(sorted(_KNOWN))}.",
            )
        values = {
            variable.field: variable.read(env[variable.name])
            for variable in VARIABLES
            if env.get(variable.name)
        }
        passwords = {role: Secret(word) for role in ROLES if (word := env.get(password_name(role)))}
        settings = cls(**values, nats_passwords=passwords)
        if settings.environment == "production":
            settings.check_production()
        return settings

    def check_production(self) -> None:
        """In production nothing that matters has a default; raises SettingsError."""
        needed = {
            "VITO_DEPLOYMENT": self.deployment != "development",
            "VITO_NATS_URLS": bool(self.nats_urls),
            "VITO_KEK_FILE": self.kek_file is not None,
        }
        for name, given in needed.items():
            if not given:
                raise _missing(name, "Production has no default for it.")
        if self.sandbox_url is not None:
            raise SettingsError(
                "VITO_SANDBOX_URL is set in production: the sandbox answers like the vendors, "
                "and nothing it says is real.",
                "unset VITO_SANDBOX_URL, or set VITO_ENVIRONMENT to development.",
            )

    @property
    def development(self) -> bool:
        return self.environment == "development"

    def nats(self, role: Role) -> NatsLogin:
        """How this role connects; raises SettingsError when it cannot."""
        if not self.nats_urls:
            raise _missing("VITO_NATS_URLS", "It says where the bus is.")
        password = self.nats_passwords.get(role)
        if password is None:
            raise _missing(password_name(role), f"This process acts as `{role}` on the bus.")
        return NatsLogin(self.nats_urls, role, password, self.nats_ca_file)

    def postgres_owner(self) -> str:
        """The database as its owner, who migrates and rebuilds; it holds a password."""
        if self.postgres_owner_dsn is None:
            raise _missing("VITO_POSTGRES_OWNER_DSN", "Set-up changes the database as its owner.")
        return self.postgres_owner_dsn.reveal()

    def postgres(self) -> str:
        """The database as the projector, who writes rows; it holds a password."""
        if self.postgres_dsn is None:
            raise _missing("VITO_POSTGRES_DSN", "It says where the projections are kept.")
        return self.postgres_dsn.reveal()

    def postgres_reader(self) -> str:
        """The database as the query API, which only reads; it holds a password."""
        if self.postgres_reader_dsn is None:
            raise _missing("VITO_POSTGRES_READER_DSN", "This process only reads the database.")
        return self.postgres_reader_dsn.reveal()

    def postgres_callout(self) -> str:
        """The database as the callout, which reads who may come in; it holds a password."""
        if self.postgres_callout_dsn is None:
            raise _missing("VITO_POSTGRES_CALLOUT_DSN", "The callout looks up who may come in.")
        return self.postgres_callout_dsn.reveal()

    def postgres_knowledge(self) -> str:
        """The database as who indexes what twins know; it holds a password."""
        if self.postgres_knowledge_dsn is None:
            raise _missing("VITO_POSTGRES_KNOWLEDGE_DSN", "It says where knowledge is indexed.")
        return self.postgres_knowledge_dsn.reveal()

    def token_keys(self) -> Path:
        """The file with the keys that sign tokens, for who issues them."""
        return self._file(self.token_keys_file, "token_keys.json", "VITO_TOKEN_KEYS_FILE")

    def token_jwks(self) -> Path:
        """The file with their public halves, for who only verifies."""
        return self._file(self.token_jwks_file, "token_jwks.json", "VITO_TOKEN_JWKS_FILE")

    def callout_keys(self) -> Path:
        """The file with the keys of the callout."""
        return self._file(self.callout_keys_file, "callout_keys.json", "VITO_CALLOUT_KEYS_FILE")

    def oidc(self) -> tuple[str, str] | None:
        """Issuer and audience of people who sign in elsewhere; None: nobody does."""
        if self.oidc_issuer is None:
            return None
        if self.oidc_audience is None:
            raise _missing("VITO_OIDC_AUDIENCE", "Tokens of the issuer for others would open ours.")
        return self.oidc_issuer, self.oidc_audience

    def _file(self, given: Path | None, name: str, setting: str) -> Path:
        if given is not None:
            return given
        if not self.development:
            raise _missing(setting, "Production has no default for it and makes no keys.")
        return self.data_dir / name

    def bearer_key(self) -> str:
        """The key that opens the query API."""
        if self.api_key is None:
            raise _missing("VITO_API_KEY", "It opens the query API.")
        return self.api_key.reveal()


def password_name(role: Role) -> str:
    """The variable with the bus password of a role."""
    return f"VITO_NATS_{role.upper()}_PASSWORD"


def _is_ours(name: str) -> bool:
    # The tests have knobs of their own, which no process reads.
    return name.startswith("VITO_") and not name.startswith("VITO_TEST_")


def _missing(name: str, why: str) -> SettingsError:
    return SettingsError(
        f"{name} is not set. {why}",
        f"set {name}, or start everything on this machine with `vito up`.",
    )


# Set by the supervisor for its children, not by people.
READY_FD = "VITO_READY_FD"
_KNOWN = {variable.name for variable in VARIABLES} | {password_name(role) for role in ROLES}
_KNOWN.add(READY_FD)
