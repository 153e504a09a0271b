"""`vito knowledge`: what a twin may know. Nothing is approved by itself."""

from __future__ import annotations

import re
import sys
import unicodedata
from datetime import UTC
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from contracts.knowledge import (
    AddSource,
    ApproveSource,
    RejectSource,
    RetireSource,
    SourceKind,
    Stage,
    SubmitSource,
)
from contracts.lookup import UPLOAD_BYTES_MAX, KnowledgeFound, KnowledgeReviewed
from contracts.replies import Receipt
from contracts.views import KnowledgeView, SourceShown
from services.audit.showing import screen
from services.audit.words import printable
from services.cli.asking import (
    AsJson,
    DataDir,
    Note,
    Refused,
    Tenant,
    accepted,
    ask,
    do,
    in_json,
    reading,
)
from services.cli.knowledge_index import prove, reindex
from services.cli.knowledge_review import show_found, show_review
from services.client import GateClient
from services.client.read_side import KnowledgeSource
from services.client.sender import new_id
from services.failure import Failure
from services.settings import Settings

MIB: Final = 1 << 20

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
    view, problems = ask(tenant, data_dir, _listed)
    wanted = [one for one in view.sources if stage in (None, one.stage)]
    view = msgspec.structs.replace(view, sources=wanted)
    if as_json:
        typer.echo(in_json(view))
    else:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 260)
        console.print(screen({"knowledge": view}, UTC))
        if unknown := problems.get(""):
            console.print(unknown, style="dim", soft_wrap=True)
        for one in wanted:
            if problem := problems.get(one.source):
                told = printable(f"{one.source} is approved and cannot be found: {problem}")
                console.print(Text.assemble(("✗ ", "bold red"), told), soft_wrap=True)


async def _listed(gate: GateClient, settings: Settings) -> tuple[KnowledgeView, dict[str, str]]:
    """What the gate has, and what the index says against it; by "" why it says nothing."""
    view = await gate.show(KnowledgeView)
    if not any(one.approved_hash for one in view.sources):
        return view, {}
    try:
        async with reading(settings) as api:
            return view, await api.knowledge_problems(view.tenant, position=view.position)
    except Failure as problem:
        # The list is the gate's, and is right without it.
        return view, {"": f"whether all that is approved can be found is not known: {problem}"}


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
def upload(
    tenant: Tenant,
    file: Annotated[Path, typer.Argument(help="PDF, DOCX, HTML, Markdown or text; 20 MiB.")],
    source: Annotated[
        str | None, typer.Option(help="The id of the source.", show_default="the file's name")
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="What people call it.", show_default="the file's name")
    ] = None,
    kind: Annotated[
        SourceKind | None, typer.Option(help="What it is.", show_default="by its name")
    ] = None,
    again: Annotated[bool, typer.Option(help="A new edition of a source that there is.")] = False,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Bring a file, and ask for its ingestion."""
    data, name = _file(file), source or _id_of(file)
    query = {"name": file.name, "note": note, "kind": kind or ""}
    query["title"] = "" if again else title or file.stem
    query = {key: value for key, value in query.items() if value}

    async def work(_gate: GateClient, settings: Settings) -> Receipt:
        async with reading(settings) as api:
            return await api.upload_knowledge(tenant, name, query, data, command_id=new_id())

    receipt = accepted(ask(tenant, data_dir, work))
    typer.echo(
        f"{tenant}: {name} uploaded, {len(data):,} bytes; it waits to be ingested"
        f" (position {receipt.position})."
    )


@app.command()
def review(
    tenant: Tenant,
    source: Name,
    approved: Annotated[bool, typer.Option(help="What is used now, not the draft.")] = False,
    question: Annotated[str | None, typer.Option(help="Try this question on it.")] = None,
    first: Annotated[int, typer.Option(help="Chunks from this number on.")] = 1,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Read a draft exactly as the twin would use it: its flags, its text, what would be found."""
    query = {"version": "approved" if approved else "draft", "first": str(first)}
    query |= {"question": question} if question else {}

    async def work(gate: GateClient, settings: Settings) -> KnowledgeReviewed:
        position = (await gate.show(KnowledgeView)).position
        async with reading(settings) as api:
            return await api.review_knowledge(tenant, source, query, position=position)

    found = ask(tenant, data_dir, work)
    if as_json:
        typer.echo(in_json(found))
    else:
        show_review(found)


@app.command("ask")
def ask_question(
    tenant: Tenant,
    question: Annotated[str, typer.Argument(help="What somebody might ask the twin.")],
    limit: Annotated[int, typer.Option(help="At most so many passages.")] = 3,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Look a question up in what was approved, as every conversation does."""

    async def work(_gate: GateClient, settings: Settings) -> KnowledgeFound:
        async with reading(settings) as api:
            return await api.search_knowledge(tenant, question, limit)

    found = ask(tenant, data_dir, work)
    if as_json:
        typer.echo(in_json(found))
    else:
        show_found(found.passages)


@app.command()
def approve(
    tenant: Tenant,
    source: Name,
    content_hash: Hash,
    flags_seen: Annotated[
        int, typer.Option(help="How many flags of it you have seen; see `review`.")
    ] = 0,
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Let the twin use exactly the content that you have read."""
    named: dict[str, object] = {"source": source, "content_hash": content_hash, "note": note}
    named["flags_seen"] = flags_seen
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


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > UPLOAD_BYTES_MAX:
            raise Refused(
                f"{path} is larger than {UPLOAD_BYTES_MAX // MIB} MiB.", "split the document."
            )
        return path.read_bytes()
    except OSError as problem:
        raise Refused(f"{path} cannot be read: {problem.strerror}.", "name another.") from problem


def _id_of(path: Path) -> str:
    plain = unicodedata.normalize("NFKD", path.stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-")[:64] or "source"


def _one(view: KnowledgeView, name: str) -> SourceShown:
    found = next((one for one in view.sources if one.source == name), None)
    if found is None:
        raise Refused(
            f"{view.tenant} has no source {name!r}.", f"see `vito knowledge list {view.tenant}`."
        )
    return found
