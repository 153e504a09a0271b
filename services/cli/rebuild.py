"""`vito rebuild`: make the tables of a projection again, beside the ones that serve."""

from __future__ import annotations

import os
from typing import Annotated

import psycopg
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

import projections
from projections.projection import Projection
from services import run_file
from services.failure import Failure
from services.projector import rebuild as rebuilding
from services.projector.log import open_log
from services.projector.versions import stale_projections
from services.settings import Settings

NAMES = {projection.NAME: projection for projection in projections.ALL}


class UnknownProjection(Failure):
    """There is no projection of that name."""


def rebuild(
    projection: Annotated[
        list[str] | None,
        typer.Argument(help=f"Which: {', '.join(NAMES)}.", show_default=False),
    ] = None,
    *,
    stale: Annotated[
        bool, typer.Option(help="Those that this program has changed since they were filled.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every projection.")] = False,
) -> None:
    """
    Fill a projection anew from the log while the old one serves, then switch.

    The projector may run. When this is interrupted what serves stays complete: run it again.
    """
    chosen = list(NAMES) if every else list(projection or ())
    if not chosen and not stale:
        raise UnknownProjection("No projection was named.", f"name one of: {', '.join(NAMES)}.")
    for name in chosen:
        if name not in NAMES:
            raise UnknownProjection(
                f"There is no projection {name}.", f"name one of: {', '.join(NAMES)}."
            )
    uvloop.run(_rebuild(run_file.settings(os.environ), chosen, Console(), stale=stale))


async def _rebuild(settings: Settings, names: list[str], console: Console, *, stale: bool) -> None:
    if stale:
        async with await psycopg.AsyncConnection.connect(settings.postgres_owner()) as connection:
            names = [*names, *await stale_projections(connection)]
        if not names:
            console.print("Every projection is as this program defines it.")
    for name in dict.fromkeys(names):
        done = await _one(settings, NAMES[name], console)
        replaced = "" if done.replaced is None else f" instead of version {done.replaced}"
        console.print(
            f"{name}: version {done.version} serves{replaced}; {done.events:,} events applied"
        )


async def _one(settings: Settings, projection: Projection, console: Console) -> rebuilding.Rebuilt:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    async with open_log(settings) as (log, keys):
        with Progress(*columns, console=console, transient=True) as bar:
            tasks: dict[int, TaskID] = {}

            def show(progress: rebuilding.Progress) -> None:
                if progress.shard not in tasks:
                    tasks[progress.shard] = bar.add_task(f"shard {progress.shard}")
                bar.update(
                    tasks[progress.shard], completed=progress.stream_seq, total=progress.last_seq
                )

            return await rebuilding.rebuild(
                settings.postgres_owner(),
                projection,
                log,
                keys,
                shards=settings.shards,
                on_progress=show,
            )
