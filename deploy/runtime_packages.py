"""
Which installed packages the processes need, and which only built or tested them.

The lock file holds both, for one lock is one truth. The image removes the second kind:

    pip uninstall --yes $(python -m deploy.runtime_packages --others)

With `--extra livekit` what the agent needs is kept as well.
"""

from __future__ import annotations

import argparse
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def needed(*extras_wanted: str) -> set[str]:
    """The project and everything that it and its extras require, directly or not; canonical."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    found: set[str] = {canonicalize_name(project["name"])}
    waiting = [Requirement(text) for text in project["dependencies"]]
    for extra in extras_wanted:
        waiting += map(Requirement, project["optional-dependencies"][extra])
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        name = canonicalize_name(requirement.name)
        visited = {f"{name}[{extra}]" if extra else name for extra in extras}
        if visited <= found:
            continue
        found |= {name} | visited
        for text in metadata.requires(requirement.name) or ():
            wanted = Requirement(text)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(wanted)
    return {name for name in found if "[" not in name}


def others(*extras_wanted: str) -> set[str]:
    """Every installed package that the project does not need; canonical names."""
    installed: set[str] = {canonicalize_name(one.name) for one in metadata.distributions()}
    return installed - needed(*extras_wanted)


def main() -> None:
    """Print the names, one a line: those that are needed, or with --others the rest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--extra", action="append", default=[])
    asked = parser.parse_args()
    names = others(*asked.extra) if asked.others else needed(*asked.extra)
    print("\n".join(sorted(names)))  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
