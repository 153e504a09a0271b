"""
The compose file read by a machine: everything that it names exists, and nothing secret is in it.

No container engine is at hand where the tests run, so no image is built and nothing is composed;
`test_separate_processes.py` runs the same commands with the same environment without one.
"""

import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from deploy import credentials, nats_nodes
from services.cli.main import COMMANDS
from services.settings import Settings, password_name
from services.supervisor import stack
from services.variables import VARIABLES
from tests.deploy.compose import COMPOSE, DEPLOY, TEXT, filled, variables_in

ONE_OFF = {"setup", "admin"}
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("vito-twin:")}
BUS = {name: one for name, one in OURS.items() if one["command"] == ["nats"]}
PROCESSES = {name: one for name, one in OURS.items() if name not in {*BUS, "admin"}}


# The vendors' sandbox is for machines without accounts, and Settings refuses it in production.
DEPLOYED = [access for access in stack.SERVICES if access.spec.name != "sandbox"]


def sources(entries: list) -> set[str]:
    """The names in a list of secrets or configs, in the short form or the long one."""
    return {entry if isinstance(entry, str) else entry["source"] for entry in entries}


def test_every_command_exists():
    """A container that starts a command of yesterday restarts for ever."""
    for name, service in PROCESSES.items():
        assert service["command"][0] in COMMANDS, name
    started = {access.spec.name for access in DEPLOYED}
    assert {"setup", "agent", *started} == set(PROCESSES)
    assert set(BUS) == set(nats_nodes.NODES)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_settings_take_the_environment(name):
    """A variable that is misspelt, or a value against its rule, stops the process at its start."""
    environment = filled(SERVICES[name]["environment"])

    settings = Settings.from_env(environment)

    assert not settings.development
    assert settings.shards == nats_nodes.one_node().shards
    assert settings.replicas == len(nats_nodes.NODES)


@pytest.mark.parametrize("access", DEPLOYED, ids=lambda access: access.spec.name)
def test_each_process_gets_the_doors_it_needs_and_no_others(access):
    """As under `vito up`: what a process does not know, nobody can steal from it."""
    environment = set(SERVICES[access.spec.name]["environment"])
    passwords = {name for name in environment if name.endswith("_PASSWORD")}
    keys = {"VITO_API_KEY", "VITO_GATEWAY_METRICS_KEY"}
    others = {*keys, *(v.name for v in VARIABLES if v.name.endswith("_DSN"))}

    assert passwords == {password_name(role) for role in access.roles}
    assert environment & others == set(access.variables) & others


def test_who_opens_commits_has_the_keyring_and_nobody_else():
    """The keyring opens everything; set-up, the query API and the servers need none of it."""
    holders = {name for name, one in OURS.items() if "kek" in sources(one.get("secrets", []))}

    assert holders == {"worker", "projector", "ingest", "prover", "admin"}


def test_nothing_secret_is_in_the_file():
    """It is committed."""
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|WEBHOOK_SECRET|API_KEY$", variable):
                assert re.fullmatch(r"\$\{[A-Z0-9_]+:\?missing\}", value), (name, variable)
            if variable.endswith("_DSN"):
                login = re.fullmatch(r"postgresql://[a-z_]+:(.*)@postgres:5432/vito", value)
                assert re.fullmatch(r"\$\{[A-Z0-9_]+:\?missing\}", login[1]), (name, variable)


def test_what_must_be_given_is_what_the_credentials_give(tmp_path):
    """One command makes every secret that the file asks for, and none that it does not."""
    credentials.make(tmp_path / "secrets", "test-1", now=datetime.now(UTC))
    made = (tmp_path / "secrets" / "deployment.env").read_text().splitlines()
    given = {line.split("=")[0] for line in made}
    required = {name for name, rest in variables_in(TEXT) if rest == ":?missing"}
    optional = {name for name, rest in variables_in(TEXT) if rest.startswith(":-")}

    assert given == required
    assert required | optional == {name for name, _ in variables_in(TEXT)}
    files = {path.name for path in (tmp_path / "secrets").iterdir()}
    for secret in COMPOSE["secrets"].values():
        folder, name = secret["file"].removeprefix("./").split("/")
        assert folder == "secrets"
        assert name in files


def test_every_name_is_declared_and_every_declaration_used():
    """A volume that is misspelt would be a new one, empty."""
    for kind in ("secrets", "configs"):
        used = set().union(*(sources(one.get(kind, [])) for one in SERVICES.values()))
        assert used == set(COMPOSE[kind]), kind
    networks = {network for one in SERVICES.values() for network in one["networks"]}
    assert networks == set(COMPOSE["networks"])
    mounts = [mount.split(":") for one in SERVICES.values() for mount in one.get("volumes", [])]
    named = {source for source, *_ in mounts if re.fullmatch(r"[a-z0-9-]+", source)}
    assert named == set(COMPOSE["volumes"])
    for one in SERVICES.values():
        for needed, condition in one.get("depends_on", {}).items():
            assert needed in SERVICES
            if condition["condition"] == "service_healthy":
                assert SERVICES[needed]["healthcheck"]


