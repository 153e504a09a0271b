"""`vito tokens`, as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def vito(directory: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "tokens", *arguments],
        env={"PATH": os.defpath, "VITO_DATA_DIR": str(directory), **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_keys_are_shown_exchanged_and_named_when_they_are_missing(tmp_path):
    """The public half on the screen, never the other; production says what it wants."""
    shown = vito(tmp_path, "jwks")
    rotated = vito(tmp_path, "rotate", "--prepare")
    seeds = json.loads((tmp_path / "token_keys.json").read_text())["keys"].values()

    assert (shown.returncode, rotated.returncode) == (0, 0), shown.stderr + rotated.stderr
    [first] = json.loads(shown.stdout)["keys"]
    assert f"{first['kid']} signs tokens still; the next key is published" in rotated.stdout
    public = json.loads((tmp_path / "token_jwks.json").read_text())["keys"]
    assert len(public) == 2
    for seed in (key["seed"] for key in seeds):
        assert seed not in shown.stdout + rotated.stdout

    production = {
        "VITO_ENVIRONMENT": "production",
        "VITO_DEPLOYMENT": "mexico-1",
        "VITO_NATS_URLS": "tls://a:4222",
        "VITO_KEK_FILE": "kek.json",
    }
    refused = vito(tmp_path, "rotate", **production)
    assert refused.returncode == 1
    assert "error: VITO_TOKEN_KEYS_FILE is not set" in refused.stderr
    assert "Traceback" not in refused.stderr
