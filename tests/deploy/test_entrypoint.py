"""What a container runs first: a shell script, with programs that write down their calls."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.nats_node import DEPLOY, ONE_NODE, new_words

ENTRYPOINT = DEPLOY / "entrypoint.sh"
CALLED = '#!/bin/sh\necho "$(basename "$0") $*"\n[ -z "${VITO_READY_FD:-}" ] || echo ready >&3\n'
PASSWORDS = new_words()


@pytest.fixture
def run(tmp_path):
    """Runs the script; `vito` and `nats-server` print how they were called."""
    for program in ("vito", "nats-server"):
        path = tmp_path / program
        path.write_text(CALLED)
        path.chmod(0o755)

    def entrypoint(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ENTRYPOINT, *arguments],
            env={
                "PATH": f"{tmp_path}:{os.defpath}",
                "NATS_CONFIG": str(ONE_NODE),
                "READY_FILE": str(tmp_path / "ready"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )

    return entrypoint


def test_it_is_executable():
    """The image copies it as it is."""
    assert os.access(ENTRYPOINT, os.X_OK)


@pytest.mark.parametrize(
    "command",
    ["worker", "callout", "projector", "ingest", "prover", "api", "gateway", "reconcile", "agent"],
)
def test_a_process_says_that_it_is_ready(run, tmp_path, command):
    """The health check reads a file, which must not be there from an earlier start."""
    ready = Path(tmp_path / "ready")
    ready.write_text("ready of yesterday\n")

    result = run(command)

    assert (result.returncode, result.stdout) == (0, f"vito {command}\n")
    assert ready.read_text() == "ready\n"


def test_other_commands_are_passed_on(run, tmp_path):
    """Set-up, backup and every other command of vito."""
    result = run("backup", "/backup/a b", VITO_DEPLOYMENT="x")

    assert result.stdout == "vito backup /backup/a b\n"
    assert not (tmp_path / "ready").exists()
    assert run().stdout == "vito \n"


def test_the_bus_starts_with_good_passwords(run):
    """The file is the one that the container mounts."""
    result = run("nats", **PASSWORDS)

    assert result.stdout == f"nats-server --config {ONE_NODE}\n"


@pytest.mark.parametrize("word", ["", "short", "12345678901234567890", "-" + "x" * 30, "x" * 19])
@pytest.mark.parametrize("name", ["VITO_NATS_WORKER_PASSWORD", "VITO_NATS_MONITOR_PASSWORD"])
def test_the_bus_does_not_start_with_a_bad_password(run, name, word):
    """An empty one lets everybody in, a number is read as a number, a sign as a syntax error."""
    result = run("nats", **{**PASSWORDS, name: word})

    assert (result.returncode, result.stdout) == (1, "")
    assert name in result.stderr
    assert not word or word not in result.stderr
    without = {key: value for key, value in PASSWORDS.items() if key != name}
    assert run("nats", **without).returncode == 1


@pytest.mark.parametrize("word", ["", "A", "SA" + "A" * 54, "a" * 56])
@pytest.mark.parametrize("name", ["NATS_CALLOUT_ISSUER", "NATS_CALLOUT_XKEY"])
def test_the_bus_does_not_start_with_half_a_callout(run, name, word):
    """A private key in the place of a public one would stand in the server's environment."""
    result = run("nats", **{**PASSWORDS, name: word})

    assert (result.returncode, result.stdout) == (1, "")
    assert name in result.stderr
    without = {key: value for key, value in PASSWORDS.items() if key != name}
    assert run("nats", **without).returncode == 1
