"""Every environment variable, once: its name, what it means, its rule, and how it is read."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from services.failure import Failure
from services.identity.trusted_url import check_address
from services.knowledge.embedders.choice import embedding_model
from services.secret import Secret

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LOG_LEVELS = ("debug", "info", "warning", "error")
_TOKEN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class SettingsError(Failure):
    """A variable is missing or has a value that cannot be used."""


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


def _site(text: str) -> str:
    check_address(text)
    found = re.fullmatch(r"(https?://[^/]+)/?", text)
    if found is None:
        raise ValueError
    return found[1]


def _loopback(text: str) -> str:
    if not re.fullmatch(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?/?", text):
        raise ValueError
    return text.rstrip("/")


def _media_server(text: str) -> str:
    # The API is HTTP at the same address as the WebSocket.
    check_address(re.sub(r"^ws(s?)://", r"http\1://", text))
    return text.rstrip("/")


def _vendor_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", text):
        raise ValueError
    return text


_VENDOR_NAME_RULE = "1 to 128 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit"


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
        "VITO_POSTGRES_CALLOUT_DSN",
        "postgres_callout_dsn",
        "The same database, as the callout, which looks up keys, roles and sessions",
        "a postgresql:// URL",
        _dsn,
    ),
    Variable(
        "VITO_POSTGRES_KNOWLEDGE_DSN",
        "postgres_knowledge_dsn",
        "The same database, as the process that indexes what twins know",
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
        "VITO_OIDC_CLIENT_SECRET",
        "oidc_client_secret",
        "What the API proves to the issuer with who it is, when somebody signs in in a browser",
        "a text; unset for a public client",
        Secret,
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
        "VITO_API_PUBLIC_URL",
        "api_public_url",
        "Where browsers reach the API; the issuer sends people back there",
        "an https:// address (http:// to this machine) without a path",
        _site,
    ),
    Variable(
        "VITO_API_PROXIES",
        "api_proxies",
        "Whose word API and gateway take, in X-Forwarded-For, for the address that somebody has",
        "addresses or networks such as 10.0.0.0/8, separated by commas",
        _networks,
    ),
    Variable(
        "VITO_SANDBOX_PORT",
        "sandbox_port",
        "The port of the vendors' sandbox; 0 lets it pick one",
        "a whole number from 0 to 65535",
        _between(0, 65_535),
    ),
    Variable(
        "VITO_GATEWAY_HOST",
        "gateway_host",
        "The address the gateway listens on",
        "an IP address or a host name",
        _host,
    ),
    Variable(
        "VITO_GATEWAY_PORT",
        "gateway_port",
        "The port of the gateway; 0 lets `vito up` pick one",
        "a whole number from 0 to 65535",
        _between(0, 65_535),
    ),
    Variable(
        "VITO_SANDBOX_URL",
        "sandbox_url",
        "Where a sandbox stands for all vendors; unset, the real ones are called",
        "an http:// address of this machine, such as http://127.0.0.1:4810",
        _loopback,
    ),
    Variable(
        "VITO_LIVEKIT_URL",
        "livekit_url",
        "The LiveKit server that the twins speak through",
        "an https:// or wss:// address (http:// or ws:// to this machine)",
        _media_server,
    ),
    Variable(
        "VITO_DEFAULT_VOICE",
        "default_voice",
        "The vendor's name of the voice of twins whose identity has none",
        _VENDOR_NAME_RULE,
        _vendor_name,
    ),
    Variable(
        "VITO_DEFAULT_FACE",
        "default_face",
        "The vendor's name of the face of twins whose identity has none",
        _VENDOR_NAME_RULE,
        _vendor_name,
    ),
    Variable(
        "VITO_DEFAULT_PERSONA",
        "default_persona",
        "The vendor's name of the persona that shows faces; it must say only what it is given",
        _VENDOR_NAME_RULE,
        _vendor_name,
    ),
    Variable("VITO_LIVEKIT_KEY", "livekit_key", "The API key at that server", "a text", str),
    Variable("VITO_LIVEKIT_SECRET", "livekit_secret", "Its secret", "a text", Secret),
    Variable(
        "VITO_AGENT_KEY",
        "agent_key",
        "The API key of the one twin that the agent holds conversations of; unset, of all",
        "a key with the scopes calls and agent",
        Secret,
    ),
    Variable(
        "VITO_AGENT_SESSIONS_MAX",
        "agent_sessions_max",
        "How many conversations one agent holds; each takes about 200 MB",
        "a whole number from 1 to 1000",
        _between(1, 1_000),
    ),
    Variable(
        "VITO_HOLD_S",
        "hold_s",
        "The longest that the gateway has money held for one call: its time limit, and how long the"
        " money is away when the process dies",
        "a whole number from 5 to 600",
        _between(5, 600),
    ),
    Variable(
        "VITO_EMBEDDING_MODEL",
        "embedding_model",
        "What makes the vectors by which knowledge is found; another one is built beside it first",
        "`offline`, or `openai:<model>:<dimensions>`, at most 3900 of them, which each twin pays",
        embedding_model,
    ),
    Variable(
        "VITO_DEMO_KNOWLEDGE",
        "demo_knowledge",
        "Whether `vito up` brings the demo twins' documents, in the background",
        "`true` or `false`",
        _flag,
    ),
    Variable(
        "VITO_GATEWAY_ALLOW_REMOTE",
        "gateway_allow_remote",
        "Whether the gateway may listen where other machines can reach it",
        "`true` or `false`",
        _flag,
    ),
    Variable(
        "VITO_GATEWAY_CONNECTIONS_MAX",
        "gateway_connections_max",
        "How many conversations one gateway holds; memory is planned for it",
        "a whole number from 1 to 100000",
        _between(1, 100_000),
    ),
    Variable(
        "VITO_GATEWAY_TENANT_CONNECTIONS_MAX",
        "gateway_tenant_connections_max",
        "How many of them may be with one twin",
        "a whole number from 1 to 100000",
        _between(1, 100_000),
    ),
    Variable(
        "VITO_LOG_LEVEL",
        "log_level",
        "How much is logged",
        "one of " + ", ".join(LOG_LEVELS),
        _one_of(*LOG_LEVELS),
    ),
)
