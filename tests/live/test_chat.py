"""`vito chat`, as it is typed: a visitor on this machine, and a service with a key anywhere."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import pytest

from services.sandbox.faults import Fault
from tests.gate.conftest import served  # noqa: F401 - a fixture
from tests.rig.deployment import ROOT

COST = re.compile(r"this turn \$(\d+\.\d{6})")


def typed(lines, *words, **env):
    """Type a command and what is said then; what came of it."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "chat", *words],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "COLUMNS": "200", **env},
        input="".join(f"{line}\n" for line in lines),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def chat(lines, *words, **env):
    return await asyncio.to_thread(typed, lines, *words, **env)


@pytest.fixture
def here(served, twin):  # noqa: F811 - a fixture
    """The variables of this machine's deployment, whose gateway the test holds."""
    port = twin.running.url.rpartition(":")[2]
    return {**served.variables, "VITO_GATEWAY_PORT": port}


async def test_a_visitor_reads_the_disclosure_the_answers_and_the_meter(twin, here):
    """
    Goal: a newcomer types it and sees what everything costs.
    Method: the command itself, two questions on its standard input; its figures against the bill.
    """
    done = await chat(["Hola", "", "¿Qué opinás del clásico?"], twin.tenant, **here)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Hablas con una IA.")
    assert "clásico" in done.stdout
    turns = COST.findall(done.stdout)
    assert len(turns) == twin.calls() == 2
    # Shown to the millionth of a dollar.
    booked = await twin.settled()
    assert sum(map(float, turns)) == pytest.approx(booked / 1e9, abs=2e-6)
    assert "left" in done.stdout
    assert "Traceback" not in done.stderr


async def test_a_service_talks_with_its_key_and_the_address_alone(twin):
    """
    Goal: a remote deployment can be talked with from anywhere, with one twin's key.
    Method: no variable of the deployment is set; the key is in no argument.
    """
    key = await twin.key()
    url = twin.running.url.replace("http", "ws")
    done = await chat(["Hola"], twin.tenant, "--url", url, TWIN_KEY=key)

    assert done.returncode == 0, done.stderr
    assert "this conversation $" in done.stdout
    assert "Hablas con una IA" not in done.stdout
    assert key not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (("--url", "http://twins.example"), {"TWIN_KEY": "vito_x"}, "is no address of a gateway"),
        (("--url", "http://127.0.0.1:1"), {"TWIN_KEY": "vito_x"}, "does not answer"),
        (("--url", "http://127.0.0.1:1"), {}, "--key"),
        ((), {"TWIN_KEY": "vito_x"}, "No gateway is known here"),
    ],
)
async def test_what_cannot_work_is_said_with_its_remedy(tmp_path, words, env, says):
    """A key is not sent in the clear; and nobody meets a traceback."""
    done = await chat(["Hola"], "cantor", *words, "--data-dir", str(tmp_path), **env)

    assert done.returncode == 1
    assert says in done.stderr.replace("\n", " ")
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "vito_x" not in done.stderr


async def test_a_key_that_is_not_known_is_told_what_to_show(twin):
    """The gateway answers before there is a conversation."""
    done = await chat(["Hola"], twin.tenant, "--url", twin.running.url, TWIN_KEY="vito_wrong")

    assert done.returncode == 1
    assert "status 401" in done.stderr
    assert "scope `calls`" in done.stderr


async def test_an_answer_that_breaks_off_does_not_end_the_chat(twin, here):
    """The vendor's bad minute is said; the next question is answered."""
    twin.sandbox.faults.add(Fault(vendor="openai", kind="status", status=500, times=1))
    done = await chat(["Hola", "¿Y ahora?"], twin.tenant, **here)

    assert done.returncode == 0, done.stderr
    assert len(COST.findall(done.stdout)) == 2
