"""Settings: read once, refused with a remedy, and silent about what is secret."""

from pathlib import Path

import msgspec
import pytest
from rich.pretty import pretty_repr

from services.embedded.nats_permissions import ROLES
from services.secret import Secret
from services.settings import Settings, password_name
from services.variables import VARIABLES, SettingsError

SECRETS = {
    "VITO_API_KEY": "vito_hunter2hunter2hunter2hunter2",
    "VITO_POSTGRES_OWNER_DSN": "postgresql://vito:hunter2@127.0.0.1:5432/vito",
    "VITO_POSTGRES_DSN": "postgresql://vito:hunter2@127.0.0.1:5432/vito",
    "VITO_POSTGRES_READER_DSN": "postgresql://vito:hunter2@127.0.0.1:5432/vito",
    "VITO_POSTGRES_CALLOUT_DSN": "postgresql://vito:hunter2@127.0.0.1:5432/vito",
    "VITO_POSTGRES_KNOWLEDGE_DSN": "postgresql://vito:hunter2@127.0.0.1:5432/vito",
    "VITO_NATS_WORKER_PASSWORD": "hunter2",
    "VITO_OIDC_CLIENT_SECRET": "hunter2",
    "VITO_LIVEKIT_SECRET": "hunter2",
    "VITO_AGENT_KEY": "vito_hunter2",
    "VITO_GATEWAY_METRICS_KEY": "vito_hunter2",
    "VITO_WEBHOOK_SECRET": "hunter2hunter2hunter2hunter2hunter2",
}


def test_an_empty_environment_is_development():
    """A newcomer sets nothing."""
    settings = Settings.from_env({})

    assert settings == Settings()
    assert settings.development
    assert settings.shards == 2


