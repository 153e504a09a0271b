"""The command line: quick to answer, and clear when something is wrong."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.cli import main as cli
from services.cli.main import COMMANDS, Command
from services.failure import Failure

ROOT = Path(__file__).parents[2]


def vito(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "services.cli", *args),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command_and_imports_none():
    """Help that takes seconds is not read."""
    result = vito("--help")

    assert result.returncode == 0
    for name, command in COMMANDS.items():
        assert name in result.stdout
        assert command.target.partition(":")[0] not in result.stderr, "imported"
    for heavy in ("nats.aio", "psycopg", "aiohttp", "cryptography"):
        assert f" {heavy}" not in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    """A line in the table whose module is missing would fail only when typed."""
    result = vito(name, "--help")

    assert result.returncode == 0, result.stderr[-2000:]
    assert "Usage: vito" in result.stdout


def test_an_unknown_command_is_a_usage_error():
    """Exit code 2 is what scripts expect of a typing error."""
    result = vito("fly")

    assert result.returncode == 2
    assert "fly" in result.stderr


def refuse() -> None:
    """A command that fails as ours do."""
    raise Failure("the lamp is out.", "light it")


def crash() -> None:
    """A command with a bug."""
    raise AssertionError("a bug")


def unreachable() -> None:
    """A command whose server does not run."""
    raise ConnectionRefusedError(111, "Connection refused")


def grouped() -> None:
    """A command that failed inside a task group."""
    raise ExceptionGroup("tasks", [Failure("the lamp is out.", "light it")])


def run(monkeypatch, capsys, function) -> tuple[int, str]:
    monkeypatch.setitem(sys.modules, "tried", SimpleNamespace(run=function))
    monkeypatch.setitem(COMMANDS, "try", Command("tried:run", "try it"))
    monkeypatch.setattr(sys, "argv", ["vito", "try"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("function", [refuse, grouped])
def test_a_failure_is_two_lines(monkeypatch, capsys, function):
    """What is the case, and what to do; not thirty frames of ours."""
    code, error = run(monkeypatch, capsys, function)

    assert code == 1
    assert error.splitlines() == ["error: the lamp is out.", "remedy: light it"]


def test_a_server_that_does_not_run_is_no_bug(monkeypatch, capsys):
    """The commonest mistake is to forget `vito up`."""
    code, error = run(monkeypatch, capsys, unreachable)

    assert code == 1
    assert "vito up" in error


def test_a_bug_keeps_its_traceback(monkeypatch, capsys):
    """Hiding it would only make it harder to report."""
    with pytest.raises(AssertionError, match="a bug"):
        run(monkeypatch, capsys, crash)
