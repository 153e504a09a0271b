"""
The command `vito`.

To add a command, add a line to `COMMANDS` and a function with typer annotations, or a `typer.Typer`
with several of them, to `services/cli/<command>.py`. `vito --help` imports none of them.
"""

import importlib
import os
import sys
from typing import Any, NoReturn

import msgspec
import typer
import typer.core
import typer.main
from typer import Context


class Command(msgspec.Struct, frozen=True):
    """Where a command is ("module:function", or ":app" for several), and what it does."""

    target: str
    summary: str


COMMANDS: dict[str, Command] = {
    "up": Command("services.cli.up:up", "Start everything on this machine, until Ctrl-C."),
    "chat": Command("services.cli.chat:chat", "Talk with a twin, with the meter beside."),
    "demo": Command("services.cli.demo:demo", "Replay real traffic for both twins."),
    "evidence": Command("services.cli.evidence:evidence", "Measure the claims of the checklist."),
    "top-up": Command("services.cli.top_up:top_up", "Add prepaid credits to a twin."),
    "prompt": Command("services.cli.prompt:app", "Write, try and roll back a system prompt."),
    "topics": Command("services.cli.topics:app", "Say what a twin must not talk about."),
    "twin": Command("services.cli.twin:app", "Shape a twin, from its draft to its sign-off."),
    "deployment": Command(
        "services.cli.deployment:app", "Say where a twin is shown, and by what rules."
    ),
    "session": Command("services.cli.session:app", "Show the sessions of a twin, and stop them."),
    "knowledge": Command(
        "services.cli.knowledge:app", "Say what a twin may know: add, review, approve."
    ),
    "member": Command("services.cli.member:app", "Invite people to a twin and say what they may."),
    "key": Command("services.cli.key:app", "Issue, rotate and revoke the API keys of a twin."),
    "account": Command("services.cli.account:app", "Show who can sign in, and make super admins."),
    "secret": Command("services.cli.secret:secret", "Put, list and revoke secrets of a twin."),
    "keys": Command("services.cli.keys:keys", "Rotate data keys, and wrap them anew."),
    "erase": Command("services.cli.erase:erase", "Destroy a twin's keys, for ever."),
    "tail": Command("services.cli.tail:tail", "Show the log as it grows, in plain words."),
    "show": Command("services.cli.show:show", "Ask the gate what it has of a twin now."),
    "replay": Command("services.cli.replay:replay", "Show a twin as the gate saw it then."),
    "preview": Command(
        "services.cli.preview:preview", "Try a policy on the calls that were really made."
    ),
    "verify": Command("services.cli.verify:verify", "Prove the log, and what is shown of it."),
    "status": Command("services.cli.status:status", "Show what runs where, and what is wrong."),
    "setup": Command("services.cli.setup:setup", "Make what is missing before processes start."),
    "worker": Command("services.cli.worker:worker", "Decide the commands of the shards it leases."),
    "callout": Command("services.cli.callout:callout", "Let keys and tokens into the bus."),
    "prover": Command("services.cli.prover:prover", "Open logs for the API: proofs, previews."),
    "ingest": Command("services.cli.ingest:ingest", "Bring and look up what twins know."),
    "projector": Command("services.cli.projector:projector", "Fill the tables from the log."),
    "rebuild": Command("services.cli.rebuild:rebuild", "Make the tables of a projection again."),
    "api": Command("services.cli.api:api", "Answer questions about the twins over HTTP."),
    "reconcile": Command(
        "services.cli.reconcile:reconcile", "End sessions at vendors that nobody pays for."
    ),
    "sandbox": Command(
        "services.cli.sandbox:sandbox", "Answer like the vendors, for machines without accounts."
    ),
    "agent": Command("services.cli.agent:agent", "Hold conversations in LiveKit rooms."),
    "gateway": Command("services.cli.gateway:gateway", "Hold conversations over WebSockets."),
    "tokens": Command("services.cli.tokens:tokens", "Exchange the keys that sign tokens."),
    "backup": Command("services.cli.backup:backup", "Copy the log and its keys into a directory."),
    "restore": Command("services.cli.restore:restore", "Make the log again from a backup."),
    "bench": Command("services.cli.bench:bench", "Measure against the raw servers."),
    "balance": Command(
        "services.cli.balance:balance", "Add up what a crowd, faults and kills have cost."
    ),
}

OUR_PACKAGES = ("contracts", "domain", "projections", "services")
# Errors of libraries that mean: a server cannot be reached.
UNREACHABLE = ("NoServersError", "OperationalError", "ConnectionRefusedError", "PoolTimeout")
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class LazyCommand(typer.core.TyperCommand):
    """Stands in the list of commands until its own is typed."""

    def __init__(self, name: str, command: Command) -> None:
        super().__init__(name, help=command.summary)
        self._target = command.target

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        return self._load().make_context(info_name, args, parent, **extra)

    def _load(self) -> Any:
        module, _, function = self._target.partition(":")
        target = getattr(importlib.import_module(module), function)
        if isinstance(target, typer.Typer):
            group = typer.main.get_group(target)
            group.name, group.help = self.name, self.help
            return group
        app = typer.Typer(add_completion=False)
        app.command(self.name)(target)
        return typer.main.get_command(app)


class LazyGroup(typer.core.TyperGroup):
    """Knows its commands by name only."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        command = COMMANDS.get(cmd_name)
        return None if command is None else LazyCommand(cmd_name, command)


app = typer.Typer(cls=LazyGroup, add_completion=False, no_args_is_help=True)


@app.callback()
def vito(_context: Context) -> None:
    """Authorise every vendor call of a digital twin before it happens, account for it after."""


def main() -> NoReturn:
    """Run the command line; an operator sees what is wrong and what to do, not a traceback."""
    try:
        code = typer.main.get_command(app).main(prog_name="vito", standalone_mode=True)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception as error:
        cause = _single(error)
        if not _is_expected(cause) or os.environ.get("VITO_LOG_LEVEL") == "debug":
            raise
        _explain(cause)
        code = EXIT_FAILED
    sys.exit(code)


def _single(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _is_expected(error: BaseException) -> bool:
    package = type(error).__module__.partition(".")[0]
    return package in OUR_PACKAGES or type(error).__name__ in UNREACHABLE


def _explain(error: BaseException) -> None:
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    remedy = getattr(error, "remedy", "")
    if not remedy and type(error).__name__ in UNREACHABLE:
        remedy = "start everything with `vito up`, or correct the addresses in the environment."
    typer.secho(f"error: {message}", fg="red", err=True)
    if remedy:
        typer.secho(f"remedy: {remedy}", err=True)
