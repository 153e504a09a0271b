"""`vito topics`: what a twin must not talk about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from contracts.questions import TopicsCheck
from contracts.replies import Receipt
from contracts.spelling import in_words
from contracts.topics import Topics
from contracts.views import TopicsView
from services.audit.words import printable
from services.cli.asking import DataDir, Tenant, accepted, ask, file_text, reading
from services.cli.prompt import show_versions
from services.client import GateClient
from services.client.read_side import SavedRow
from services.failure import Failure
from services.settings import Settings

EXIT_FOUND = 1

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Say what a twin must not talk about. Every change is a new version, in force at once.",
)


@app.command("set")
def set_topics(
    tenant: Tenant,
    file: Annotated[
        Path,
        typer.Argument(
            help='JSON such as [{"name": "betting", "phrases": ["place a bet"]}]; - reads'
            " standard input."
        ),
    ],
    expected: Annotated[
        int | None, typer.Option(help="The latest version you know of; refused if it is not.")
    ] = None,
    note: Annotated[str, typer.Option(help="Kept in the history.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Replace the whole list. It is in force at once, and every running agent gets it."""
    try:
        topics = msgspec.json.decode(file_text(file), type=Topics)
    except msgspec.DecodeError as problem:
        why = in_words(str(problem))
        raise Failure(f"{file} is no list of topics: {why}.", "correct it.") from problem

    async def work(gate: GateClient, _settings: Settings) -> Receipt:
        known = expected
        if known is None:
            known = (await gate.show(TopicsView)).latest_version
        return await gate.set_topics(topics, expected_version=known, note=note)

    receipt = accepted(ask(tenant, data_dir, work))
    typer.echo(f"{tenant}: topics {receipt.version} in force since position {receipt.position}.")


@app.command()
def show(tenant: Tenant, data_dir: DataDir = None) -> None:
    """Print the list in force as JSON, so that it can be changed and set; the rest to stderr."""

    async def work(gate: GateClient, _settings: Settings) -> TopicsView:
        return await gate.show(TopicsView)

    view = ask(tenant, data_dir, work)
    typer.echo(f"{tenant}: version {view.version} of {view.latest_version}", err=True)
    typer.echo(msgspec.json.format(msgspec.json.encode(view.topics), indent=2).decode())


@app.command("list")
def list_versions(
    tenant: Tenant,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=500)] = 20,
    data_dir: DataDir = None,
) -> None:
    """List the versions: who set them, when, from what, and which one is in force."""

    async def work(gate: GateClient, settings: Settings) -> list[SavedRow]:
        position = (await gate.show(TopicsView)).position
        async with reading(settings) as read_side:
            return await read_side.topics_versions(gate.tenant, limit, position=position)

    show_versions(ask(tenant, data_dir, work))


@app.command()
def rollback(
    tenant: Tenant,
    version: Annotated[int, typer.Argument(help="The version.", min=1)],
    expected: Annotated[
        int | None, typer.Option(help="Only while this version is in force.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Put an earlier version in force again: every running agent gets it at once."""

    async def work(gate: GateClient, _settings: Settings) -> Receipt:
        return await gate.roll_back_topics(version, expected_active=expected, reason=reason)

    receipt = accepted(ask(tenant, data_dir, work))
    typer.echo(
        f"{tenant}: topics {receipt.version} in force since position {receipt.position};"
        f" before it: {receipt.facts.get('previous_version')}."
    )


@app.command()
def check(
    tenant: Tenant,
    text: Annotated[str, typer.Argument(help="What was said, or is about to be.")],
    data_dir: DataDir = None,
) -> None:
    """Look for prohibited topics in a text; exits with 1 when there is one."""

    async def work(gate: GateClient, _settings: Settings) -> TopicsCheck:
        return await gate.check_topics(text)

    found = ask(tenant, data_dir, work)
    for one in found.findings:
        said = printable(text[one.start : one.end])
        typer.echo(f"{one.topic}: {said!r} at characters {one.start + 1} to {one.end}")
    if found.findings:
        raise typer.Exit(EXIT_FOUND)
    typer.echo(f"{tenant}: nothing that version {found.version} of the topics prohibits.")
