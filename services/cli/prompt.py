"""`vito prompt`: write, try, activate and roll back a twin's system prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.prompt import Variable
from contracts.questions import PromptPreview
from contracts.replies import Receipt
from contracts.views import PromptView
from services.audit.words import printable
from services.cli.asking import DataDir, Refused, Tenant, accepted, ask, file_text, reading
from services.cli.prompt_variables import values_in, variable_in
from services.client import GateClient
from services.client.read_side import PromptRow, SavedRow
from services.failure import Failure
from services.settings import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Write, try, activate and roll back a twin's system prompt. Every save is a new version.",
)

Version = Annotated[int, typer.Argument(help="The version.", min=1)]
Expected = Annotated[
    int | None, typer.Option("--expected", help="Only while this version is live.")
]
Reason = Annotated[str, typer.Option(help="Kept in the history.")]
Declared = Annotated[
    list[str] | None,
    typer.Option(
        "--variable",
        help="Such as user_name:string, goals:integer=0, vip:boolean=false or"
        " tier:choice(free|pro)=free. Without a default it is required.",
    ),
]


@app.command()
def save(
    tenant: Tenant,
    file: Annotated[Path, typer.Argument(help="The text, in UTF-8; - reads standard input.")],
    variable: Declared = None,
    note: Annotated[str, typer.Option(help="What is new about it.")] = "",
    base: Annotated[
        int | None,
        typer.Option(
            "--from", help="The version that you began with; refused if there is a later one."
        ),
    ] = None,
    latest: Annotated[
        int | None,
        typer.Option("--expected", help="The latest version you know of, if that is another."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """
    Keep a text as a new version. It is not live before it is activated.

    Without --variable the new version keeps the variables of the one that it was made from.
    """
    text = file_text(file)
    declared = None if variable is None else [variable_in(one) for one in variable]

    async def work(gate: GateClient, settings: Settings) -> Receipt:
        view = await gate.show(PromptView)
        newest = view.latest.version if view.latest else 0
        made_from = newest if base is None else base
        expected = made_from if latest is None else latest
        variables = declared
        if variables is None and made_from and expected == newest:
            variables = (await _version(settings, view, made_from)).variables
        return await gate.save_prompt(
            text,
            expected_version=expected,
            variables=variables or [],
            base_version=made_from,
            note=note,
        )

    receipt = accepted(ask(tenant, data_dir, work))
    typer.echo(
        f"{tenant}: saved as version {receipt.version} at position {receipt.position}."
        f" Make it live: vito prompt activate {tenant} {receipt.version}"
    )


@app.command()
def activate(
    tenant: Tenant,
    version: Version,
    expected: Expected = None,
    reason: Reason = "",
    data_dir: DataDir = None,
) -> None:
    """Make a version the live one: every running agent gets it at once."""

    async def work(gate: GateClient, _settings: Settings) -> Receipt:
        return await gate.activate_prompt(version, expected_active=expected, reason=reason)

    _tell_live(tenant, accepted(ask(tenant, data_dir, work)))


@app.command()
def rollback(
    tenant: Tenant,
    version: Version,
    expected: Expected = None,
    reason: Reason = "",
    data_dir: DataDir = None,
) -> None:
    """Make an earlier version the live one again: every running agent gets it at once."""

    async def work(gate: GateClient, _settings: Settings) -> Receipt:
        return await gate.roll_back_prompt(version, expected_active=expected, reason=reason)

    _tell_live(tenant, accepted(ask(tenant, data_dir, work)))


def _tell_live(tenant: str, receipt: Receipt) -> None:
    before = receipt.facts.get("previous_version") or "none"
    typer.echo(
        f"{tenant}: version {receipt.version} is live since position {receipt.position};"
        f" before it: {before}."
    )


@app.command("list")
def list_versions(
    tenant: Tenant,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=500)] = 20,
    data_dir: DataDir = None,
) -> None:
    """List the versions: who saved them, when, from what, and which one is live."""

    async def work(gate: GateClient, settings: Settings) -> list[SavedRow]:
        position = (await gate.show(PromptView)).position
        async with reading(settings) as read_side:
            return await read_side.prompt_versions(gate.tenant, limit, position=position)

    show_versions(ask(tenant, data_dir, work))


def show_versions(rows: Sequence[SavedRow]) -> None:
    """Print versions as a table."""
    table = Table("version", "", "made from", "by", "at", "note", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        live, base = "live" if row.active else "", str(row.base_version or "-")
        cells = (str(row.version), live, base, row.actor, row.occurred_at, row.note or "")
        table.add_row(*(printable(cell) for cell in cells))
    Console(highlight=False, markup=False).print(table)


@app.command()
def show(
    tenant: Tenant,
    version: Annotated[int | None, typer.Argument(help="Without it the live one.", min=1)] = None,
    data_dir: DataDir = None,
) -> None:
    """Print a version's text exactly, so that it can be saved again; the rest goes to stderr."""

    async def work(gate: GateClient, settings: Settings) -> PromptRow:
        view = await gate.show(PromptView)
        number = version or (view.active.version if view.active else 0)
        if not number:
            raise Refused("No version is live yet.", "see `vito prompt list`.")
        return await _version(settings, view, number)

    found = ask(tenant, data_dir, work)
    names = ", ".join(f"{one.name} ({one.type})" for one in found.variables) or "none"
    typer.echo(f"{tenant}, version {found.version}; variables: {names}", err=True)
    typer.echo(found.text, nl=not found.text.endswith("\n"))


