"""A command as somebody types it."""

from __future__ import annotations

import subprocess
import sys

from tests.rig.deployment import ROOT, Deployment


def run(
    system: Deployment, *arguments: str, given: str = "", timeout_s: float = 60
) -> subprocess.CompletedProcess:
    """What came of it."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        env={"PATH": "/usr/bin:/bin", **system.variables},
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
