"""`vito restore`: make the log again from a backup."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from services.backup import deployment
from services.backup.archive import Copy
from services.run_file import settings as read_settings


def restore(
    directory: Annotated[Path, typer.Argument(help="What `vito backup` wrote.")],
    keys: Annotated[
        Path | None,
        typer.Option(help="A later backup: what was erased before it stays erased."),
    ] = None,
) -> None:
    """
    Make the log and the wrapped keys again from a backup, on servers that have neither.

    Stop workers and projectors first. What was acknowledged after the backup is not in it.
    """
    settings = read_settings(os.environ)
    manifest = asyncio.run(deployment.restore(settings, directory, keys_directory=keys, tell=_tell))
    print(f"restored: the log as of {manifest.taken_at}")
    print(
        "next: vito setup, vito verify, vito rebuild of every projection; then start the workers."
    )


def _tell(copy: Copy) -> None:
    print(f"{copy.stream}: {copy.state.get('messages', 0)} messages")