def test_every_path_exists():
    """Compose makes a directory where a mounted file is missing, and starts."""
    paths = [config["file"] for config in COMPOSE["configs"].values()]
    paths += [
        mount.split(":")[0]
        for one in SERVICES.values()
        for mount in one.get("volumes", [])
        if mount.startswith("./")
    ]
    for path in paths:
        assert (DEPLOY / path).is_file(), path
    build = OURS["worker"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_the_nodes_find_their_files():
    """The places that the configuration names are the places where things are mounted."""
    for number, (name, node) in enumerate(sorted(BUS.items()), 1):
        targets = {entry["target"]: entry["source"] for entry in node["secrets"]}
        assert targets == {
            f"{nats_nodes.TLS_DIR}/ca.crt": "nats_ca",
            f"{nats_nodes.TLS_DIR}/server.crt": f"nats_{number}_crt",
            f"{nats_nodes.TLS_DIR}/server.key": f"nats_{number}_key",
        }
        [config] = node["configs"]
        assert COMPOSE["configs"][config["source"]]["file"] == f"./nats/three-node-{number}.conf"
        assert f"config=${{NATS_CONFIG:-{config['target']}}}" in entrypoint()
        [volume] = node["volumes"]
        source, target = volume.split(":")
        assert source == name
        assert nats_nodes.STORE_DIR.startswith(f"{target}/")


def test_addresses_and_ports_agree():
    """A name or a port is written down in several files."""
    urls = SERVICES["worker"]["environment"]["VITO_NATS_URLS"].split(",")
    assert urls == [f"tls://{node}:{nats_nodes.CLIENT_PORT}" for node in nats_nodes.NODES]
    for node in BUS.values():
        [port] = node["ports"]
        assert port.split(":")[-1] == str(nats_nodes.CLIENT_PORT)
        assert (
            f"http://127.0.0.1:{nats_nodes.MONITOR_PORT}/healthz" in node["healthcheck"]["test"][3]
        )
    api = SERVICES["api"]
    port = api["environment"]["VITO_API_PORT"]
    assert api["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"http://127.0.0.1:{port}/healthz" in api["healthcheck"]["test"][3]
    gateway = SERVICES["gateway"]
    port = gateway["environment"]["VITO_GATEWAY_PORT"]
    assert gateway["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"http://127.0.0.1:{port}/healthz" in gateway["healthcheck"]["test"][3]


def test_what_stays_up_is_watched_bounded_and_given_time():
    """A process without a bound takes the machine with it, one without time to stop its work."""
    for name, service in SERVICES.items():
        limits = service["deploy"]["resources"]["limits"]
        assert set(limits) == {"cpus", "memory"}, name
        assert service["logging"]["options"]["max-size"], name
        if name not in ONE_OFF:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name
            assert int(service["stop_grace_period"].removesuffix("s")) >= 10, name


def test_processes_have_no_more_rights_than_they_need():
    """Whoever takes over a process is to find an empty, read-only place."""
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "privileged" not in service, name
    assert COMPOSE["networks"]["inner"]["internal"] is True
    published = {name for name, one in SERVICES.items() if "ports" in one}
    assert published == {"api", "gateway", *BUS}
    # Who asks the vendors has a way out as well, and nobody has one in to it.
    outside = {name for name, one in SERVICES.items() if "outer" in one["networks"]}
    assert outside == {*published, "reconcile", "agent"}


@pytest.mark.parametrize("name", ["worker", "callout", "reconcile", "prover"])
def test_two_are_started(name):
    """One of them can die."""
    assert SERVICES[name]["deploy"]["replicas"] >= 2


def test_only_the_callout_can_let_people_into_the_bus():
    """Whoever has its keys has every account of every server; the servers have the public half."""
    holders = {
        name for name, one in SERVICES.items() if "callout_keys" in sources(one.get("secrets", []))
    }

    assert holders == {"callout"}
    assert "kek" not in sources(SERVICES["callout"]["secrets"])
    for node in BUS.values():
        assert {"NATS_CALLOUT_ISSUER", "NATS_CALLOUT_XKEY"} <= set(node["environment"])


def entrypoint() -> str:
    return (DEPLOY / "entrypoint.sh").read_text()


def test_the_health_checks_are_programs_of_the_image():
    """A slim image has no curl; a missing program reads as an unhealthy server."""
    at_hand = {"python", "grep", "pg_isready"}
    for name, service in SERVICES.items():
        if "healthcheck" in service:
            kind, program, *_ = service["healthcheck"]["test"]
            assert (kind, program in at_hand) == ("CMD", True), name
    # Only who is on the list writes the file that their check reads.
    announced = re.search(r"^(.* \| agent)\)$", entrypoint(), re.MULTILINE)[1].split(" | ")
    tests = {name: one.get("healthcheck", {}).get("test", []) for name, one in PROCESSES.items()}
    checked = {name for name, test in tests.items() if "/tmp/ready" in test}
    assert checked <= set(announced)
    assert shlex.split(" ".join(SERVICES["worker"]["healthcheck"]["test"][1:]))[-1] == "/tmp/ready"
    assert "ready_file=${READY_FILE:-/tmp/ready}" in entrypoint()


def test_a_process_without_a_setting_says_which():
    """In a container nobody sees more than the last lines of the log."""
    environment = filled(SERVICES["worker"]["environment"])
    del environment["VITO_DEPLOYMENT"]

    result = subprocess.run(
        [sys.executable, "-m", "services.cli", "worker"],
        env=environment,
        cwd=DEPLOY.parent,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert result.returncode == 1
    assert "error: VITO_DEPLOYMENT is not set" in result.stderr
    assert "Traceback" not in result.stderr
