"""The README is run as a newcomer would: every block marked `session`, on a fresh stack."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(kind: str) -> list[str]:
    """The README's blocks of one kind, in order."""
    return re.findall(rf"```{kind} session\n(.*?)```", README, re.DOTALL)


def run(argv: list[str], data_dir: Path) -> str:
    """Run a command as a person would, against the stack in *data_dir*."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("VITO_")}
    env |= {"VITO_DATA_DIR": str(data_dir), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}"}
    done = subprocess.run(
        argv, check=False, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture
def running(directory):
    """What `make run` starts, in a directory of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("VITO_")}
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli", "up"],
        env=environment | {"VITO_DATA_DIR": str(directory)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if "Try next" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield directory
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(20) == 0


def test_the_sessions_and_the_integration_work_when_pasted(running):
    """
    A README that does not work is worse than none.
    """
    lines = "".join(blocks("sh")).splitlines()
    script = "\n".join(["set -e", *(line for line in lines if not line.startswith(". .venv"))])
    assert "cantor" in run(["bash", "-c", script], running)
    said = run([sys.executable, "-c", blocks("python")[0]], running)
    assert "PASS 200 granted" in said
    assert "cost 148800 nanos" in said


PATHS = set(re.findall(r"`((?:tests|domain|services|contracts|deploy)/[\w./]+)`", README))


@pytest.mark.parametrize("path", sorted(PATHS))
def test_every_path_it_names_exists(path):
    """
    A map of rooms that are gone misleads.
    """
    assert (ROOT / path).exists()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\bvito ([a-z-]+)", README))))
def test_every_command_it_names_exists(command):
    """
    What is documented must be there to be typed.
    """
    assert command in COMMANDS
