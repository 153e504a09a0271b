"""What a fresh machine installs is what was tested, and nothing else."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = re.findall(
    r"^([a-z0-9-]+)==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", LOCK, re.MULTILINE
)


def wanted() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    stated = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    return [re.match(r"[A-Za-z0-9_-]+", line)[0].lower() for line in stated]


@pytest.mark.parametrize("name", wanted())
def test_every_dependency_is_locked_with_its_hashes(name):
    """A dependency added without `make lock` would break only somebody else's machine."""
    assert name in dict(LOCKED)


def test_every_locked_package_has_hashes_and_no_address():
    """The lock says what to install, not from where; pip refuses anything else."""
    assert len(LOCKED) == len(re.findall(r"^[a-z0-9-]+==", LOCK, re.MULTILINE)) > 40
    assert "://" not in LOCK


def test_make_lists_its_targets():
    """Bare `make` is the table of contents of this repository."""
    result = subprocess.run(("make",), cwd=ROOT, capture_output=True, text=True, check=True)

    listed = {line.split()[0] for line in result.stdout.splitlines() if line}
    assert {"setup", "run", "test", "check", "fmt", "bench", "contracts", "lock"} <= listed


def test_the_gate_is_check_and_test():
    """Whatever else runs there would be unknown to whoever runs `make check test`."""
    script = (ROOT / ".ci" / "run").read_text().splitlines()

    assert script[0] == "#!/usr/bin/env bash"
    assert [line for line in script if line.startswith("make")] == ["make check test"]
    assert any(line.startswith("set -e") for line in script)
