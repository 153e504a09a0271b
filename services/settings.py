"""
Every environment variable, once.

A process reads its settings at start and never again. An unusable value stops it, and
the error names the variable, the rule and the remedy. On a machine where `vito up`
runs, its run file supplies what the environment does not say (`run_file.settings`).
"""

import ipaddress
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import msgspec

from services.embedded.nats_config import SHARDS_DEFAULT
from services.embedded.nats_permissions import ROLES, Role, inbox_prefix
from services.failure import Failure
from services.identity.trusted_url import check_address
from services.secret import Secret

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LOG_LEVELS = ("debug", "info", "warning", "error")
_TOKEN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class SettingsError(Failure):
    """A variable is missing or has a value that cannot be used."""


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
    shards: int = SHARDS_DEFAULT
    replicas: int = 1
    stream_max_gb: int = 4
    kek_file: Path | None = None
    token_keys_file: Path | None = None
    token_jwks_file: Path | None = None
    callout_keys_file: Path | None = None
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    oidc_person_claim: Literal["email", "sub"] = "email"
    lease_ttl_ms: int = 1_500
    api_host: str = "127.0.0.1"
    api_port: int = 0
    api_key: Secret | None = None
    api_allow_remote: bool = False
    api_proxies: tuple[Network, ...] = ()
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


class Variable(msgspec.Struct, frozen=True):
    """One environment variable: what it means, its rule, and how it is read."""

    name: str
    field: str
    meaning: str
    rule: str
    parse: Callable[[str], Any]

    def read(self, text: str) -> Any:
        """The value; raises SettingsError without repeating what may be a secret."""
        try:
            return self.parse(text)
        except ValueError:
            raise SettingsError(
                f"{self.name} cannot be used: it must be {self.rule}. ({self.meaning}.)",
                f"set {self.name} to {self.rule}, or unset it.",
            ) from None


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


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return parse


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError
        return number

    return parse


def _replicas(text: str) -> int:
    return int(_one_of("1", "3", "5")(text))