@app.command()
def diff(
    tenant: Tenant,
    version: Version,
    against: Annotated[
        int | None, typer.Option(help="Compare with this one, not with its base.", min=1)
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Show what a version changes in the one that it was made from."""

    async def work(gate: GateClient, settings: Settings) -> PromptRow:
        position = (await gate.show(PromptView)).position
        async with reading(settings) as read_side:
            return await read_side.prompt_version(
                gate.tenant, version, position=position, against=against
            )

    found = ask(tenant, data_dir, work)
    if found.diff is None:
        typer.echo(f"version {version} was not made from another.", err=True)
        typer.echo("\n".join(f"+{row}" for row in found.text.split("\n")))
    elif found.diff:
        typer.echo("\n".join(found.diff))
    else:
        typer.echo(f"the texts of {found.compared_with} and {version} are the same.", err=True)


@app.command()
def preview(
    tenant: Tenant,
    version: Annotated[int | None, typer.Argument(help="Without it the latest.", min=1)] = None,
    assigned: Annotated[
        list[str] | None, typer.Option("--set", help="A value, such as user_name=Ana.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Try this text, which is not saved yet.")
    ] = None,
    variable: Declared = None,
    data_dir: DataDir = None,
) -> None:
    """Print a prompt as an agent would give it to a model, with values for its variables."""
    if file is not None and version is not None:
        raise Failure("A version or a file, not both.", "leave one of them out.")
    draft = None if file is None else file_text(file)
    declared = [variable_in(one) for one in variable or ()]

    async def work(gate: GateClient, settings: Settings) -> PromptPreview:
        if draft is not None:
            values = values_in(assigned or (), declared)
            return await gate.preview_draft(draft, declared, values)
        view = await gate.show(PromptView)
        number = version or (view.latest.version if view.latest else 0)
        variables: list[Variable] = []
        if number and assigned:
            variables = (await _version(settings, view, number)).variables
        return await gate.preview_prompt(
            values_in(assigned or (), variables), version=number or None
        )

    found = ask(tenant, data_dir, work)
    if found.text is None:
        faults = "; ".join(f"{fault.field}: {fault.rule}" for fault in found.faults)
        raise Refused(f"It cannot be rendered: {faults}.", "correct what is named.")
    typer.echo(found.text, nl=not found.text.endswith("\n"))


async def _version(settings: Settings, view: PromptView, version: int) -> PromptRow:
    """Return a version: as the gate has shown it, or from the tables."""
    for known in (view.active, view.latest):
        if known is not None and known.version == version:
            return PromptRow(version, known.text, known.variables, known.base_version, None)
    async with reading(settings) as read_side:
        return await read_side.prompt_version(view.tenant, version, position=view.position)
