"""The runbook is read by somebody under stress: what it names exists, what it quotes is said."""

import importlib.util
import re
from itertools import pairwise

import psycopg

from deploy import credentials
from services.cli.main import COMMANDS
from services.migrations import prepare_database
from services.query_api.lag import Lag, ShardLag
from services.query_api.metrics import Metrics
from services.settings import password_name
from services.variables import VARIABLES
from tests.deploy.compose import COMPOSE, DEPLOY
from tests.deploy.database import run_roles

ROOT = DEPLOY.parent
TEXT = (DEPLOY / "README.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", TEXT)
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
SHELL = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
# Made by deploy.credentials, and not in the repository.
MADE = {"kek.json", "callout_keys.json", "token_keys.json", "token_jwks.json"}
# Said by nats-server, nats-py and asyncio, not by us.
FOREIGN = {
    "authorization violation",
    "insufficient storage resources",
    "Permissions Violation",
    "TLS route handshake error",
    "returning true from eof_received() has no effect when using ssl",
}


def source() -> str:
    """All our code as one text, string literals that go over several lines joined."""
    paths = [*(ROOT / "services").rglob("*.py"), *DEPLOY.glob("*.py"), *DEPLOY.glob("*.sh")]
    text = "\n".join(path.read_text() for path in paths)
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_every_command_exists():
    """Of vito, of the compose file, and of this folder."""
    words = [line.split() for line in (*SHELL, *QUOTED)]
    for found in words:
        for one, following in pairwise(found):
            if one == "vito" and following.islower():
                assert following in COMMANDS, following
        if found[:3] == ["compose", "run", "--rm"]:
            assert found[3] in COMPOSE["services"], found
            if len(found) > 4:
                assert found[4] in COMMANDS, found
        if "-m" in found and found[0] != "alias":
            module = found[found.index("-m") + 1]
            assert importlib.util.find_spec(module), module
        if found[:1] == ["compose"] and found[1] in {"stop", "start", "kill", "up"}:
            named = [w for w in found[2:] if re.fullmatch(r"[a-z][a-z0-9-]*", w)]
            assert set(named) <= {*COMPOSE["services"]}, found


def test_every_path_exists():
    """Relative to the repository or to this folder; `…/*.conf` for several."""
    paths = [
        one for one in QUOTED if re.fullmatch(r"[\w.*-]+(/[\w.*-]*)+|[\w-]+\.(py|sh|json)", one)
    ]
    missing = [
        path
        for path in paths
        if not any(list(base.glob(path.rstrip("/"))) for base in (ROOT, DEPLOY))
        and path not in MADE
    ]

    assert len(paths) > 10
    assert not missing


def test_every_variable_is_read_by_somebody():
    """A setting that nobody reads changes nothing, however often it is set."""
    known = {variable.name for variable in VARIABLES}
    for name in set(re.findall(r"\bVITO_[A-Z_]*[A-Z]\b", TEXT)) - {"VITO_NATS"}:
        assert name in known or name == password_name("client"), name


def test_every_metric_is_exposed():
    """An alarm on a name that does not exist never goes off."""
    metrics = Metrics()
    metrics.began()
    metrics.answered("/x", 503, 0.1, "not_ready")
    lag = Lag((ShardLag("audit_log", 0, 1, 0),))
    exposed = metrics.expose(lag, {}).decode()

    named = set(re.findall(r"\bvito_(?:api|projection)_[a-z_]+", TEXT))
    assert len(named) >= 5
    for name in named - {"vito_api"}:
        assert re.search(rf"^{name}(_bucket)?\b", exposed, re.MULTILINE), name
    for labelled in ('vito_api_db_pool{state="waiting"}', 'code="not_ready"'):
        assert labelled in exposed


def test_every_symptom_is_really_said():
    """Somebody searches for the words that they see."""
    table = TEXT[TEXT.index("## When something is wrong") : TEXT.index("## What is not here")]
    symptoms = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    said = source()
    quoted = [one for symptom in symptoms for one in re.findall(r"`([^`]+)`", symptom)]
    assert len(quoted) > 15
    for one in quoted:
        if one in FOREIGN or one in COMPOSE["services"] or one.startswith(("vito ", "/")):
            continue
        for part in re.split(r"…|\bN\b|VITO_NATS_…_PASSWORD|version 2", one.replace("error: ", "")):
            words = part.strip()
            assert words in said, (one, words)
    for name in re.findall(r"log lines? ((?:`\w+`(?: or )?)+)", TEXT):
        for event in re.findall(r"\w{4,}", name):
            assert f'"{event}"' in said, event


async def test_every_query_answers(empty_postgres):
    """As the role that the runbook names, on the tables of today."""
    passwords = {name: credentials.new_password() for name in credentials.POSTGRES_PASSWORDS}
    run_roles(empty_postgres, passwords)
    owner = passwords["POSTGRES_VITO_PASSWORD"]
    await prepare_database(empty_postgres.dsn("vito", user="vito", password=owner))
    reader = empty_postgres.dsn(
        "vito", user="vito_api", password=passwords["POSTGRES_VITO_API_PASSWORD"]
    )
    queries = [block for kind, block in BLOCKS if kind == "sql"]
    assert queries
    async with await psycopg.AsyncConnection.connect(reader, autocommit=True) as connection:
        for query in queries:
            assert await (await connection.execute(query.encode())).fetchall() == []


def test_what_was_not_run_is_said():
    """Nobody must take the image and the compose file for tried."""
    said = re.sub(r"\s+", " ", TEXT)

    assert "the image was never built and nothing was ever composed" in said
    places = re.findall(r"✓ \((tests/\w+)\)", TEXT)
    assert places
    for place in places:
        assert (ROOT / place).is_dir(), place