def test_every_variable_is_read():
    """A documented variable that changes nothing would be a lie."""
    examples = {
        "VITO_ENVIRONMENT": "production",
        "VITO_DEPLOYMENT": "mexico-1",
        "VITO_DATA_DIR": "/srv/vito",
        "VITO_NATS_URLS": "nats://a:4222, tls://b:4222",
        "VITO_NATS_CA_FILE": "/etc/ca.pem",
        "VITO_SHARDS": "16",
        "VITO_REPLICAS": "3",
        "VITO_STREAM_MAX_GB": "100",
        "VITO_KEK_FILE": "/run/secrets/kek",
        "VITO_TOKEN_KEYS_FILE": "/run/secrets/token_keys",
        "VITO_TOKEN_JWKS_FILE": "/run/secrets/token_jwks",
        "VITO_CALLOUT_KEYS_FILE": "/run/secrets/callout_keys",
        "VITO_OIDC_ISSUER": "https://login.example.org/realms/mexico",
        "VITO_OIDC_AUDIENCE": "vito",
        "VITO_OIDC_PERSON_CLAIM": "sub",
        "VITO_LEASE_TTL_MS": "3000",
        "VITO_API_HOST": "0.0.0.0",
        "VITO_API_PORT": "8040",
        "VITO_API_PUBLIC_URL": "https://twins.example/",
        "VITO_GATEWAY_PUBLIC_URL": "https://talk.twins.example",
        "VITO_API_PROXIES": "10.0.0.7",
        "VITO_API_ALLOW_REMOTE": "true",
        "VITO_SANDBOX_PORT": "4810",
        "VITO_SANDBOX_URL": "http://127.0.0.1:4810",
        "VITO_RECONCILE_METRICS_HOST": "0.0.0.0",
        "VITO_RECONCILE_METRICS_PORT": "9100",
        "VITO_LIVEKIT_URL": "wss://media.tvazteca.example",
        "VITO_LIVEKIT_KEY": "APItv",
        "VITO_DEFAULT_VOICE": "e07c00bc",
        "VITO_DEFAULT_FACE": "r79e1c033f",
        "VITO_DEFAULT_PERSONA": "p5317866",
        "VITO_AGENT_SESSIONS_MAX": "4",
        "VITO_GATEWAY_HOST": "0.0.0.0",
        "VITO_GATEWAY_PORT": "8041",
        "VITO_GATEWAY_ALLOW_REMOTE": "true",
        "VITO_ROOM_SCRIPT": "/etc/vito/room.js",
        "VITO_GATEWAY_CONNECTIONS_MAX": "5000",
        "VITO_GATEWAY_TENANT_CONNECTIONS_MAX": "1000",
        "VITO_EMBEDDING_MODEL": "openai:text-embedding-3-small:1536",
        "VITO_DEMO_KNOWLEDGE": "false",
        "VITO_KNOWLEDGE_KEEP_DAYS": "30",
        "VITO_HOLD_S": "60",
        "VITO_LEASE_S": "20",
        "VITO_LOG_LEVEL": "debug",
        **SECRETS,
    }
    # Production refuses this one, so it is read by itself.
    sandbox = {"VITO_SANDBOX_URL": examples.pop("VITO_SANDBOX_URL")}
    settings = msgspec.structs.replace(
        Settings.from_env(examples), sandbox_url=Settings.from_env(sandbox).sandbox_url
    )
    examples |= sandbox

    read = {variable.name for variable in VARIABLES}
    assert read | {"VITO_NATS_WORKER_PASSWORD"} == set(examples)
    for variable in VARIABLES:
        assert getattr(settings, variable.field) != getattr(Settings(), variable.field), variable
    assert settings.nats_urls == ("nats://a:4222", "tls://b:4222")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VITO_ENVIRONMENT", "staging"),
        ("VITO_DEPLOYMENT", "Mexico 1"),
        ("VITO_NATS_URLS", "127.0.0.1:4222"),
        ("VITO_NATS_URLS", "nats://worker:hunter2@127.0.0.1:4222"),
        ("VITO_POSTGRES_DSN", "host=localhost password=hunter2"),
        ("VITO_SHARDS", "0"),
        ("VITO_SHARDS", "four"),
        ("VITO_REPLICAS", "2"),
        ("VITO_OIDC_ISSUER", "http://login.example.org"),
        ("VITO_OIDC_ISSUER", "https://ana:hunter2@login.example.org"),
        ("VITO_OIDC_PERSON_CLAIM", "name"),
        ("VITO_LEASE_TTL_MS", "500"),
        ("VITO_API_HOST", "not a host"),
        ("VITO_API_PORT", "65536"),
        ("VITO_API_PUBLIC_URL", "http://twins.example"),
        ("VITO_API_PUBLIC_URL", "https://twins.example/console"),
        ("VITO_API_ALLOW_REMOTE", "yes"),
        ("VITO_LOG_LEVEL", "loud"),
    ],
)
def test_an_unusable_value_names_variable_rule_and_remedy(name, value):
    """Whoever reads the message must not need the code, nor be shown a password."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: value})

    variable = next(variable for variable in VARIABLES if variable.name == name)
    assert name in caught.value.message
    assert variable.rule in caught.value.message
    assert name in caught.value.remedy
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_misspelt_variable_is_refused():
    """A limit that somebody believes to be set must be set."""
    with pytest.raises(SettingsError, match="VITO_SHARD is not a setting"):
        Settings.from_env({"VITO_SHARD": "8"})


def test_foreign_variables_are_none_of_our_business():
    """The environment is full of them; tests have knobs too."""
    assert Settings.from_env({"PATH": "/bin", "VITO_TEST_KILLS": "9"}) == Settings()


@pytest.mark.parametrize("absent", ["VITO_DEPLOYMENT", "VITO_NATS_URLS", "VITO_KEK_FILE"])
def test_production_has_no_defaults_for_what_matters(absent):
    """A default key or name would be shared by every deployment that forgot to set it."""
    env = {
        "VITO_ENVIRONMENT": "production",
        "VITO_DEPLOYMENT": "mexico-1",
        "VITO_NATS_URLS": "tls://a:4222",
        "VITO_KEK_FILE": "/run/secrets/kek",
    }
    Settings.from_env(env)
    del env[absent]

    with pytest.raises(SettingsError, match=f"{absent} is not set"):
        Settings.from_env(env)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("VITO_TOKEN_KEYS_FILE", Settings.token_keys),
        ("VITO_TOKEN_JWKS_FILE", Settings.token_jwks),
        ("VITO_CALLOUT_KEYS_FILE", Settings.callout_keys),
    ],
)
def test_keys_are_named_in_production(name, asked):
    """One that is made by itself would be believed by nobody, or kept by nobody."""
    needed = {"nats_urls": ("tls://a:4222",), "deployment": "mexico-1", "kek_file": Path("k")}
    with pytest.raises(SettingsError, match=f"{name} is not set"):
        asked(Settings(environment="production", **needed))
    assert asked(Settings(data_dir=Path("d"))).parent == Path("d")
    given = Settings.from_env({name: "/run/secrets/x"})
    assert asked(given) == Path("/run/secrets/x")


def test_a_role_gets_its_login():
    """Replies reach only the inbox the role may listen to."""
    env = {"VITO_NATS_URLS": "nats://a:4222", "VITO_NATS_API_PASSWORD": "hunter2"}
    login = Settings.from_env(env).nats("api")

    assert login.options() == {
        "servers": ["nats://a:4222"],
        "user": "api",
        "password": "hunter2",
        "inbox_prefix": "_INBOX_api",
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_missing_login_says_which(role):
    """A process gets only the passwords it needs, so this is the mistake to expect."""
    settings = Settings.from_env({"VITO_NATS_URLS": "nats://a:4222"})

    with pytest.raises(SettingsError, match=password_name(role)):
        settings.nats(role)


def test_what_is_not_set_is_asked_for_by_name():
    """None would fail later and elsewhere."""
    settings = Settings()

    for ask, name in (
        (settings.postgres_owner, "VITO_POSTGRES_OWNER_DSN"),
        (settings.postgres, "VITO_POSTGRES_DSN"),
        (settings.postgres_reader, "VITO_POSTGRES_READER_DSN"),
        (settings.postgres_callout, "VITO_POSTGRES_CALLOUT_DSN"),
        (settings.postgres_knowledge, "VITO_POSTGRES_KNOWLEDGE_DSN"),
        (settings.bearer_key, "VITO_API_KEY"),
    ):
        with pytest.raises(SettingsError, match=name):
            ask()


def test_secrets_are_not_shown():
    """Settings end up in tracebacks, logs and terminals."""
    settings = Settings.from_env({"VITO_NATS_URLS": "nats://a:4222", **SECRETS})

    for shown in (
        repr(settings),
        str(settings),
        pretty_repr(settings),
        repr(settings.nats("worker")),
        pretty_repr(settings.nats("worker")),
    ):
        assert "hunter2" not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(settings.api_key)
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")


def test_production_takes_no_sandbox_for_a_vendor():
    """It would answer everything, and the twins would talk to nobody."""
    env = {
        "VITO_ENVIRONMENT": "production",
        "VITO_DEPLOYMENT": "mexico-1",
        "VITO_NATS_URLS": "nats://a:4222",
        "VITO_KEK_FILE": "/run/secrets/kek",
    }
    assert Settings.from_env(env).sandbox_url is None
    with pytest.raises(SettingsError, match="VITO_SANDBOX_URL"):
        Settings.from_env({**env, "VITO_SANDBOX_URL": "http://127.0.0.1:4810"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VITO_SANDBOX_URL", "https://tavusapi.com"),
        ("VITO_SANDBOX_URL", "http://10.0.0.1:80"),
        ("VITO_LIVEKIT_URL", "ws://media.example"),
        ("VITO_LIVEKIT_URL", "wss://key:secret@media.example"),
    ],
)
def test_vendors_are_reached_over_tls_and_a_sandbox_is_local(name, value):
    """Keys of twins go there."""
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value})