def _flag(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _token(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError
    return text


def _host(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _HOST.fullmatch(text):
            raise
    return text


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(url.strip() for url in text.split(","))
    # A login in the URL would end up in every message that names the server.
    if not all(re.fullmatch(r"(nats|tls)://[^/@\s]+", url) for url in urls):
        raise ValueError
    return urls


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(one.strip()) for one in text.split(","))


def _issuer(text: str) -> str:
    check_address(text)
    return text


def _dsn(text: str) -> Secret:
    if not re.match(r"postgres(ql)?://", text):
        raise ValueError
    return Secret(text)


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "VITO_ENVIRONMENT",
        "environment",
        "Production has no defaults for what matters and creates no keys",
        "`development` or `production`",
        _one_of("development", "production"),
    ),
    Variable(
        "VITO_DEPLOYMENT",
        "deployment",
        "The name bound into every wrapped key, so that one deployment's keys are no other's",
        "1 to 63 of a-z 0-9 _ -, beginning with a letter or digit",
        _token,
    ),
    Variable("VITO_DATA_DIR", "data_dir", "Where `vito up` keeps its data", "a path", Path),
    Variable(
        "VITO_NATS_URLS",
        "nats_urls",
        "The servers of the bus",
        "nats:// or tls:// addresses without a login, separated by commas",
        _urls,
    ),
    Variable(
        "VITO_NATS_CA_FILE",
        "nats_ca_file",
        "Who signs the certificates of the bus",
        "the path of a PEM file",
        Path,
    ),
    Variable(
        "VITO_POSTGRES_OWNER_DSN",
        "postgres_owner_dsn",
        "The database of the projections, as its owner, for migrations and rebuilds",
        "a postgresql:// URL",
        _dsn,
    ),
    Variable(
        "VITO_POSTGRES_DSN",
        "postgres_dsn",
        "The same database, as the projector",
        "a postgresql:// URL",
        _dsn,
    ),
    Variable(
        "VITO_POSTGRES_READER_DSN",
        "postgres_reader_dsn",
        "The same database, as the query API, which only reads",
        "a postgresql:// URL",
        _dsn,
    ),
    Variable(
        "VITO_SHARDS",
        "shards",
        "How many streams the tenants are spread over; it cannot be changed later",
        "a whole number from 1 to 256",
        _between(1, 256),
    ),
    Variable(
        "VITO_REPLICAS", "replicas", "How many nodes hold each stream", "1, 3 or 5", _replicas
    ),
    Variable(
        "VITO_STREAM_MAX_GB",
        "stream_max_gb",
        "How large one shard's log may grow; then appends are refused, and nothing is deleted",
        "a whole number from 1 to 4096",
        _between(1, 4_096),
    ),
    Variable(
        "VITO_KEK_FILE",
        "kek_file",
        "The keyring that wraps every tenant's key",
        "the path of a file only its owner can read",
        Path,
    ),
    Variable(
        "VITO_TOKEN_KEYS_FILE",
        "token_keys_file",
        "The keys that sign tokens",
        "the path of a file only its owner can read",
        Path,
    ),
    Variable(
        "VITO_TOKEN_JWKS_FILE",
        "token_jwks_file",
        "The public halves of the keys that sign tokens, for who only verifies",
        "the path of a JSON file",
        Path,
    ),
    Variable(
        "VITO_CALLOUT_KEYS_FILE",
        "callout_keys_file",
        "The keys with which the callout tells the bus what a connection may do",
        "the path of a file only its owner can read",
        Path,
    ),
    Variable(
        "VITO_OIDC_ISSUER",
        "oidc_issuer",
        "Where people sign in besides here, an OpenID Connect issuer, spelled as in its tokens",
        "an https:// address (http:// to this machine)",
        _issuer,
    ),
    Variable(
        "VITO_OIDC_AUDIENCE",
        "oidc_audience",
        "What the issuer calls this deployment",
        "a text",
        str,
    ),
    Variable(
        "VITO_OIDC_PERSON_CLAIM",
        "oidc_person_claim",
        "Which claim of the issuer names a person: a verified e-mail address, or its own name",
        "`email` or `sub`",
        _one_of("email", "sub"),
    ),
    Variable(
        "VITO_LEASE_TTL_MS",
        "lease_ttl_ms",
        "How long a silent worker keeps its shards, in milliseconds",
        "a whole number from 1000 to 60000",
        # JetStream refuses a shorter time to live.
        _between(1_000, 60_000),
    ),
    Variable(
        "VITO_API_HOST",
        "api_host",
        "The address the query API listens on",
        "an IP address or a host name",
        _host,
    ),
    Variable(
        "VITO_API_PORT",
        "api_port",
        "The port of the query API; 0 lets `vito up` pick one",
        "a whole number from 0 to 65535",
        _between(0, 65_535),
    ),
    Variable("VITO_API_KEY", "api_key", "The bearer key of the query API", "a text", Secret),
    Variable(
        "VITO_API_ALLOW_REMOTE",
        "api_allow_remote",
        "Whether the query API may listen where other machines can reach it",
        "`true` or `false`",
        _flag,
    ),
    Variable(
        "VITO_API_PROXIES",
        "api_proxies",
        "Whose word the HTTP API takes, in X-Forwarded-For, for the address that somebody has",
        "addresses or networks such as 10.0.0.0/8, separated by commas",
        _networks,
    ),
    Variable(
        "VITO_LOG_LEVEL",
        "log_level",
        "How much is logged",
        "one of " + ", ".join(LOG_LEVELS),
        _one_of(*LOG_LEVELS),
    ),
)
# Set by the supervisor for its children, not by people.
READY_FD = "VITO_READY_FD"
_KNOWN = {variable.name for variable in VARIABLES} | {password_name(role) for role in ROLES}
_KNOWN.add(READY_FD)
