"""`vito knowledge`: what a twin may know. Nothing is approved by itself."""

from __future__ import annotations

import sys
from datetime import UTC
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from contracts.knowledge import (
    AddSource,
    ApproveSource,
    RejectSource,
    RetireSource,
    SourceKind,
    Stage,
    SubmitSource,
)
from contracts.views import KnowledgeView, SourceShown
from services.audit.showing import screen
from services.cli.asking import (
    AsJson,
    DataDir,
    Note,
    Refused,
    Tenant,
    ask,
    do,
    in_json,
    reading,
    shown,
)
from services.cli.knowledge_index import prove, reindex
from services.client import GateClient
from services.client.read_side import KnowledgeSource
from services.settings import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Say what a twin may know: add sources, review what they brought, approve it.",
)

Name = Annotated[str, typer.Argument(metavar="SOURCE", help="The id of the source.")]
Hash = Annotated[
    str, typer.Argument(metavar="HASH", help="Of the draft that you have read; see `show`.")
]


@app.command()
def add(
    tenant: Tenant,
    source: Name,
    location: Annotated[str, typer.Argument(help="An address, or the name of a file.")],
    kind: Annotated[SourceKind, typer.Option(help="What it is.")],
    title: Annotated[str, typer.Option(help="What people call it.")],
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Name a source and ask for its ingestion."""
    do(
        data_dir,
        tenant,
        f"{source} added; it waits to be ingested",
        AddSource,
        source=source,
        kind=kind,
        title=title,
        location=location,
        note=note,
    )


@app.command()
def submit(tenant: Tenant, source: Name, note: Note = "", data_dir: DataDir = None) -> None:
    """Ask for a new ingestion; what is approved stays until you approve what it brings."""
    done = f"{source} waits to be ingested again"
    do(data_dir, tenant, done, SubmitSource, source=source, note=note)


@app.command("list")
def list_all(
    tenant: Tenant,
    stage: Annotated[Stage | None, typer.Option(help="Only sources at this stage.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List a twin's sources as the gate has them now."""
    view = shown(data_dir, tenant, KnowledgeView)
    wanted = [one for one in view.sources if stage in (None, one.stage)]
    view = msgspec.structs.replace(view, sources=wanted)
    if as_json:
        typer.echo(in_json(view))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 260)
        console.print(screen({"knowledge": view}, UTC))


@app.command()
def show(tenant: Tenant, source: Name, data_dir: DataDir = None) -> None:
    """Show one source with the summary of its draft, as JSON."""

    async def work(gate: GateClient, settings: Settings) -> KnowledgeSource:
        view = await gate.show(KnowledgeView)
        _one(view, source)
        async with reading(settings) as read_side:
            return await read_side.knowledge_source(tenant, source, position=view.position)

    typer.echo(in_json(ask(tenant, data_dir, work)))


@app.command()
def approve(
    tenant: Tenant, source: Name, content_hash: Hash, note: Note = "", data_dir: DataDir = None
) -> None:
    """Let the twin use exactly the content that you have read."""
    named = {"source": source, "content_hash": content_hash, "note": note}
    do(data_dir, tenant, f"{source} approved", ApproveSource, **named)


@app.command()
def reject(
    tenant: Tenant, source: Name, content_hash: Hash, note: Note = "", data_dir: DataDir = None
) -> None:
    """Say no to the content that you have read; what was approved before stays."""
    named = {"source": source, "content_hash": content_hash, "note": note}
    do(data_dir, tenant, f"{source} rejected", RejectSource, **named)


@app.command()
def retire(tenant: Tenant, source: Name, note: Note = "", data_dir: DataDir = None) -> None:
    """Let the twin use nothing of a source any more."""
    do(data_dir, tenant, f"{source} retired", RetireSource, source=source, note=note)


app.command()(prove)
app.command()(reindex)


def _one(view: KnowledgeView, name: str) -> SourceShown:
    found = next((one for one in view.sources if one.source == name), None)
    if found is None:
        raise Refused(
            f"{view.tenant} has no source {name!r}.", f"see `vito knowledge list {view.tenant}`."
        )
    return found
