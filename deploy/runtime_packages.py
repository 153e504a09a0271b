"""
Which installed packages the processes need, and which only built or tested them.

The lock file holds both, for one lock is one truth. The image removes the second kind:

    pip uninstall --yes $(python -m deploy.runtime_packages --others)
"""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def needed() -> set[str]:
    """The project and everything that it requires, directly or not; canonical names."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    found: set[str] = {canonicalize_name(project["name"])}
    waiting = [Requirement(text) for text in project["dependencies"]]
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


def others() -> set[str]:
    """Every installed package that the project does not need; canonical names."""
    installed: set[str] = {canonicalize_name(one.name) for one in metadata.distributions()}
    return installed - needed()


def main() -> None:
    """Print the names, one a line: those that are needed, or with --others the rest."""
    names = others() if "--others" in sys.argv[1:] else needed()
    print("\n".join(sorted(names)))  # noqa: T201 - a command prints


if __name__ == "__main__":
    main()
